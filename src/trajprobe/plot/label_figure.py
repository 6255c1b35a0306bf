"""Label efficiency: the accuracy of both arms with few labels, and how many labels the pretraining saves.

The axis of labels is logarithmic, because each further label adds less. The left panel has both arms with bands for
their intervals, and an arrow from the pretrained arm to the number of labels at which the random arm is as accurate.
The right panel has the gain at each budget against the band of gains too small to matter. The same numbers are put into
a sentence and into the rows of a table.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from trajprobe.artifacts.analyses import LabelEfficiency, LabelsSaved
from trajprobe.artifacts.formatting import counted
from trajprobe.core.schema import Interval
from trajprobe.plot.style import (
    WIDTH,
    chance_look,
    chance_mark,
    in_percent,
    in_points,
    key_above,
    mark,
    panel,
    pretrained_mark,
    rope_mark,
)
from trajprobe.plot.theme import Theme

PANEL, TOP, BOTTOM, LEFT, GAP, RIGHT = 3.3, 0.95, 0.62, 0.75, 0.75, 0.2  # inches
SHARE = 0.64  # of the free width, for the accuracy panel
ROOM = 1.25  # factor by which the axis of labels extends beyond its ends
TICK = 0.42  # inches between two labelled budgets, at least
TYPICAL = 5  # labels per class: the sentence and the arrow are about the budget closest to it


def draw_efficiency(found: LabelEfficiency, chance: float, rope: float, theme: Theme) -> Figure:
    """Both panels of one encoder. chance, rope: fractions."""
    free = WIDTH - LEFT - GAP - RIGHT
    figure = Figure(figsize=(WIDTH, TOP + PANEL + BOTTOM))
    accuracy = panel(figure, LEFT, BOTTOM, SHARE * free, PANEL)
    accuracy.set_title("Accuracy")
    accuracy.axhline(chance, **chance_look(theme), gid="chance")
    random: dict[str, Any] = {"color": theme.random, "marker": "s", "markersize": 5.5, "linewidth": 1.8}
    pretrained: dict[str, Any] = {"color": theme.pretrained, "marker": "o", "markersize": 7, "linewidth": 1.8}
    for curve, look, gid in ((found.random, random, "random"), (found.pretrained, pretrained, "pretrained")):
        _band(accuracy, found.labels, curve, look["color"])
        accuracy.plot(found.labels, [each.value for each in curve], gid=gid, markeredgewidth=0, **look)
    in_percent(accuracy.yaxis)
    accuracy.set_ylabel("held-out accuracy, %")
    _arrow(accuracy, found, theme)

    gain = panel(figure, LEFT + SHARE * free + GAP, BOTTOM, (1 - SHARE) * free, PANEL)
    gain.set_title("Gain of pretraining, points")
    gain.axhspan(-rope, rope, color=theme.rope, linewidth=0, zorder=0.5, gid="rope")
    gain.axhline(0, color=theme.muted, linewidth=1)
    for labels, each in zip(found.labels, found.gain, strict=True):
        gain.plot([labels, labels], [each.low, each.high], color=theme.ink, linewidth=2, gid="interval")
    dots: dict[str, Any] = {"color": theme.ink, "markersize": 6, "markeredgewidth": 0}
    gain.plot(found.labels, [each.value for each in found.gain], "o", gid="gain", **dots)
    in_points(gain.yaxis)
    for axes, width in ((accuracy, SHARE * free), (gain, (1 - SHARE) * free)):
        _label_axis(axes, found.labels, width)
        axes.tick_params(axis="y", labelcolor=theme.muted)
        axes.grid(axis="y")
    handles = [
        pretrained_mark(theme),
        mark("random, with interval", **random),
        chance_mark(chance, theme),
        rope_mark(rope, theme),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _band(axes: Axes, labels: Sequence[int], curve: Sequence[Interval], colour: str) -> None:
    low, high = [each.low for each in curve], [each.high for each in curve]
    axes.fill_between(labels, low, high, color=colour, alpha=0.2, linewidth=0)
    if len(labels) == 1:  # the band has no width
        axes.plot([labels[0]] * 2, [*low, *high], color=colour, linewidth=2)


def _arrow(axes: Axes, found: LabelEfficiency, theme: Theme) -> None:
    """From the pretrained arm at the typical budget to where the random arm is as accurate, if it needs more labels."""
    saved = typical_saving(found)
    if saved.random_labels is not None and saved.random_labels <= saved.labels:
        return
    level = found.pretrained[found.labels.index(saved.labels)].value
    end = saved.random_labels or found.labels[-1] * ROOM
    style = {"arrowstyle": "-|>", "color": theme.ink, "linewidth": 1.1, "shrinkA": 5, "shrinkB": 0}
    arrow = axes.annotate("", (end, level), (saved.labels, level), arrowprops=style, zorder=4)
    arrow.set_gid("labels saved")
    text = f"{saved.labels} → {labels_needed(saved.random_labels, found.labels)} labels"
    axes.annotate(text, (saved.labels, level), (12, -12), textcoords="offset points", fontsize=9)


def _label_axis(axes: Axes, labels: Sequence[int], width: float) -> None:
    """A logarithmic axis of labels, `width` inches long, whose ticks name as many budgets as have room."""
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
    axes.set_xlabel("labels per class")


@dataclass(frozen=True)
class BudgetRow:
    """A row of the table: both accuracies with `labels` per class, their gain, and the labels that random needs.

    needed, between: the labels that the random arm needs for the pretrained accuracy, and their interval, in words.
    between is empty if the whole interval lies beyond the largest budget.
    """

    labels: int
    pretrained: Interval
    random: Interval
    gain: Interval
    needed: str
    between: str


def budget_rows(found: LabelEfficiency) -> list[BudgetRow]:
    """A row for each budget, ascending."""
    return [
        BudgetRow(
            saved.labels,
            found.pretrained[place],
            found.random[place],
            found.gain[place],
            labels_needed(saved.random_labels, found.labels),
            _between(saved, found.labels),
        )
        for place, saved in enumerate(found.labels_saved)
    ]


def savings_sentence(found: LabelEfficiency) -> str:
    """How many labels the pretraining saves at the typical budget."""
    saved = typical_saving(found)
    between = _between(saved, found.labels)
    return (
        f"With {counted(saved.labels, 'label')} per class, the pretrained encoder is as accurate as the random one "
        f"with {labels_needed(saved.random_labels, found.labels)}{f' (interval {between})' if between else ''}."
    )


def typical_saving(found: LabelEfficiency) -> LabelsSaved:
    """The saving at the budget closest to TYPICAL by ratio, a choice that does not depend on the results.

    Of two budgets that are equally close, the smaller.
    """
    return min(found.labels_saved, key=lambda saved: (abs(math.log(saved.labels / TYPICAL)), saved.labels))


def labels_needed(value: float | None, budgets: Sequence[int]) -> str:
    """A number of labels in words. None stands for more than the largest of `budgets`, which are ascending."""
    if value is None:
        return f"more than {budgets[-1]:,}"
    if value <= budgets[0]:
        return f"at most {budgets[0]:,}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _between(saved: LabelsSaved, budgets: Sequence[int]) -> str:
    if saved.random_labels is None and saved.low >= budgets[-1]:
        return ""
    return " to ".join(dict.fromkeys(labels_needed(end, budgets) for end in (saved.low, saved.high)))
