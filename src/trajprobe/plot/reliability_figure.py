"""The reliability diagram: the accuracy of each arm as a function of its confidence.

Each bin of confidence is a mark at its mean confidence and accuracy. The calibration error is the mean distance of the
marks from the diagonal, weighted by the items in each bin (Guo et al., On calibration of modern neural networks, ICML
2017). Marks below the diagonal are overconfident. A bin with few items is hollow, because its accuracy is noisy. The
strip below shows the number of items in each bin.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajprobe.artifacts.comparisons import Bin, Bins, Comparison
from trajprobe.artifacts.formatting import percent
from trajprobe.plot.style import WIDTH, in_percent, key_above, mark, panel
from trajprobe.plot.theme import Theme

FEW = 10  # a mark with fewer items is hollow
PANEL, STRIP, BETWEEN = 3.3, 0.62, 0.16  # inches: heights of a diagram and its strip, and the space between
TOP, BOTTOM, LEFT, GAP, RIGHT = 0.95, 0.62, 0.75, 0.6, 0.25


def draw_reliability(bins: Bins, comparison: Comparison, theme: Theme) -> Figure:
    """Both arms side by side. comparison: contains their calibration errors."""
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
            "pretrained: items with this confidence",
            color=theme.pretrained,
            marker="o",
            markersize=7,
            linestyle="",
        ),
        mark(
            "random: items of all initialisations",
            color=theme.random,
            marker="s",
            markersize=6.5,
            linestyle="",
        ),
        mark(
            f"fewer than {FEW} items",
            **shown,
            marker="o",
            markersize=7,
            fillstyle="none",
            markeredgewidth=1.4,
        ),
        mark("accuracy = confidence", color=theme.muted, linewidth=1),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure


def _diagram(axes: Axes, bins: Sequence[Bin], colour: str, marker: str, theme: Theme) -> None:
    axes.grid()
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, gid="diagonal")
    words: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 8.5, "color": theme.muted}
    axes.text(0.03, 0.955, "underconfident", va="top", **words)
    axes.text(0.97, 0.045, "overconfident", ha="right", **words)
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
