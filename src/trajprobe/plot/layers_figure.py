"""One encoder by layer and pooling: the accuracy of the pretrained and of the random arm.

Drawn if a study compares more than one layer or pooling (`extract.layer`, `extract.pooling`). Each pooling has a panel
over the layers; with a single layer, one panel shows the poolings side by side. The random arm has a dot for each
initialisation and a bar at their mean.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajprobe.artifacts.comparisons import Comparison
from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.plot.style import (
    WIDTH,
    chance_look,
    chance_mark,
    in_percent,
    key_above,
    mark,
    panel,
    pretrained_mark,
    short,
)
from trajprobe.plot.theme import Theme

PANEL, TOP, BOTTOM, LEFT, GAP, RIGHT = 2.6, 0.85, 0.6, 0.75, 0.25, 0.15  # inches
LETTER = 0.08  # approximate width of a letter, in inches


def draw_layers(
    comparisons: Sequence[Comparison], chance: float, theme: Theme, scale: Scale = ACCURACY
) -> Figure:
    """comparisons: two or more, all of one encoder, in the order of its layers. chance: a fraction, or as the scale."""
    layers = list(dict.fromkeys(comparison.pretrained.layer for comparison in comparisons))
    poolings = list(dict.fromkeys(comparison.pretrained.pooling for comparison in comparisons))
    if len(layers) > 1:
        panels = [[c for c in comparisons if c.pretrained.pooling == pooling] for pooling in poolings]
        titles, names, noun = poolings, layers, "layer"
    else:
        panels, titles, names, noun = [list(comparisons)], layers, poolings, "pooling"
    ticks = short(names, 18, noun)
    longest = LETTER * max(map(len, ticks))
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    upright = longest + 0.1 > width / len(names)
    bottom = BOTTOM + longest * upright
    height = TOP + PANEL + bottom
    figure = Figure(figsize=(WIDTH, height))
    values = [value for comparison in comparisons for value in _values(comparison)] + [chance]
    pad = 0.06 * (max(values) - min(values))
    for number, (own, title) in enumerate(zip(panels, titles, strict=True)):
        axes = panel(figure, LEFT + number * (width + GAP), bottom, width, PANEL)
        axes.set_ylim(min(values) - pad, max(values) + pad)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.grid(axis="y")
        axes.set_title(f"{'pooling' if noun == 'layer' else 'layer'}: {title}")
        axes.set_xticks(range(len(names)), ticks, rotation=90 if upright else 0)
        axes.set_xlabel(noun)
        in_percent(axes.yaxis, scale)
        axes.tick_params(axis="y", labelcolor=theme.muted, labelleft=number == 0)
        if number == 0:
            axes.set_ylabel(scale.axis)
        at = [names.index(c.pretrained.layer if noun == "layer" else c.pretrained.pooling) for c in own]
        _curve(axes, at, own, chance, noun == "layer", theme)
    random = {"color": theme.random, "linestyle": ""}
    handles = [
        pretrained_mark(theme),
        mark("random: one dot per initialisation", **random, marker="o", markersize=4.5),
        mark("random: mean", **random, marker="_", markersize=12, markeredgewidth=2.4),
        chance_mark(chance, theme, scale),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _curve(
    axes: Axes, at: list[int], comparisons: Sequence[Comparison], chance: float, joined: bool, theme: Theme
) -> None:
    axes.axhline(chance, **chance_look(theme), gid="chance")
    for x, comparison in zip(at, comparisons, strict=True):
        randoms = [arm.accuracy.value for arm in comparison.random]
        axes.plot(
            [x] * len(randoms), randoms, "o", markersize=4, color=theme.random, alpha=0.6, markeredgewidth=0
        )
        accuracy = comparison.pretrained.accuracy
        axes.plot([x, x], [accuracy.low, accuracy.high], color=theme.pretrained, linewidth=2)
    means = [comparison.random_mean for comparison in comparisons]
    look: dict[str, Any] = {"linestyle": "-" if joined else "", "linewidth": 1.6}
    bars = {**look, "color": theme.random, "marker": "_", "markersize": 14, "markeredgewidth": 2.4}
    axes.plot(at, means, gid="random", **bars)
    own = [comparison.pretrained.accuracy.value for comparison in comparisons]
    dots = {**look, "color": theme.pretrained, "marker": "o", "markersize": 7, "markeredgewidth": 0}
    axes.plot(at, own, gid="pretrained", **dots)


def _values(comparison: Comparison) -> list[float]:
    own = comparison.pretrained.accuracy
    return [own.low, own.high] + [arm.accuracy.value for arm in comparison.random]
