"""`trajprobe show`: the last comparison as a table, the verdict in a sentence, and where to look next.

It reads metrics/ and formats text, so it starts fast.
"""

from collections.abc import Iterable, Sequence
from statistics import fmean

from rich.table import Table

from trajprobe.artifacts.comparisons import (
    BEST_OF,
    Arms,
    ArmScores,
    Comparison,
    LadderRow,
    read_arms,
    read_ladder,
)
from trajprobe.artifacts.features import read_features_metadata
from trajprobe.artifacts.formatting import ACCURACY, R2, Scale, counted, prefixed, scale_of
from trajprobe.artifacts.metrics import read_summary
from trajprobe.artifacts.predictions import read_training_items
from trajprobe.commands.listing import console
from trajprobe.core import paths
from trajprobe.core.costs import read_costs, read_pass_costs
from trajprobe.core.machine import differences, environment
from trajprobe.core.schema import Interval

HEADER = ("arm", "accuracy", "interval", "macro-F1", "log loss", "gain (points)", "verdict")
NUMERIC_HEADER = ("arm", "R²", "interval", "mean absolute error", "gain in R²", "verdict")


def run() -> None:
    """Print metrics/summary.json and metrics/arms.csv. Raises UserError if there is no result yet."""
    summary, arms = read_summary(paths.SUMMARY), read_arms(paths.ARMS)
    scale = scale_of(summary.n_classes)
    labels = counted(summary.n_classes, "class") if summary.n_classes else "numbers predicted"
    table = Table(
        *(HEADER if summary.n_classes else NUMERIC_HEADER),
        caption=f"{counted(summary.n_items, 'item')} held out, {labels}",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    ladder = read_ladder(paths.LADDER)
    for row in arms_table(arms, summary.chance, ladder, scale):
        table.add_row(*row)
    out = console()
    out.print(table)
    out.print(summary.sentence, style="bold")
    if arms.missing_control:
        out.print(f"Note: {arms.missing_control}.")
    for comparison in arms.headlines:
        if comparison.warning:
            out.print(f"Warning for {comparison.encoder}: {comparison.warning}")
    if sum(map(len, arms.encoders.values())) > 1:
        out.print(BEST_OF)
    out.print(worth_table(ladder, scale))
    for comparison in arms.headlines:
        then = read_features_metadata(paths.features(comparison.encoder)).get("environment")
        if then and (other := differences(then, environment(then.get("device", "cpu")))):
            out.print(
                f"{comparison.encoder} was computed elsewhere ({other}). A run here rounds differently: figures may "
                "move by a point or so. `trajprobe verify` tells."
            )
    out.print(
        f"Next: open {paths.REPORT}/index.html; or dvc exp run -n random -S weights=random, then dvc metrics diff."
    )


def arms_table(
    arms: Arms, chance: float, ladder: Sequence[LadderRow] = (), scale: Scale = ACCURACY
) -> Iterable[tuple[str, ...]]:
    """Rows under HEADER: each encoder's pretrained arm and its random initialisations together, controls, alternatives,
    chance.

    Layers and poolings are named in the first column. scale: of the score; of R² rows are those under NUMERIC_HEADER.
    """
    blank = ("",) * len(_measures([], scale))
    for comparisons in arms.encoders.values():
        for comparison in comparisons:
            yield _pretrained(comparison, scale)
            yield _random(comparison, scale)
    for control in arms.controls:
        yield (control.encoder, *_scores(control, scale), "", "")
    for row in ladder:
        if row.name not in arms.encoders and row.arm != "control":
            name = row.name if row.arm == "baseline" else f"{row.name}, {row.arm}"
            mark = "contaminated" if row.contaminated else ""
            yield (name, scale.value(row.accuracy.value), _range(row.accuracy, scale), *blank, "", mark)
    yield ("chance", scale.value(chance), "", *blank, "", "")


def worth_table(ladder: Sequence[LadderRow], scale: Scale = ACCURACY) -> Table:
    """A row for each of ladder.csv: how good it is beside the first, and what it costs. scale: of the score."""
    header = (
        "is it worth it?",
        scale.name,
        "beside the first",
        "parameters",
        "multiply-adds",
        "training",
        "an item",
    )
    table = Table(
        *header,
        caption="Parameters, and multiply-adds of a clip: of an encoder without its probe. Training and an item: "
        "measured, on a CPU the seconds of all cores; of a frozen encoder a pass of every training item.",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in ladder:
        beside = row.difference
        table.add_row(
            row.name if row.arm in ("baseline", "control") else f"{row.name}, {row.arm}",
            f"{scale.value(row.accuracy.value)} ({_range(row.accuracy, scale)})",
            f"{scale.difference(beside.value)} ({scale.between(beside.low, beside.high)})" if beside else "",
            f"{row.parameters:,}" if row.parameters else "",
            prefixed(row.multiply_adds) if row.multiply_adds else "",
            *_seconds(row.name),
        )
    return table


def _seconds(name: str) -> tuple[str, str]:
    """What was measured of an alternative or an encoder, for one training and for one item; blank if nothing was."""
    if costs := read_costs(name):
        training, item, device = costs.training_seconds, costs.inference_seconds, costs.device
    elif own := read_pass_costs(name):
        item, device = own.seconds, own.device
        training = item * (read_training_items(paths.predictions(name)) or 0)
    else:
        return "", ""
    where = "" if device == "cpu" else f" ({device})"
    return f"{training:.2g} s{where}" if training else "", f"{1000 * item:.2g} ms{where}"


def _pretrained(comparison: Comparison, scale: Scale) -> tuple[str, ...]:
    arm, gain = comparison.pretrained, comparison.gain
    return (
        f"{arm.encoder} {arm.layer}/{arm.pooling} pretrained",
        *_scores(arm, scale),
        f"{scale.difference(gain.value)} ({scale.between(gain.low, gain.high)})",
        comparison.verdict
        + (", confounded" if comparison.confounded else "")
        + (", contaminated" if comparison.contaminated else ""),
    )


def _random(comparison: Comparison, scale: Scale) -> tuple[str, ...]:
    """The random arm: scores averaged over the initialisations, and the range of their accuracies."""
    arms = comparison.random
    accuracies = [arm.accuracy.value for arm in arms]
    return (
        f"  random, {counted(len(arms), 'init')}",
        scale.value(comparison.random_mean),
        f"seeds {scale.value(min(accuracies))} to {scale.value(max(accuracies))}" if len(arms) > 1 else "",
        *_measures(arms, scale),
        "",
        "",
    )


def _scores(arm: ArmScores, scale: Scale) -> tuple[str, ...]:
    return (scale.value(arm.accuracy.value), _range(arm.accuracy, scale), *_measures([arm], scale))


def _measures(arms: Sequence[ArmScores], scale: Scale) -> tuple[str, ...]:
    """Macro-F1 and log loss, or the mean absolute error, averaged over the arms; blank without any."""
    if scale is R2:
        return (f"{fmean(arm.log_loss for arm in arms):.4g}" if arms else "",)
    if not arms:
        return "", ""
    return f"{fmean(arm.macro_f1 for arm in arms):.3f}", f"{fmean(arm.log_loss for arm in arms):.3f}"


def _range(accuracy: Interval, scale: Scale) -> str:
    return f"{scale.value(accuracy.low)} to {scale.value(accuracy.high)}"
