"""What a run costs, stage by stage: everything is timed once, and a run of any size follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.artifacts.formatting import counted
from trajprobe.commands.comparing import CONTROL_ARMS
from trajprobe.commands.preview.alternative_costs import (
    FROM_A_FIT,
    AlternativeTimes,
    alternative_rows,
)
from trajprobe.commands.preview.chosen_items import ChosenItems
from trajprobe.commands.preview.cost_model import (
    FLOAT,
    ControlTimes,
    EncoderTimes,
    FitTimes,
    StageCost,
    StudyPlan,
    analyse_seconds,
    control_seconds,
    extract_seconds,
    feature_bytes,
    prediction_bytes,
    probe_seconds,
    render_seconds,
)
from trajprobe.commands.preview.needed_weights import weights_cost
from trajprobe.commands.preview.timed_work import (
    stored_bytes,
    timed_controls,
    timed_encoder,
    timed_fits,
    timed_step,
)
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.parallel import worker_count
from trajprobe.encoders.registry import resolve_device
from trajprobe.params import Params
from trajprobe.probe.folds import is_published
from trajprobe.render.rendering import MOST_THREADS


@dataclass(frozen=True)
class RunOptions:
    """How the stages would run: as their options of the same names."""

    device: str | None = None
    batch: int = 8
    workers: int | None = None


@dataclass(frozen=True)
class EncoderWork:
    """An encoder's weights, and what was timed of it, or the reason why nothing was."""

    weights: StageCost
    timed: tuple[EncoderTimes, FitTimes] | str


@dataclass(frozen=True)
class MeasuredWork:
    """plan: of the study as it is. read (seconds) and path_bytes are of all its items, drawn (seconds) and clip_bytes
    of one. encoders: by name. step: as in `AlternativeTimes`. device: cpu or cuda, where they were timed.
    """

    plan: StudyPlan
    read: float
    path_bytes: float
    drawn: float
    clip_bytes: float
    controls: ControlTimes
    control_fits: FitTimes
    encoders: Mapping[str, EncoderWork]
    step: float
    device: str

    def resized(self, items: int, random_inits: int) -> "MeasuredWork":
        """The same work for another number of items and initialisations."""
        factor = items / self.plan.items
        return replace(
            self,
            plan=replace(self.plan, items=items, random_inits=random_inits),
            read=factor * self.read,
            path_bytes=factor * self.path_bytes,
        )


def measure_work(
    params: Params, cards: Sequence[EncoderCard], chosen: ChosenItems, options: RunOptions
) -> MeasuredWork:
    """Time a little of everything that a run does. What cannot be timed of an encoder is said, not raised."""
    trajectories, clips = chosen.trajectories, chosen.clips
    published = is_published(params.probe.split, trajectories.splits)
    plan = StudyPlan(
        items=len(trajectories.labels),
        classes=len(trajectories.classes),
        folds=1 if published else params.probe.folds,
        repeats=1 if published else params.probe.repeats,
        split_halves=params.probe.split_halves,
        random_inits=params.extract.random_inits,
        workers=worker_count(options.workers),
    )
    controls = timed_controls(trajectories, clips)
    device = resolve_device(options.device).type

    def step_seconds() -> float:
        if "cnn3d" not in params.baselines or not plan.classes:
            return 0.0
        step = timed_step(params.baseline.cnn3d, clips.shape[1], plan.classes, options.device)
        return step / plan.workers if device == "cpu" else step

    def encoder_work(card: EncoderCard) -> EncoderWork:
        weights = paths.weights(card.name)
        cost = weights_cost(card, weights)
        try:
            times = timed_encoder(card, weights, clips, params.extract, options.device, options.batch)
        except UserError as error:
            return EncoderWork(cost, str(error))
        return EncoderWork(cost, (times, timed_fits(trajectories, times.widths[0], plan, params.probe)))

    return MeasuredWork(
        plan=plan,
        read=chosen.read,
        path_bytes=sum(array.nbytes for array in (*trajectories.points, *trajectories.times)),
        drawn=chosen.drawn,
        clip_bytes=stored_bytes(clips),
        controls=controls,
        control_fits=timed_fits(trajectories, controls.columns // len(CONTROL_ARMS), plan, params.probe),
        encoders={card.name: encoder_work(card) for card in cards},
        step=step_seconds(),
        device=device,
    )


def stage_costs(work: MeasuredWork, params: Params) -> list[StageCost]:
    """A row for each stage, in the order of the pipeline."""
    plan, n = work.plan, work.plan.items
    rows = [
        StageCost("trajectories", f"{n:,} paths", work.read, work.path_bytes),
        StageCost(
            "render", f"{n:,} clips", render_seconds(plan, work.drawn, MOST_THREADS), n * work.clip_bytes
        ),
        StageCost(
            "controls",
            f"{n:,} items",
            control_seconds(plan, work.controls),
            n * work.controls.columns * FLOAT,
        ),
        StageCost(
            "probe controls",
            counted(len(CONTROL_ARMS), "arm"),
            probe_seconds(plan, work.control_fits, len(CONTROL_ARMS)),
            prediction_bytes(plan, len(CONTROL_ARMS)),
        ),
    ]
    for name, own in work.encoders.items():
        rows.append(own.weights)
        if isinstance(own.timed, str):
            rows += [
                StageCost(f"{stage} {name}", "", None, None, own.timed)
                for stage in ("extract", "probe", "analyse")
            ]
        else:
            rows += _encoder_rows(params, name, plan, *own.timed)
    first = work.encoders.get(params.encoders[0])
    timed = None if first is None or isinstance(first.timed, str) else first.timed
    times = AlternativeTimes(work.control_fits, work.step, timed, work.path_bytes > 0)
    rows += alternative_rows(params.baselines, plan, params.baseline, times)
    return [*rows, StageCost("compare, plot", "", None, None, "not timed: seconds")]


def _encoder_rows(
    params: Params, name: str, plan: StudyPlan, times: EncoderTimes, fits: FitTimes
) -> list[StageCost]:
    arms = plan.arms * len(times.widths)
    others = [
        analysis
        for analysis in ("mlp", "attentive", "attributes", "injection")
        if getattr(params.analyse, analysis)
    ]
    return [
        StageCost(
            f"extract {name}",
            f"{plan.arms} arms x {plan.items:,} clips",
            extract_seconds(plan, times),
            2 * feature_bytes(plan, times.widths),
            f"{1000 * times.clip:,.1f} ms a clip; the cache of shards is half of the disk",
        ),
        StageCost(
            f"probe {name}",
            counted(arms, "arm"),
            probe_seconds(plan, fits, arms),
            prediction_bytes(plan, arms),
            FROM_A_FIT,
        ),
        StageCost(
            f"analyse {name}",
            counted(plan.arms, "arm"),
            None if others else analyse_seconds(plan, fits, params.analyse),
            0.0,
            f"{' and '.join(others)}: not estimated" if others else FROM_A_FIT,
        ),
    ]
