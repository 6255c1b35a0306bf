"""What every alternative is given, and what it gives back.

An alternative is a function of a `Task`. Some make features for the probe that all encoders get (`probed`), the others
learn from training items by themselves (`learner`). Both give an `Outcome`: predictions for the items that any fold
tests, in the contract of the stage `probe`, and what they cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from trajprobe.artifacts.clips import Clips, open_clips
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.artifacts.trajectories import Items, TrajectorySet, items_digest, read_trajectories
from trajprobe.baseline.params import BaselineParams
from trajprobe.core import paths
from trajprobe.core.costs import Measured
from trajprobe.core.errors import UserError
from trajprobe.extract.params import ExtractParams
from trajprobe.probe.inputs import ProbeInputs

BASELINE = "baseline"  # stands for an arm that is neither an encoder's nor a control's
NO_PATHS = "it needs trajectories, and the items of this source are clips without them"
NEED_PATHS = ("kinematics", "dtw", "multirocket")  # left out if the items are clips without trajectories
NO_CLASSES = "it needs classes, and the labels of this source are numbers to predict"
NEED_CLASSES = (
    "dtw",
    "multirocket",
    "cnn3d",
    "finetune",
)  # left out if labels are numbers; the others are probed


@dataclass(frozen=True)
class Task:
    """The N items with their labels and folds, and how an alternative is to be trained.

    name: of the alternative. inputs: labels, folds, split halves and penalties of the stage `probe`. encoder: the one
    that alternatives with an encoder use, at the first layer and pooling of `extract`. groups: (N,) integers from 0.
    device: its name, or None for the best there is. batch: clips in one pass through a frozen encoder. workers:
    processes, which change no result.
    """

    name: str
    items: Items
    inputs: ProbeInputs
    settings: BaselineParams
    extract: ExtractParams
    encoder: str
    device: str | None
    batch: int
    workers: int

    @property
    def n_classes(self) -> int:
        return len(self.items.classes)

    @property
    def hindrance(self) -> str:
        """Why these items do not allow the alternative; empty if they do."""
        if self.name in NEED_CLASSES and not self.items.classes:
            return NO_CLASSES
        return NO_PATHS if self.name in NEED_PATHS and not self.items.has_paths else ""

    @property
    def groups(self) -> np.ndarray:
        return np.unique(np.asarray(self.items.groups, dtype=object), return_inverse=True)[1]

    def paths(self) -> TrajectorySet:
        """The paths, which the items have (see `NEED_PATHS`)."""
        return read_trajectories(paths.TRAJECTORIES)

    def clips(self) -> Clips:
        """The clips. Raises UserError if they are missing, damaged, or were drawn for other items."""
        clips = open_clips(paths.VIDEOS)
        clips.check_items(items_digest(self.items.item_ids))
        return clips


@dataclass(frozen=True)
class Outcome:
    """arms: with their results in the first B split halves of the probe's; split_half_counts: (B, 2, K) tested items of
    each class in these. metadata: what the file of predictions says besides."""

    arms: list[ArmPredictions]
    split_half_counts: np.ndarray
    measured: Measured
    metadata: Mapping[str, Any] = field(default_factory=dict)


def left_out(task: Task) -> Outcome:
    """No arms and no costs, for an alternative that these items do not allow."""
    nothing = Measured(
        training_seconds=0.0, inference_seconds=0.0, parameters=0, bytes=0, trainings=0, device="none"
    )
    return Outcome([], np.zeros((0, 2, task.n_classes), int), nothing, {"left_out": task.hindrance})


def require(name: str, extra: str, *modules: str) -> None:
    """Raises UserError, with the command that installs them, if a library of the alternative `name` is missing."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UserError(
            f"baselines: {name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            f"installed; run `pip install -c constraints.txt -e '.[{extra}]'`, or leave {name} out"
        )
