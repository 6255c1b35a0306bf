"""The reliability diagram: how often each arm is right when it is so and so sure.

Each bin of confidence is a mark at its mean confidence and its accuracy. Its distance from the diagonal, weighted by
the items in the bin, is what the calibration error sums up; below the diagonal an arm is surer than it should be. A
bin with a handful of items is hollow, since luck alone moves it far. The strip below counts the items of each bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajprobe.errors import UserError
from trajprobe.report.axes import in_percent, key_above, mark, panel
from trajprobe.report.style import WIDTH, Theme
from trajprobe.report.tables import MEND, Comparison, read_rows
from trajprobe.report.words import percent

COLUMNS = ("encoder", "arm", "bin_low", "bin_high", "items", "confidence", "accuracy")
FEW = 10  # items, below which a mark is hollow
PANEL, STRIP, BETWEEN = 3.3, 0.62, 0.16  # inches: a diagram's height, its strip's, and the space between them
TOP, BOTTOM, LEFT, GAP, RIGHT = 0.95, 0.62, 0.75, 0.6, 0.25


@dataclass(frozen=True)
class Bin:
    """One bin of confidence of one arm; items: a mean over repeats and initialisations, more than 0."""

    low: float
    high: float
    items: float
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Bins:
    """Both arms' bins that hold any items, in order of confidence."""

    pretrained: list[Bin]
    random: list[Bin]


def read_bins(path: Path, encoders: Sequence[str]) -> dict[str, Bins]:
    """metrics/reliability.csv for each of `encoders`. Raises UserError where the file or an arm is missing."""
    rows = [row for row in read_rows(path, COLUMNS) if float(row["items"]) > 0]

    def bins(encoder: str, arm: str) -> list[Bin]:
        own = [row for row in rows if (row["encoder"], row["arm"]) == (encoder, arm)]
        if not own:
            raise UserError(f"{path}: no rows of {encoder}, {arm}; {MEND}")
        names = ("bin_low", "bin_high", "items", "confidence", "accuracy")
        return [Bin(*(float(row[name]) for name in names)) for row in own]

    return {encoder: Bins(bins(encoder, "pretrained"), bins(encoder, "random")) for encoder in encoders}


def draw_reliability(bins: Bins, comparison: Comparison, theme: Theme) -> Figure:
    """Both arms side by side; `comparison` has their calibration errors."""
    width = (WIDTH - LEFT - RIGHT - GAP) / 2
    figure = Figure(figsize=(WIDTH, TOP + PANEL + BETWEEN + STRIP + BOTTOM))
    arms = (
        ("Pretrained", bins.pretrained, comparison.pretrained.ece, theme.pretrained, "o"),
        ("Random", bins.random, comparison.random_ece, theme.random, "s"),
    )
    most = max(each.items for each in (*bins.pretrained, *bins.random))
    for number, (name, own, error, colour, marker) in enumerate(arms):
        start = LEFT + number * (width + GAP)
        diagram = panel(figure, start, BOTTOM + STRIP + BETWEEN, width, PANEL, xlim=(0, 1), ylim=(0, 1))
        diagram.set_title(f"{name}: calibration error {percent(error)}")
        _diagram(diagram, own, colour, marker, theme)
        strip = panel(figure, start, BOTTOM, width, STRIP, xlim=(0, 1), ylim=(0, 1.35 * most))
        _strip(strip, own, colour, theme)
        if number == 0:
            diagram.set_ylabel("held-out accuracy, %")
            strip.set_ylabel("items")
    shown = {"color": theme.muted, "linestyle": ""}
    handles = [
        mark(
            "pretrained: items that are about so sure",
            color=theme.pretrained,
            marker="o",
            markersize=7,
            linestyle="",
        ),
        mark("random, all initialisations", color=theme.random, marker="s", markersize=6.5, linestyle=""),
        mark(
            f"fewer than {FEW} items",
            **shown,
            marker="o",
            markersize=7,
            fillstyle="none",
            markeredgewidth=1.4,
        ),
        mark("as sure as right", color=theme.muted, linewidth=1),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _diagram(axes: Axes, bins: Sequence[Bin], colour: str, marker: str, theme: Theme) -> None:
    axes.grid()
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, gid="diagonal")
    words: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8.5, "color": theme.muted}
    axes.text(0.03, 0.955, "too modest", va="top", **words)
    axes.text(0.97, 0.045, "too sure", ha="right", **words)
    for each in bins:
        axes.plot(
            [each.confidence] * 2, [each.confidence, each.accuracy], color=colour, linewidth=2, alpha=0.45
        )
    size = 7 if marker == "o" else 6.5
    look: dict[str, Any] = {
        "color": colour,
        "markersize": size,
        "linestyle": "",
        "clip_on": False,
        "zorder": 3,
    }
    many = [each for each in bins if each.items >= FEW]
    few = [each for each in bins if each.items < FEW]
    for group, gid, face in ((many, "bins", colour), (few, "few", theme.surface)):
        at = [each.confidence for each in group], [each.accuracy for each in group]
        axes.plot(*at, marker, gid=gid, markerfacecolor=face, markeredgewidth=1.4, **look)
    in_percent(axes.yaxis)
    axes.tick_params(axis="x", labelbottom=False)
    axes.tick_params(axis="y", labelcolor=theme.muted)


def _strip(axes: Axes, bins: Sequence[Bin], colour: str, theme: Theme) -> None:
    for each in bins:
        middle, width = (each.low + each.high) / 2, 0.86 * (each.high - each.low)
        axes.bar(middle, each.items, width, color=colour, alpha=0.75, linewidth=0, gid="items")
        count = f"{each.items:,.0f}" if each.items >= 1 else "<1"
        axes.annotate(
            count,
            (middle, each.items),
            (0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=theme.muted,
        )
    axes.set_yticks([])
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    in_percent(axes.xaxis)
    axes.set_xlabel("confidence in the predicted class, %")
