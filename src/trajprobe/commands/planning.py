"""`trajprobe plan`: how many items and random initialisations a study needs, and what it will cost.

It starts from a pilot, the finished study in this folder, or from assumed figures. Nothing is written or downloaded;
costs are timed as `trajprobe preview` does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.formatting import ACCURACY, Scale, counted, percent, scale_of
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.commands.listing import console
from trajprobe.commands.preview.chosen_items import choose_items
from trajprobe.commands.preview.cost_model import in_total, money
from trajprobe.commands.preview.previewing import duration, size
from trajprobe.commands.preview.run_costs import MeasuredWork, RunOptions, measure_work, stage_costs
from trajprobe.compare.classical_tests import outlier
from trajprobe.compare.design import (
    ENDLESS,
    Design,
    VarianceComponents,
    assumed_components,
    components_of_study,
    groups_needed,
    sd_interval,
)
from trajprobe.compare.paired_predictions import pair_predictions
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.params import Params

INITS = (5, 8, 12, 20, 40)  # numbers of initialisations that are tried
ENOUGH_SEEDS = 20  # of a pilot, to see how often an initialisation collapses


@dataclass(frozen=True)
class Pilot:
    """What a plan starts from. group_size: items of a group. about: where the figures are from, for the reader. scale:
    of the gain. warning: what limits the plan, a sentence; empty if nothing is known.
    """

    components: VarianceComponents
    design: Design
    group_size: float
    about: str
    scale: Scale = ACCURACY
    warning: str = ""

    def items(self, groups: int) -> int:
        return round(groups * self.group_size)


@dataclass(frozen=True)
class Goal:
    """reached: what a design finds at best, a fraction that falls with its size; wanted: what it is to be at most."""

    title: str
    reached: Callable[[Design], float]
    wanted: float


def run(
    params: Params,
    encoder: str | None,
    assumed: tuple[float, float] | None,
    gain: float,
    region: float | None,
    price: float | None,
    options: RunOptions = RunOptions(),
) -> None:
    """Print what the pilot's design finds, which designs find `gain` or equivalence within ±region, and their costs.

    encoder: whose predictions are the pilot; by default the first. assumed: instead of a pilot, the standard deviation
    over initialisations and the fraction of items on which arms disagree. region: by default that of `params`. All are
    fractions. price: of an hour. Raises UserError if there is no pilot, or a param, a card or the source is wrong.
    """
    cards = [load_encoder_card(name) for name in params.encoders]
    chosen = choose_items(params)
    if assumed and not chosen.trajectories.classes:
        raise UserError(
            f"plan: --spread and --disagreement are of classes, and the labels of {params.source} are numbers; leave "
            "them out, and run a pilot by `dvc repro`"
        )
    if assumed:
        pilot = assumed_pilot(*assumed, Design(params.extract.random_inits, len(chosen.trajectories.labels)))
    else:
        pilot = read_pilot(encoder or params.encoders[0])
    parts, confidence = pilot.components, params.compare.confidence
    level = 1 - (1 - confidence) / len(cards)
    region = region or params.compare.rope
    detect = Goal(
        f"To detect a gain of {pilot.scale.sized(gain)} "
        f"(80 % power in both tests, two-sided {percent(1 - level, None)})",
        lambda design: parts.detectable(design, level),
        gain,
    )
    equal = Goal(
        f"To show equivalence within {pilot.scale.region(region)} where there is no gain (80 % power)",
        lambda design: parts.equivalence(design, confidence),
        region,
    )
    out = console()
    for line in describe_pilot(pilot, detect, equal, confidence):
        out.print(line)
    work = measure_work(params, cards, chosen, options)
    for goal in (detect, equal):
        out.print(_table(pilot, goal, confidence, _Costs(work, params, price, pilot)))
    out.print(
        f"Costs were timed just now on this machine, {counted(work.plan.workers, 'worker')}, as busy as it is, without "
        "`baselines`."
    )


def read_pilot(encoder: str) -> Pilot:
    """The study whose predictions lie here. Raises UserError if there is none, or it has a single initialisation."""
    try:
        files = {name: read_predictions(paths.predictions(name)) for name in (encoder, paths.CONTROLS)}
    except UserError as error:
        raise UserError(
            f"{error} or `dvc pull`, as a plan needs a pilot, a study that was run; or give --spread and --disagreement"
        ) from None
    paired = pair_predictions(files)
    contrast = paired.contrasts[encoder][0]
    design = Design(len(contrast.random), paired.n_groups)
    if design.seeds < 2:
        raise UserError(
            f"{paths.predictions(encoder)}: 2 or more random initialisations are required of a pilot, found 1; raise "
            "extract.random_inits and run `dvc repro`"
        )
    gain, scale = (
        paired.difference([contrast.pretrained], contrast.random).mean,
        scale_of(len(paired.classes)),
    )
    accuracies = paired.item_scores(contrast.random).mean(axis=1).tolist()
    grouped = f" in {counted(design.groups, 'group')}" if design.groups < len(paired.y) else ""
    return Pilot(
        components_of_study(paired, contrast),
        design,
        len(paired.y) / design.groups,
        f"Pilot: {encoder}, {counted(len(paired.y), 'item')}{grouped} held out, "
        f"{counted(design.seeds, 'initialisation')}, gain {scale.difference(gain)}{scale.unit or ' in R²'}.",
        scale,
        _collapse_warning(accuracies, scale),
    )


def _collapse_warning(accuracies: Sequence[float], scale: Scale) -> str:
    """What is to be said if one of the random accuracies is outlying; most often an initialisation collapsed."""
    number = outlier(accuracies)
    if number is None:
        return ""
    remedy = "Plan for more initialisations than it asks for."
    if len(accuracies) < ENOUGH_SEEDS:
        remedy = f"Raise extract.random_inits to {ENOUGH_SEEDS} in the pilot, to see how often that happens."
    return (
        f"Warning: initialisation {number} of the pilot ({scale.value(accuracies[number])}) lies far from the others. "
        "A plan takes initialisations as normal, and one from few of which one collapsed is not to be relied on. "
        f"{remedy}"
    )


def assumed_pilot(spread: float, disagreement: float, design: Design) -> Pilot:
    """See `assumed_components`. Raises UserError if the design has a single initialisation."""
    if design.seeds < 2:
        raise UserError("params.yaml: extract.random_inits: 2 or more are required of a plan, got 1")
    about = (
        f"Assumed: a standard deviation over initialisations of {ACCURACY.sized(spread)}, and arms that disagree on "
        f"{percent(disagreement, None)} of the items, all initialisations on the same. Other training items are left "
        "out."
    )
    return Pilot(assumed_components(spread, disagreement), design, 1.0, about)


def describe_pilot(pilot: Pilot, detect: Goal, equal: Goal, confidence: float) -> Iterable[str]:
    """What the pilot's design finds, what more of one thing alone could, and which of the two limits."""
    parts, own, bare, unit = pilot.components, pilot.design, pilot.scale.bare, pilot.scale.unit
    items, seeds = f"{counted(pilot.items(own.groups), 'item')}", counted(own.seeds, "initialisation")
    yield pilot.about
    if pilot.warning:
        yield pilot.warning
    if parts.split_halves or parts.both:  # not assumed
        spread = (parts.seeds + parts.both / own.groups) ** 0.5
        low, high = (bare(each * spread) for each in sd_interval(own.seeds, confidence))
        yield (
            f"The {pilot.scale.name} of an untrained network has a standard deviation of {bare(spread)}{unit} "
            f"({low} to {high}: {seeds} tell no more). Those of the parts of the gain: initialisations "
            f"{bare(parts.seeds**0.5)}, "
            f"{'groups' if pilot.group_size > 1 else 'items'} {bare(parts.group**0.5)}, both together "
            f"{bare(parts.both**0.5)}; other training items add {bare(parts.training**0.5)} to its standard error."
        )
    more_seeds, more_items = Design(ENDLESS, own.groups), Design(own.seeds, ENDLESS)
    for what, design in (
        (f"{items}, {seeds}", own),
        (f"{items}, any number of initialisations", more_seeds),
        (f"any number of items, {seeds}", more_items),
        ("any number of both", Design(ENDLESS, ENDLESS)),
    ):
        yield (
            f"- {what}: interval ±{bare(parts.half_width(design, confidence))}, detects a gain of "
            f"{bare(detect.reached(design))}, shows equivalence within ±{bare(equal.reached(design))}{unit}"
        )
    by_items, by_seeds = detect.reached(more_items), detect.reached(more_seeds)
    yield (
        f"With {seeds} no number of items detects less than about {bare(by_items)}{unit}; with {items} no number of "
        f"initialisations detects less than about {bare(by_seeds)}. "
        f"{'Initialisations' if by_items > by_seeds else 'Items'} limit. Initialisations are taken as normal: where "
        "some collapse, more are needed. Spreads are taken to stay as they are."
    )


