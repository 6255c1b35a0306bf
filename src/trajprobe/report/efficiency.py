"""The label-efficiency figure: how accurate each arm is with few labels, and what the pretraining saves of them.

Labels stand on a logarithmic axis, since each further one is worth less. The left panel has both arms with bands for
their intervals, and one arrow from the pretrained arm to where the random one has caught up; the right panel has the
gain at each budget against the band of gains too small to matter.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from trajprobe.report.analyses import Curve, LabelEfficiency
from trajprobe.report.axes import chance_look, chance_mark, in_percent, in_points, key_above, mark, panel
from trajprobe.report.few_labels import needed, typical
from trajprobe.report.style import WIDTH, Theme

PANEL, TOP, BOTTOM, LEFT, GAP, RIGHT = 3.3, 0.95, 0.62, 0.75, 0.75, 0.2  # inches
SHARE = 0.64  # of the free width, for the accuracies
ROOM = 1.25  # by which the axis of labels goes beyond its ends
TICK = 0.42  # inches between two budgets that are both written out, at least


def draw_efficiency(found: LabelEfficiency, chance: float, rope: float, theme: Theme) -> Figure:
    """Both panels of one encoder; chance and rope as fractions."""
    free = WIDTH - LEFT - GAP - RIGHT
    figure = Figure(figsize=(WIDTH, TOP + PANEL + BOTTOM))
    accuracy = panel(figure, LEFT, BOTTOM, SHARE * free, PANEL)
    accuracy.set_title("Accuracy")
    accuracy.axhline(chance, **chance_look(theme), gid="chance")
    arms = (
        (found.random, theme.random, "s", 5.5, "random"),
        (found.pretrained, theme.pretrained, "o", 7, "pretrained"),
    )
    for curve, colour, marker, size, gid in arms:
        _band(accuracy, found.labels, curve, colour)
        look: dict[str, Any] = {"marker": marker, "markersize": size, "markeredgewidth": 0, "linewidth": 1.8}
        accuracy.plot(found.labels, curve.value, color=colour, gid=gid, **look)
    in_percent(accuracy.yaxis)
    accuracy.set_ylabel("held-out accuracy, %")
    _arrow(accuracy, found, theme)

    gain = panel(figure, LEFT + SHARE * free + GAP, BOTTOM, (1 - SHARE) * free, PANEL)
    gain.set_title("Gain of pretraining, points")
    gain.axhspan(-rope, rope, color=theme.rope, linewidth=0, zorder=0.5, gid="rope")
    gain.axhline(0, color=theme.muted, linewidth=1)
    for labels, low, high in zip(found.labels, found.gain.low, found.gain.high, strict=True):
        gain.plot([labels, labels], [low, high], color=theme.ink, linewidth=2, gid="interval")
    gain.plot(
        found.labels, found.gain.value, "o", color=theme.ink, markersize=6, markeredgewidth=0, gid="gain"
    )
    in_points(gain.yaxis)
    for axes, width in ((accuracy, SHARE * free), (gain, (1 - SHARE) * free)):
        _budgets(axes, found.labels, width)
        axes.tick_params(axis="y", labelcolor=theme.muted)
        axes.grid(axis="y")
    handles = [
        mark(
            "pretrained, with its interval", color=theme.pretrained, marker="o", markersize=7, linewidth=1.8
        ),
        mark("random, with its interval", color=theme.random, marker="s", markersize=5.5, linewidth=1.8),
        chance_mark(chance, theme),
        Patch(facecolor=theme.rope, label=f"too small to matter, ±{100 * rope:g} points"),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _band(axes: Axes, labels: Sequence[int], curve: Curve, colour: str) -> None:
    axes.fill_between(labels, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
    if len(labels) == 1:  # a band without a width
        axes.plot([labels[0]] * 2, [curve.low[0], curve.high[0]], color=colour, linewidth=2)


def _arrow(axes: Axes, found: LabelEfficiency, theme: Theme) -> None:
    """From the pretrained arm at a typical budget to where the random arm is as accurate, if that is further on."""
    worth = typical(found)
    if worth.random_labels is not None and worth.random_labels <= worth.labels:
        return
    level = found.pretrained.value[found.labels.index(worth.labels)]
    end = worth.random_labels or found.labels[-1] * ROOM
    style = {"arrowstyle": "-|>", "color": theme.ink, "linewidth": 1.1, "shrinkA": 5, "shrinkB": 0}
    arrow = axes.annotate("", (end, level), (worth.labels, level), arrowprops=style, zorder=4)
    arrow.set_gid("worth")
    words = f"{worth.labels} → {needed(worth.random_labels, found.labels)} labels"
    axes.annotate(words, (worth.labels, level), (12, -12), textcoords="offset points", fontsize=9)


def _budgets(axes: Axes, labels: Sequence[int], width: float) -> None:
    """The axis of labels, `width` inches long, with those budgets written out that have room."""
    axes.set_xscale("log")
    low, high = labels[0] / ROOM, labels[-1] * ROOM
    axes.set_xlim(low, high)
    inches = width / np.log(high / low)
    shown: list[int] = []
    for budget in labels:
        if not shown or np.log(budget / shown[-1]) * inches >= TICK:
            shown.append(budget)
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("labels a class")
