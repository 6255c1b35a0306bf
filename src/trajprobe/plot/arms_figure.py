"""The main figure: the accuracy of every arm, and beside it the gain of pretraining.

Each encoder has a line with its pretrained accuracy and interval. Below it every random initialisation is a dot, with
a bar at their mean, because a single initialisation says little. Controls follow under a rule.
The right panel shows each gain with its interval against the band of gains too small to matter.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trajprobe.artifacts.comparisons import Arms, ArmScores, Comparison
from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.core.schema import Interval
from trajprobe.plot.style import (
    WIDTH,
    chance_look,
    chance_mark,
    in_percent,
    in_points,
    label_width,
    mark,
    panel,
    pretrained_mark,
    rope_mark,
    short,
    whisker,
)
from trajprobe.plot.theme import Theme

ROW = 0.72  # inches per encoder, for up to 4 encoders
TIGHT_ROW = 0.52
CONTROL_ROW = 0.34
TOP, BOTTOM, GAP, RIGHT = 0.45, 0.62, 0.5, 1.55  # inches around and between the panels
KEY = 2.05  # inches for the axis of the gains and the key under it
SHARE = 0.54  # of the free width, for the accuracy panel
OFFSET = 0.17  # of the pretrained arm above the middle of its line, and of the random arm below


def draw_arms(arms: Arms, chance: float, rope: float, theme: Theme, scale: Scale = ACCURACY) -> Figure:
    """Both panels, for the headline representation of every encoder and for the controls.

    chance: accuracy of the most frequent class; rope: half the width of the band of practical equivalence. Fractions;
    or in units of another scale.
    """
    headlines = arms.headlines
    row = ROW if len(headlines) <= 4 else TIGHT_ROW
    unit = CONTROL_ROW / row  # height of a control's line, in units of an encoder's
    lines = [len(headlines) - 1 - i for i in range(len(headlines))]
    control_lines = [-0.5 - unit * (i + 1) for i in range(len(arms.controls))]
    bottom = -0.5 - unit * (len(arms.controls) + 0.75 * bool(arms.controls))
    # inches from the lower edge to the rule above the controls
    split = max(BOTTOM + (-0.5 - bottom) * row, KEY)
    height = split + len(headlines) * row + TOP
    below = split - (-0.5 - bottom) * row

    labels = short([comparison.encoder for comparison in headlines], 24, "encoder")
    labels += short([arm.encoder for arm in arms.controls], 24, "control")
    left = label_width(labels)
    free = WIDTH - left - GAP - RIGHT
    figure = Figure(figsize=(WIDTH, height))

    def lined(start: float, width: float, below: float, lowest: float) -> Axes:
        axes = panel(figure, start, below, width, height - TOP - below, ylim=(lowest, len(headlines) - 0.5))
        axes.grid(axis="x")
        return axes

    accuracy = lined(left, SHARE * free, below, bottom)
    accuracy.set_title(scale.title)
    accuracy.set_yticks(lines + control_lines, labels)
    for i, text in enumerate(accuracy.get_yticklabels()):
        text.set(fontweight="bold") if i < len(lines) else text.set(color=theme.muted)
    if control_lines:
        ends = [0.3 / WIDTH, (left + SHARE * free) / WIDTH]
        figure.add_artist(Line2D(ends, [split / height] * 2, linewidth=0.8, color=theme.line))
    _accuracies(accuracy, headlines, lines, arms.controls, control_lines, chance, theme, scale)

    gain = lined(left + SHARE * free + GAP, (1 - SHARE) * free, split, -0.5)
    gain.set_title("Gain of pretraining")
    gain.set_yticks([])
    _gains(gain, [comparison.gain for comparison in headlines], lines, rope, theme, scale)
    _key(gain, height - TOP - split, headlines, arms.controls, chance, rope, theme, scale)
    return figure


def _accuracies(
    axes: Axes,
    comparisons: Sequence[Comparison],
    lines: Sequence[float],
    controls: Sequence[ArmScores],
    control_lines: Sequence[float],
    chance: float,
    theme: Theme,
    scale: Scale,
) -> None:
    estimates = [c.pretrained.accuracy for c in comparisons] + [arm.accuracy for arm in controls]
    randoms = [arm.accuracy.value for c in comparisons for arm in c.random]
    low, high = _span([chance, *randoms, *(end for e in estimates for end in (e.low, e.high))])
    pad = 0.05 * (high - low)
    axes.set_xlim(max(low - pad, -0.02) if scale is ACCURACY else low - pad, min(high + pad, 1.02))
    axes.axvline(chance, **chance_look(theme), gid="chance")
    swarm = 0.016 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    for comparison, line in zip(comparisons, lines, strict=True):
        whisker(axes, comparison.pretrained.accuracy, line + OFFSET, theme.pretrained, "o", **_plain(8))
        values = [arm.accuracy.value for arm in comparison.random]
        levels = _swarm(values, swarm)
        step = min(0.075, 0.2 / max(1, *map(abs, levels)))
        heights = [line - OFFSET + step * level for level in levels]
        axes.plot(
            values,
            heights,
            "o",
            markersize=4.5,
            color=theme.random,
            alpha=0.75,
            markeredgewidth=0,
            gid="random",
        )
        if len(values) == 1:
            continue
        mean, ends = comparison.random_mean, (line - OFFSET - 0.16, line - OFFSET + 0.16)
        axes.plot([mean, mean], ends, color=theme.random, linewidth=2.6, gid="random mean")
    for arm, line in zip(controls, control_lines, strict=True):
        whisker(axes, arm.accuracy, line, theme.control, "D", **_plain(5.5))
    in_percent(axes.xaxis, scale)
    axes.set_xlabel(scale.axis)


def _gains(
    axes: Axes, gains: Sequence[Interval], lines: Sequence[float], rope: float, theme: Theme, scale: Scale
) -> None:
    low, high = _span([-1.6 * rope, 1.6 * rope, *(end for gain in gains for end in (gain.low, gain.high))])
    pad = 0.06 * (high - low)
    axes.set_xlim(low - pad, high + pad)
    axes.axvspan(-rope, rope, color=theme.rope, linewidth=0, zorder=0.5, gid="rope")
    axes.axvline(0, color=theme.muted, linewidth=1, gid="zero")
    for gain, line in zip(gains, lines, strict=True):
        whisker(axes, gain, line, theme.ink, "o", **_plain(7))
        place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        place |= {"xy": (1, line), "va": "center"}
        ends = scale.between(gain.low, gain.high)
        axes.annotate(scale.difference(gain.value), xytext=(12, 5), fontsize=11, fontweight="bold", **place)
        axes.annotate(ends, xytext=(12, -8), fontsize=8, color=theme.muted, **place)
    in_points(axes.xaxis, scale)
    axes.set_xlabel(f"pretrained − mean of random, {scale.measure}")


def _plain(size: float) -> dict[str, float]:
    """The look of a mark without an edge."""
    return {"markersize": size, "markeredgewidth": 0}


def _swarm(values: Sequence[float], reach: float) -> list[int]:
    """For each value, how many steps its dot is moved off the line (0, 1, −1, 2, …) so that dots closer than `reach` do
    not overlap."""
    taken: list[tuple[float, int]] = []
    levels = [0] * len(values)
    for index in sorted(range(len(values)), key=lambda i: (values[i], i)):
        near = {level for value, level in taken if values[index] - value < reach}
        candidates = (sign * step for step in range(len(values)) for sign in (1, -1))
        levels[index] = next(level for level in candidates if level not in near)
        taken.append((values[index], levels[index]))
    return levels


def _key(
    axes: Axes,
    inches: float,
    comparisons: Sequence[Comparison],
    controls: Sequence[ArmScores],
    chance: float,
    rope: float,
    theme: Theme,
    scale: Scale,
) -> None:
    """The key, in the space beside the controls and under the gains, whose axes are `inches` high."""
    several = any(len(comparison.random) > 1 for comparison in comparisons)
    dots = {"color": theme.random, "marker": "o", "markersize": 4.5, "linestyle": ""}
    handles: list[Line2D | Patch] = [
        pretrained_mark(theme),
        mark("random: one dot per initialisation", **dots),
    ]
    if several:
        bar = {
            "color": theme.random,
            "marker": "|",
            "markersize": 11,
            "markeredgewidth": 2.6,
            "linestyle": "",
        }
        handles.append(mark("random: mean", **bar))
    if controls:
        look = {"color": theme.control, "marker": "D", "markersize": 5.5, "linewidth": 2}
        handles.append(mark("control, with interval", **look))
    handles.append(chance_mark(chance, theme, scale))
    handles.append(rope_mark(rope, theme, scale))
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, -0.62 / inches),
        borderaxespad=0,
        borderpad=0,
        labelspacing=0.55,
        handletextpad=0.9,
        handlelength=1.9,
        labelcolor=theme.muted,
    )


def _span(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)
