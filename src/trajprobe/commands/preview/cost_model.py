"""The cost of a whole run from a few measured times: how often each piece of work is done, stage by stage.

Every function is arithmetic on what timed_work.py measured; nothing here runs anything. Sizes are in bytes, times in
seconds on an idle machine. What depends on how hard the classes are to separate (the number of iterations of a fit)
is taken from one fit to the paths' coordinates: it can be wrong by a factor of two.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trajprobe.analyse.params import AnalyseParams

CONTROL_BATCH = 256  # clips at once in controls/stage.py
ORDER_CLIPS = 8  # as extract/order_sensitivity.py measures, in three disorders and in order, for two arms
ORDER_PASSES = 4
SHARES = (
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.0625,
    0.125,
    0.25,
    0.5,
)  # of description_length: all but the last
COARSE = 0.5  # share of the penalties that the analyses with many small fits try
FLOAT = 4  # bytes
LOCKED = 0.5  # share of the drawing of a clip that holds the interpreter's lock


@dataclass(frozen=True)
class StudyPlan:
    """How much there is to do. folds, repeats, split_halves: of the probe; folds is 1 with a published split."""

    items: int
    classes: int
    folds: int
    repeats: int
    split_halves: int
    random_inits: int
    workers: int

    @property
    def arms(self) -> int:
        return 1 + self.random_inits

    @property
    def train(self) -> int:
        """Items that a fold trains on, about."""
        return round(self.items * (1 - 1 / self.folds)) if self.folds > 1 else self.items // 2


@dataclass(frozen=True)
class FitTimes:
    """Seconds of fits on one thread, to features of `items` items.

    full: to the `rows` of them that a fold trains on, choosing a penalty by inner folds. half: all folds of a half of
    them with one penalty. tiny: to `tiny_rows` of them, trying every second penalty.
    """

    items: int
    rows: int
    full: float
    half: float
    tiny_rows: int
    tiny: float

    def at(self, rows: int) -> float:
        """A fit as `full`, of other training items: linear between `tiny` (at all penalties) and `full`, and beyond."""
        start = self.tiny / COARSE
        slope = max(self.full - start, 0.0) / max(self.rows - self.tiny_rows, 1)
        return max(start + slope * (rows - self.tiny_rows), min(start, self.full))


@dataclass(frozen=True)
class EncoderTimes:
    """Seconds to build one arm, and per clip; the widths of its representations, the first the headline's."""

    ready: float
    clip: float
    widths: Sequence[int]


@dataclass(frozen=True)
class ControlTimes:
    """Seconds for each batch of CONTROL_BATCH clips whatever it holds, and for each item; columns of all controls."""

    batch: float
    item: float
    columns: int


@dataclass(frozen=True)
class StageCost:
    """A row of the estimate. seconds, disk (bytes): None if it cannot be estimated. work, note: for the reader."""

    stage: str
    work: str
    seconds: float | None
    disk: float | None = 0.0
    note: str = ""


def render_seconds(plan: StudyPlan, clip: float, most_threads: int) -> float:
    """clip: seconds of a clip on one thread. Threads share the part of the work that holds no lock (Amdahl's law)."""
    threads = min(plan.workers, most_threads)
    return plan.items * clip * (LOCKED + (1 - LOCKED) / threads)


def control_seconds(plan: StudyPlan, times: ControlTimes) -> float:
    return math.ceil(plan.items / CONTROL_BATCH) * times.batch + plan.items * times.item


def extract_seconds(plan: StudyPlan, times: EncoderTimes) -> float:
    """All arms over all clips, and the order sensitivity of two arms."""
    order = 2 * (times.ready + ORDER_PASSES * ORDER_CLIPS * times.clip)
    return plan.arms * (times.ready + plan.items * times.clip) + order


def feature_bytes(plan: StudyPlan, widths: Sequence[int]) -> float:
    """The features of all arms; the cache of finished shards holds them once more."""
    return plan.arms * plan.items * sum(widths) * FLOAT


def probe_seconds(plan: StudyPlan, fits: FitTimes, arms: float) -> float:
    """arms: how many representations are probed, one for each arm, layer and pooling."""
    full = plan.folds * plan.repeats * fits.at(plan.train)
    halves = 2 * plan.split_halves * fits.half * plan.items / fits.items
    return arms * (full + halves) / plan.workers


def prediction_bytes(plan: StudyPlan, arms: float) -> float:
    """A row for each arm, repeat and item: a probability per class, and about as much as two of them besides."""
    return arms * plan.repeats * plan.items * (plan.classes + 2) * FLOAT


def analyse_seconds(plan: StudyPlan, fits: FitTimes, settings: AnalyseParams) -> float:
    """Label efficiency, description length and selectivity; nearest neighbours cost little beside them. All need
    classes.
    """
    total = 0.0
    if not plan.classes:
        return total
    if settings.label_efficiency:
        most = plan.items * (settings.draws - 1) / settings.draws / plan.classes
        budgets = [budget for budget in settings.labels if budget <= most]
        total += settings.draws * sum(COARSE * fits.at(budget * plan.classes) for budget in budgets)
    if settings.description_length:
        total += settings.orders * sum(COARSE * fits.at(round(share * plan.items)) for share in SHARES)
    if settings.selectivity:
        total += 2 * plan.folds * fits.at(plan.train)  # on true labels and on shuffled ones
    return plan.arms * total / plan.workers


def in_total(rows: Sequence[StageCost]) -> StageCost:
    """The sum of what could be estimated; the note names what could not."""
    unknown = [row.stage for row in rows if row.seconds is None]
    note = f"without {', '.join(unknown)}" if unknown else ""
    return StageCost(
        "in all",
        "",
        sum(row.seconds for row in rows if row.seconds is not None),
        sum(row.disk for row in rows if row.disk is not None),
        note,
    )


def money(seconds: float, price: float) -> float:
    """price: of an hour."""
    return seconds / 3600 * price
