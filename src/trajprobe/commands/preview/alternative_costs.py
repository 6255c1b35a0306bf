"""What the alternatives to the frozen encoder cost: how often each is trained, and on how many clips.

A training stops early where going on does not help; when, nobody knows before, so all of its epochs are counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from trajprobe.artifacts.formatting import counted
from trajprobe.baseline.params import BaselineParams, TrainingParams
from trajprobe.baseline.task import NEED_CLASSES, NEED_PATHS
from trajprobe.commands.preview.cost_model import (
    EncoderTimes,
    FitTimes,
    StageCost,
    StudyPlan,
    prediction_bytes,
    probe_seconds,
)

BACKWARD = 2  # forward passes that one backward takes, about (Kaplan et al., arXiv:2001.08361, section 2.1)
FROM_A_FIT = "from one fit, within a factor of 2"
AT_MOST = "at most: all epochs are counted, and early stopping saves some"
NOT_TIMED = "not timed: seconds to minutes for hundreds of items"


@dataclass(frozen=True)
class AlternativeTimes:
    """fits: of a probe on as many columns as a control has. step: seconds that `cnn3d` trains for on a clip, with all
    workers busy. encoder: of the one that alternatives with one use, with the fits to its features; None if it was not
    timed. has_paths: whether the items have trajectories.
    """

    fits: FitTimes
    step: float
    encoder: tuple[EncoderTimes, FitTimes] | None
    has_paths: bool


def alternative_rows(
    names: Sequence[str], plan: StudyPlan, settings: BaselineParams, times: AlternativeTimes
) -> Iterator[StageCost]:
    """A row for each alternative of `names`."""
    for name in names:
        stage = f"baseline {name}"
        if (name in NEED_PATHS and not times.has_paths) or (name in NEED_CLASSES and not plan.classes):
            yield StageCost(stage, "left out", 0.0)
        elif name == "kinematics":
            yield _probed(stage, plan, times.fits, 0.0)
        elif name in ("dtw", "multirocket"):
            yield StageCost(stage, "", None, None, NOT_TIMED)
        elif name == "cnn3d":
            yield _trained(stage, plan, settings.cnn3d, 1, times.step)
        elif times.encoder is None:
            yield StageCost(stage, "", None, None, "its encoder was not timed")
        elif name == "finetune":
            # Each arm is trained twice: to find how many epochs help, and on the whole training part.
            seconds = 2 * (1 + BACKWARD) * times.encoder[0].clip
            yield _trained(stage, plan, settings.finetune, 2, seconds)
        else:
            encoder, fits = times.encoder
            yield _probed(stage, plan, fits, encoder.ready + plan.items * encoder.clip)


def _probed(stage: str, plan: StudyPlan, fits: FitTimes, seconds: float) -> StageCost:
    """seconds: what making the features of its one arm takes."""
    seconds += probe_seconds(plan, fits, 1)
    return StageCost(stage, "1 arm", seconds, prediction_bytes(plan, 1), FROM_A_FIT)


def _trained(
    stage: str, plan: StudyPlan, settings: TrainingParams, arms: int, clip_seconds: float
) -> StageCost:
    """arms: pretrained and random, or one. clip_seconds: of training on a clip once, with all workers busy.

    Each half is trained on from the first seed alone, and has half of the items.
    """
    repeats = min(settings.repeats, plan.repeats)
    in_folds = settings.seeds * plan.folds * repeats
    in_halves = 2 * plan.folds * min(settings.split_halves, plan.split_halves)
    clips = arms * settings.epochs * plan.train * (in_folds + in_halves / 2)
    disk = prediction_bytes(replace(plan, repeats=repeats), arms * settings.seeds)
    return StageCost(
        stage, counted(arms * (in_folds + in_halves), "training"), clips * clip_seconds, disk, AT_MOST
    )