def designs_for(pilot: Pilot, goal: Goal) -> Iterable[tuple[int, int | None]]:
    """Numbers of initialisations, each with the groups that it takes to reach the goal; None if none is enough."""
    for seeds in sorted({*INITS, pilot.design.seeds}):

        def reached(groups: int, seeds: int = seeds) -> float:
            return goal.reached(Design(seeds, groups))

        yield seeds, groups_needed(reached, goal.wanted, pilot.design.groups)


@dataclass(frozen=True)
class _Costs:
    """The columns of what a design costs."""

    work: MeasuredWork
    params: Params
    price: float | None
    pilot: Pilot

    @property
    def columns(self) -> list[str]:
        extract = "GPU-hours" if self.work.device == "cuda" else "of it extract"
        return ["time", extract, "disk", *(["money"] if self.price is not None else [])]

    def cells(self, design: Design) -> list[str]:
        factor = design.groups / self.pilot.design.groups
        if self.work.plan.folds > 1:  # all items are held out
            items = self.pilot.items(design.groups)
        else:
            items = round(self.work.plan.items * factor)
        rows = stage_costs(self.work.resized(items, design.seeds), self.params)
        total = in_total(rows)
        assert total.seconds is not None
        extract = [row.seconds for row in rows if row.stage.startswith("extract ")]
        seconds = None if None in extract else sum(each or 0 for each in extract)
        if self.work.device == "cuda":
            extracting = "?" if seconds is None else f"{seconds / 3600:.2g}"
        else:
            extracting = duration(seconds)
        cells = [duration(total.seconds), extracting, size(total.disk)]
        return [*cells, *([] if self.price is None else [f"{money(total.seconds, self.price):.2f}"])]


def _table(pilot: Pilot, goal: Goal, confidence: float, costs: _Costs) -> Table:
    header = ["initialisations", "items held out", "interval", *costs.columns]
    table = Table(*header, title=goal.title, title_justify="left", box=SIMPLE_HEAD, min_width=len(goal.title))
    for column in table.columns:
        column.justify = "right"
    for seeds, groups in designs_for(pilot, goal):
        if groups is None:
            table.add_row(
                str(seeds), f"none: {pilot.scale.bare(goal.reached(Design(seeds, ENDLESS)))} at best"
            )
            continue
        design = Design(seeds, groups)
        half = pilot.scale.bare(pilot.components.half_width(design, confidence))
        table.add_row(str(seeds), f"{pilot.items(groups):,}", f"±{half}", *costs.cells(design))
    return table
