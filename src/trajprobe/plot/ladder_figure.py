"""Every way to classify the items by its accuracy, against how much its model keeps: is the encoder worth its size?

What is statistically tied for best has a filled mark, everything else an open one. Controls, whose size nothing counts,
stand in a strip of their own at the left. Size and not time, because a measured second is never twice the same, and the
figure would be another one after every run.
"""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.plot.style import WIDTH, chance_look, chance_mark, in_percent, key_above, mark, panel, short
from trajprobe.plot.theme import Theme

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 3.4, 0.6, 0.65, 0.75, 1.3  # inches
STRIP, GAP = 2.4, 0.15  # inches: the strip of rows without a size, and the space beside it
SPACE = 0.17  # inches between two names, at least
SAME, NEAR = 0.012, 0.2  # shares of the axis: sizes that are drawn side by side, and whose names may overlap


def draw_ladder(rows: Sequence[LadderRow], chance: float, theme: Theme, scale: Scale = ACCURACY) -> Figure:
    """rows: those of ladder.csv. chance: accuracy of the most frequent class, a fraction, or as the scale has it."""
    figure = Figure(figsize=(WIDTH, TOP + HEIGHT + BOTTOM))
    names = dict(zip(map(id, rows), short([_name(row) for row in rows], 24, "alternative"), strict=True))
    sized = [(math.log10(row.parameters), row) for row in rows if row.parameters]
    others = [(0.0, row) for row in rows if not row.parameters]
    low = min([chance, *(row.accuracy.low for row in rows)])
    high = max(row.accuracy.high for row in rows)
    pad = 0.06 * (high - low)
    strip = STRIP if others else 0.0
    limits = (low - pad, high + pad)
    for left, width, part, title in (
        (LEFT, strip, others, "size not counted"),
        (
            LEFT + strip + GAP * bool(others),
            WIDTH - LEFT - RIGHT - strip - GAP,
            sized,
            "numbers that the model keeps",
        ),
    ):
        if not part:
            continue
        axes = panel(figure, left, BOTTOM, width, HEIGHT, ylim=limits)
        axes.grid(axis="y")
        axes.axhline(chance, **chance_look(theme))
        axes.set_xlabel(title)
        in_percent(axes.yaxis, scale)
        if part is sized:
            sizes = [size for size, _ in part]
            axes.set_xlim(min(sizes) - 0.5, max(sizes) + 0.5)
            axes.xaxis.set_major_locator(MultipleLocator(1))
            axes.xaxis.set_major_formatter(lambda power, _: f"{10**power:,.0f}")
        else:
            axes.set(xlim=(-0.15, 1), xticks=[])
        if left == LEFT:
            axes.set_ylabel(scale.axis)
        else:
            axes.set_yticklabels([])
        _marks(axes, part, names, theme)
    look = {"marker": "o", "linestyle": "", "markersize": 8, "color": theme.control, "markeredgewidth": 1.6}
    handles = [
        mark("tied for best", **look),
        mark("not tied for best", **look, markerfacecolor=theme.surface),
        mark("pretrained", color=theme.pretrained, marker="o", linestyle="", markersize=8),
        mark("random", color=theme.random, marker="o", linestyle="", markersize=8),
        chance_mark(chance, theme, scale),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _marks(axes: Axes, rows: Sequence[tuple[float, LadderRow]], names: dict[int, str], theme: Theme) -> None:
    """Marks with intervals, side by side where two have one size; names right of them, moved apart where they would
    overlap."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    colours = {"pretrained": theme.pretrained, "random": theme.random}
    placed: list[tuple[float, float]] = []  # size, and height of the name
    for size, row in sorted(rows, key=lambda pair: -pair[1].accuracy.value):
        accuracy, colour = row.accuracy, colours.get(row.arm, theme.control)
        same = sum(abs(other - size) < SAME * (right - left) for other, _ in placed)
        x = size + same * SAME * (right - left)
        axes.plot([x, x], [accuracy.low, accuracy.high], color=colour, linewidth=2, gid="interval")
        fill = colour if row.tied else theme.surface
        look: dict[str, Any] = {
            "markersize": 8,
            "color": colour,
            "markerfacecolor": fill,
            "markeredgewidth": 1.6,
        }
        axes.plot([x], [accuracy.value], "o", gid="estimate", **look)
        near = [level for other, level in placed if abs(other - size) < NEAR * (right - left)]
        level = min([accuracy.value, *(each - SPACE / HEIGHT * (high - low) for each in near)])
        placed.append((size, level))
        shift = (level - accuracy.value) / (high - low) * HEIGHT * 72
        place: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": theme.ink}
        box = {"facecolor": theme.surface, "edgecolor": "none", "pad": 1}  # over the grid
        axes.annotate(names[id(row)], (x, accuracy.value), (10, shift), bbox=box, **place)


def _name(row: LadderRow) -> str:
    return row.name if row.arm in ("control", "baseline", "pretrained") else f"{row.name}, {row.arm}"
