"""Every way to classify the items: its accuracy, and in the same line what its model costs. Is the encoder worth it?

The best come first. What is statistically tied for best has a filled mark and a bold name, everything else an open one.
Costs are numbers that the model keeps and multiply-adds of a clip, on logarithmic scales; where nothing counts one, its
place is empty. Counts and not time, because a measured second is never twice the same, and the figure would be another
one after every run.
"""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.artifacts.formatting import ACCURACY, Scale, prefixed
from trajprobe.plot.style import (
    WIDTH,
    chance_look,
    chance_mark,
    in_percent,
    key_above,
    label_width,
    mark,
    panel,
    short,
    whisker,
)
from trajprobe.plot.theme import Theme

ROW = 0.3  # inches
TOP, BOTTOM, GAP, RIGHT = 0.95, 0.62, 0.6, 0.6  # inches around and between the panels
COST = 1.7  # inches: a panel of costs
STEPS = 4  # labelled powers of ten in a panel of costs, at most
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def draw_ladder(rows: Sequence[LadderRow], chance: float, theme: Theme, scale: Scale = ACCURACY) -> Figure:
    """rows: those of ladder.csv. chance: accuracy of the most frequent class, a fraction, or as the scale has it."""
    rows = sorted(rows, key=lambda row: -row.accuracy.value)
    costs = [
        (title, counts)
        for title, counts in (
            ("Numbers kept", [row.parameters for row in rows]),
            ("Multiply-adds of a clip", [row.multiply_adds for row in rows]),
        )
        if any(counts)
    ]
    names = short([_name(row) for row in rows], 24, "alternative")
    left = label_width(names)
    width = WIDTH - left - RIGHT - len(costs) * (GAP + COST)
    height = ROW * len(rows)
    figure = Figure(figsize=(WIDTH, TOP + height + BOTTOM))

    def lined(start: float, width: float) -> Axes:
        axes = panel(figure, start, BOTTOM, width, height, ylim=(len(rows) - 0.5, -0.5))
        axes.grid(axis="x")
        return axes

    axes = lined(left, width)
    axes.set_title(scale.title)
    axes.set_yticks(range(len(rows)), names)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set(fontweight="bold") if row.tied else text.set(color=theme.muted)
    axes.axvline(chance, **chance_look(theme))
    in_percent(axes.xaxis, scale)
    axes.set_xlabel(scale.axis)
    for line, row in enumerate(rows):
        whisker(axes, row.accuracy, line, _colour(row, theme), "o", **_look(row, theme))
    for number, (title, counts) in enumerate(costs):
        beside = lined(left + width + GAP + number * (COST + GAP), COST)
        beside.set_title(title)
        beside.set_yticks([])
        _costs(beside, rows, counts, theme)
    look = {"marker": "o", "linestyle": "", "markersize": 8, "markeredgewidth": 1.6}
    handles = [
        mark("tied for best", **look, color=theme.control),
        mark("not tied for best", **look, color=theme.control, markerfacecolor=theme.surface),
        mark("pretrained", **look, color=theme.pretrained),
        mark("random", **look, color=theme.random),
        chance_mark(chance, theme, scale),
    ]
    key_above(figure, handles, left, theme)
    return figure


def _costs(axes: Axes, rows: Sequence[LadderRow], counts: Sequence[int | None], theme: Theme) -> None:
    """A mark for each count, on a logarithmic scale, with its value beside it."""
    powers = [math.log10(count) for count in counts if count]
    low = math.floor(min(powers))
    high = max(math.ceil(max(powers)), low + 1)
    axes.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.xaxis.set_major_locator(MultipleLocator(math.ceil((high - low) / STEPS)))
    axes.xaxis.set_major_formatter(lambda power, _: f"10{f'{power:.0f}'.translate(SUPERSCRIPTS)}")
    place: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline", "fontsize": 8}
    for line, (row, count) in enumerate(zip(rows, counts, strict=True)):
        if count:
            power = math.log10(count)
            axes.plot([power], [line], "o", color=_colour(row, theme), gid="cost", **_look(row, theme))
            axes.annotate(prefixed(count), (power, line), (9, 0), color=theme.muted, **place)


def _colour(row: LadderRow, theme: Theme) -> str:
    return {"pretrained": theme.pretrained, "random": theme.random}.get(row.arm, theme.control)


def _look(row: LadderRow, theme: Theme) -> dict[str, Any]:
    fill = _colour(row, theme) if row.tied else theme.surface
    return {"markersize": 7, "markerfacecolor": fill, "markeredgewidth": 1.6}


def _name(row: LadderRow) -> str:
    return row.name if row.arm in ("control", "baseline", "pretrained") else f"{row.name}, {row.arm}"
