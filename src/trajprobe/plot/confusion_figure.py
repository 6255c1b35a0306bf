"""The confusion matrix of the pretrained arm beside that of the random arm.

Rows are the true classes and sum to one, so that colours do not depend on class sizes. The random matrix is averaged
over all initialisations. Each cell shows its share in percent. With few classes it also shows the number of items; with
many, the number of items stands once beside each class and small shares have no number.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trajprobe.plot.style import WIDTH, legible, panel, short
from trajprobe.plot.theme import Theme

ROOMY = 6  # up to this many classes, a cell also shows its number of items
CROWDED = 18  # from this many classes on, only shares of at least 5 % have a number
TOP, BOTTOM, GAP, RIGHT = 0.45, 0.3, 0.35, 0.15  # inches around and between the matrices


def draw_confusion(
    pretrained: NDArray[np.float64], random: NDArray[np.float64], classes: list[str], inits: int, theme: Theme
) -> Figure:
    """Both matrices side by side.

    pretrained, random: (K, K) items of a true class (row) predicted as a class (column), averaged over repeats and
    initialisations. inits: number of random initialisations.
    """
    count = len(classes)
    names = short(classes, 22 if count < CROWDED else 14)
    items = pretrained.sum(axis=1)
    beside = (
        [f"{name} ({total:.0f})" for name, total in zip(names, items, strict=True)]
        if count > ROOMY
        else names
    )
    small = 9 if count <= 15 else 8
    letter = 0.0082 * small  # approximate width of a letter, in inches
    left = 0.45 + letter * max(map(len, beside))
    side = min((WIDTH - left - GAP - RIGHT) / 2, 1.5 * count)
    upright = count > 4 or letter * max(map(len, names)) > side / count - 0.1
    bottom = BOTTOM + (0.15 + letter * max(map(len, names)) if upright else 0.3)
    height = TOP + side + bottom
    width = left + 2 * side + GAP + RIGHT
    figure = Figure(figsize=(width, height))
    random_title = f"Random, mean of {inits} initialisations" if inits > 1 else "Random, one initialisation"
    panels = ((pretrained, "Pretrained", theme.pretrained), (random, random_title, theme.random))
    for number, (counts, title, colour) in enumerate(panels):
        axes = panel(figure, left + number * (side + GAP), bottom, side, side)
        _matrix(axes, counts, colour, side / count, theme)
        axes.set_title(title)
        axes.set_xticks(range(count), names, rotation=90 if upright else 0, fontsize=small)
        axes.set_yticks(range(count), beside if number == 0 else [""] * count, fontsize=small)
        axes.set_xlabel("predicted class", labelpad=6)
        if number == 0:
            axes.set_ylabel("true class" if count <= ROOMY else "true class (items)", labelpad=6)
    return figure


def shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, K) rows that sum to one. A class without items has a row of zeros."""
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros_like(counts, dtype=np.float64), where=totals > 0)


def _matrix(axes: Axes, counts: NDArray[np.float64], colour: str, cell: float, theme: Theme) -> None:
    rows = shares(counts)
    count = len(rows)
    paint = LinearSegmentedColormap.from_list(f"{theme.name}-{colour}", [theme.raised, colour])
    scale = PowerNorm(0.7, 0, 1)
    axes.imshow(rows, cmap=paint, norm=scale, interpolation="nearest")
    edges = np.arange(1, count) - 0.5
    gaps: dict[str, Any] = {"color": theme.surface, "linewidth": 1.5 if count < CROWDED else 0.8}
    axes.hlines(edges, -0.5, count - 0.5, **gaps)
    axes.vlines(edges, -0.5, count - 0.5, **gaps)
    axes.spines[:].set_visible(False)
    size = min(11.0, 33 * cell)  # font size at which three digits fill a cell
    for actual, predicted in np.ndindex(count, count):
        share = rows[actual, predicted]
        if count > ROOMY and share < (0.05 if count >= CROWDED else 0.005):
            continue
        ink = legible(paint(scale(share)), theme)
        text = f"{100 * share:.0f}"
        if count <= ROOMY:
            text += f" %\n{_items(float(counts[actual, predicted]))}"
        axes.text(
            predicted,
            actual,
            text,
            ha="center",
            va="center",
            color=ink,
            fontsize=size,
            linespacing=1.5,
            gid="cell",
        )


def _items(count: float) -> str:
    return f"{count:.0f}" if count >= 100 or abs(count - round(count)) < 0.05 else f"{count:.1f}"
