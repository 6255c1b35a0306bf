"""The layer-wise curve of one encoder: how the pretrained and the random arm compare from layer to layer.

Drawn where a study asks for more than one layer or pooling (`features.layer`, `features.pooling`). Each pooling has a
panel; with a single layer the poolings stand side by side in one panel instead. The random arm is a band from its
worst to its best initialisation with a line at the mean.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajprobe.report.style import WIDTH, Theme, percent, short
from trajprobe.report.tables import Comparison

PANEL, TOP, BOTTOM, LEFT, GAP, RIGHT = 2.6, 0.75, 0.95, 0.75, 0.25, 0.15  # inches


def draw_layers(comparisons: Sequence[Comparison], chance: float, theme: Theme) -> Figure:
    """One encoder's `comparisons`, two or more, in the order of its layers; chance as a fraction."""
    layers = list(dict.fromkeys(comparison.pretrained.layer for comparison in comparisons))
    poolings = list(dict.fromkeys(comparison.pretrained.pooling for comparison in comparisons))
    if len(layers) > 1:
        panels = [[c for c in comparisons if c.pretrained.pooling == pooling] for pooling in poolings]
        titles, names, noun = poolings, layers, "layer"
    else:
        panels, titles, names, noun = [list(comparisons)], layers, poolings, "pooling"
    height = TOP + PANEL + BOTTOM
    width = (WIDTH - LEFT - RIGHT - GAP * (len(panels) - 1)) / len(panels)
    figure = Figure(figsize=(WIDTH, height))
    upright = len(names) * max(map(len, names)) * 0.085 > width
    values = [value for comparison in comparisons for value in _values(comparison)] + [chance]
    pad = 0.06 * (max(values) - min(values))
    for number, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        start = LEFT + number * (width + GAP)
        axes = figure.add_axes((start / WIDTH, BOTTOM / height, width / WIDTH, PANEL / height))
        axes.set_ylim(min(values) - pad, max(values) + pad)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.grid(axis="y")
        axes.set_title(short([title], 40)[0])
        axes.set_xticks(range(len(names)), short(names, 18), rotation=90 if upright else 0)
        axes.set_xlabel(noun)
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        axes.tick_params(axis="y", labelcolor=theme.muted, labelleft=number == 0)
        if number == 0:
            axes.set_ylabel("held-out accuracy, %")
        at = [names.index(c.pretrained.layer if noun == "layer" else c.pretrained.pooling) for c in panel]
        _curve(axes, at, panel, chance, noun == "layer", theme)
    _key(figure, theme, chance)
    return figure


def _curve(
    axes: Axes, at: list[int], comparisons: Sequence[Comparison], chance: float, joined: bool, theme: Theme
) -> None:
    style = "-" if joined else ""
    axes.axhline(chance, color=theme.chance, linestyle=(0, (4, 3)), linewidth=1.2, gid="chance")
    for x, comparison in zip(at, comparisons, strict=True):
        randoms = [arm.accuracy.value for arm in comparison.random]
        axes.plot([x] * len(randoms), randoms, "o", markersize=4, color=theme.random, alpha=0.6, markeredgewidth=0)
        accuracy = comparison.pretrained.accuracy
        if accuracy.low is not None and accuracy.high is not None:
            axes.plot([x, x], [accuracy.low, accuracy.high], color=theme.pretrained, linewidth=2)
    means = [comparison.random_mean for comparison in comparisons]
    marks = {"markeredgewidth": 2.4, "linewidth": 1.6}
    axes.plot(at, means, marker="_", markersize=14, linestyle=style, color=theme.random, gid="random", **marks)
    own = [comparison.pretrained.accuracy.value for comparison in comparisons]
    axes.plot(at, own, "o" + style, markersize=7, linewidth=1.6, markeredgewidth=0, color=theme.pretrained, gid="pretrained")


def _key(figure: Figure, theme: Theme, chance: float) -> None:
    handles = [
        Line2D([], [], color=theme.pretrained, marker="o", markersize=7, linewidth=2, markeredgewidth=0),
        Line2D([], [], color=theme.random, marker="o", markersize=4.5, linestyle="", markeredgewidth=0),
        Line2D([], [], color=theme.random, marker="_", markersize=12, linestyle="", markeredgewidth=2.4),
        Line2D([], [], color=theme.chance, linestyle=(0, (4, 3)), linewidth=1.2),
    ]
    labels = ["pretrained, with its interval", "random initialisations", "their mean", f"chance, {percent(chance)}"]
    figure.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(LEFT / WIDTH, 1),
        ncols=4,
        labelcolor=theme.muted,
        borderaxespad=0.6,
        borderpad=0,
        columnspacing=2,
    )


def _values(comparison: Comparison) -> list[float]:
    own = comparison.pretrained.accuracy
    ends = [end for end in (own.low, own.value, own.high) if end is not None]
    return ends + [arm.accuracy.value for arm in comparison.random]
