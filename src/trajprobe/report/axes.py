"""What the figures' axes share: panels placed in inches, ticks as readers write numbers, and marks of one meaning.

The mark of an arm is the same in every figure, in its colour and in its shape: pretrained is a disc, random a smaller
dot or a bar, chance a dashed line.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajprobe.report.style import Theme
from trajprobe.report.words import percent

DASH = (0, (4, 3))
KEY_BELOW = 0.12  # inches between the upper edge of a figure and its key


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, **settings: Any) -> Axes:
    """Axes at a place and of a size in inches; `settings` are those of the axes, such as their limits."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **settings)


def in_percent(axis: Axis) -> None:
    """Tick labels of fractions as percentages, without the sign, which stands in the axis's label."""
    axis.set_major_formatter(lambda value, _: f"{round(100 * value, 6):g}")


def in_points(axis: Axis) -> None:
    """Tick labels of differences of fractions as signed percentage points."""
    axis.set_major_formatter(
        lambda value, _: f"{round(100 * value, 6):+g}".replace("-", "−") if value else "0"
    )


def chance_look(theme: Theme) -> dict[str, Any]:
    """How the line of chance is drawn."""
    return {"color": theme.chance, "linestyle": DASH, "linewidth": 1.2}


def pretrained_mark(theme: Theme, label: str = "pretrained, with its interval") -> Line2D:
    return mark(label, color=theme.pretrained, marker="o", markersize=8, linewidth=2)


def chance_mark(chance: float, theme: Theme) -> Line2D:
    return mark(f"chance, {percent(chance)}", **chance_look(theme))


def mark(label: str, **look: Any) -> Line2D:
    """An entry of a key."""
    return Line2D([], [], label=label, **{"markeredgewidth": 0, **look})


def key_above(figure: Figure, handles: Sequence[Any], left: float, theme: Theme) -> None:
    """The key of all panels in a line over them, from `left` inches on."""
    across, up = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / across, 1 - KEY_BELOW / up),
        ncols=len(handles),
        labelcolor=theme.muted,
        borderaxespad=0,
        borderpad=0,
        columnspacing=2,
    )
