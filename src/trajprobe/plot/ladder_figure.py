"""Every alternative by accuracy, against the seconds that an item takes: is the pretrained encoder worth its cost?

What is statistically tied for best has a filled mark, everything else an open one. Alternatives whose cost was not
measured are in the table of the page alone.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.plot.style import WIDTH, in_percent, key_above, mark, panel, short
from trajprobe.plot.theme import Theme

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 2.6, 0.55, 0.65, 0.75, 1.9  # inches; names stand right of their marks


def draw_ladder(rows: Sequence[LadderRow], theme: Theme) -> Figure:
    """rows: those of ladder.csv, of which one or more have costs."""
    measured = [(row, row.costs.inference_seconds) for row in rows if row.costs]
    figure = Figure(figsize=(WIDTH, TOP + HEIGHT + BOTTOM))
    axes = panel(figure, LEFT, BOTTOM, WIDTH - LEFT - RIGHT, HEIGHT)
    names = short([row.name for row, _ in measured], 22, "alternative")
    for (row, seconds), name in zip(measured, names, strict=True):
        x, accuracy = 1000 * seconds, row.accuracy
        colour = theme.pretrained if row.arm == "pretrained" else theme.control
        axes.plot([x, x], [accuracy.low, accuracy.high], color=colour, linewidth=2)
        axes.plot(
            [x],
            [accuracy.value],
            "o",
            markersize=8,
            color=colour,
            markerfacecolor=colour if row.tied else theme.surface,
            markeredgewidth=1.6,
        )
        axes.annotate(
            name, (x, accuracy.value), (9, 0), textcoords="offset points", va="center", color=theme.ink
        )
    axes.set_xscale("log")
    xs = [1000 * seconds for _, seconds in measured]
    axes.set_xlim(min(xs) / 2, max(xs) * 2)
    axes.grid(axis="y")
    axes.set_xlabel("milliseconds an item, features and prediction")
    axes.set_ylabel("held-out accuracy, %")
    in_percent(axes.yaxis)
    look = {"marker": "o", "linestyle": "", "markersize": 8, "color": theme.control, "markeredgewidth": 1.6}
    handles = [
        mark("tied for best", **look),
        mark("not", **look, markerfacecolor=theme.surface),
        mark("encoder, pretrained", color=theme.pretrained, marker="o", linestyle="", markersize=8),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure
