"""Every alternative by accuracy, against the seconds that an item takes: is the pretrained encoder worth its cost?

What is statistically tied for best has a filled mark, everything else an open one. Alternatives whose cost was not
measured are in the table of the page alone.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from trajprobe.artifacts.comparisons import LadderRow
from trajprobe.plot.style import WIDTH, in_percent, key_above, mark, panel, short
from trajprobe.plot.theme import Theme

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 2.6, 0.55, 0.65, 0.75, 1.9  # inches; names stand right of their marks


def draw_ladder(rows: Sequence[LadderRow], theme: Theme) -> Figure:
    """rows: those of ladder.csv, of which one or more have costs."""
    measured = [(row, row.costs.inference_seconds) for row in rows if row.costs]
    figure = Figure(figsize=(WIDTH, TOP + HEIGHT + BOTTOM))
    axes = panel(figure, LEFT, BOTTOM, WIDTH - LEFT - RIGHT, HEIGHT)
    names = short(
        [f"{row.name}, random" if row.arm == "random" else row.name for row, _ in measured], 26, "alternative"
    )
    colours = {"pretrained": theme.pretrained, "random": theme.random}
    for (row, seconds), name in zip(measured, names, strict=True):
        x, accuracy = 1000 * seconds, row.accuracy
        colour = colours.get(row.arm, theme.control)
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
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    xs = [1000 * seconds for _, seconds in measured]
    axes.set_xlim(min(xs) / 2, max(xs) * 2)
    axes.grid(axis="y")
    axes.set_xlabel("milliseconds an item, features and prediction")
    axes.set_ylabel("held-out accuracy, %")
    in_percent(axes.yaxis)
    look = {"marker": "o", "linestyle": "", "markersize": 8, "color": theme.control, "markeredgewidth": 1.6}
    handles = [
        mark("tied for best", **look),
        mark("not tied for best", **look, markerfacecolor=theme.surface),
        mark("pretrained", color=theme.pretrained, marker="o", linestyle="", markersize=8),
        mark("random", color=theme.random, marker="o", linestyle="", markersize=8),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure
