"""Predicted against true numbers, of the pretrained arm and of one random initialisation.

Each held-out item is a dot, as predicted in the first repeat of the folds. On the diagonal a prediction is right.
Probes shrink what they cannot tell towards the mean, so a cloud that is flatter than the diagonal is what a weak one
looks like; features that say nothing would leave all dots near the line of the mean, which is chance.
"""

import numpy as np
from matplotlib.figure import Figure

from trajprobe.artifacts.formatting import R2
from trajprobe.plot.outcomes import PredictedNumbers
from trajprobe.plot.style import WIDTH, chance_look, key_above, mark, panel
from trajprobe.plot.theme import Theme

SIDE, TOP, BOTTOM, LEFT, GAP = 4.2, 0.85, 0.65, 0.85, 0.7  # inches
FAINT = 300  # items from which dots are drawn the fainter, the more there are
PAD = 0.04  # of the range, left free on every side


def draw_scatter(found: PredictedNumbers, theme: Theme) -> Figure:
    """Both panels on the same scale, with R^2 of what is shown."""
    figure = Figure(figsize=(WIDTH, TOP + SIDE + BOTTOM))
    values = [found.true, found.pretrained, found.random]
    low, high = min(each.min() for each in values), max(each.max() for each in values)
    pad = PAD * (high - low)
    limits = (low - pad, high + pad)
    alpha = min(0.75, max(0.1, 0.75 * (FAINT / len(found.true)) ** 0.5))
    for number, (name, predicted, colour) in enumerate(
        (
            ("pretrained", found.pretrained, theme.pretrained),
            ("random, first initialisation", found.random, theme.random),
        )
    ):
        axes = panel(figure, LEFT + number * (SIDE + GAP), BOTTOM, SIDE, SIDE, xlim=limits, ylim=limits)
        axes.grid()
        unexplained = np.mean((found.true - predicted) ** 2) / np.var(found.true)
        axes.set_title(f"{name}: R² {R2.value(float(1 - unexplained))}")
        axes.plot(limits, limits, color=theme.muted, linewidth=1, gid="diagonal")
        axes.axhline(found.true.mean(), **chance_look(theme), gid="chance")
        dots = {"markersize": 4, "color": colour, "alpha": alpha, "markeredgewidth": 0}
        axes.plot(found.true, predicted, "o", gid=name, **dots)
        axes.set_xlabel("true")
        axes.tick_params(axis="y", labelcolor=theme.muted)
        if number == 0:
            axes.set_ylabel("predicted, held out")
    handles = [
        mark("predicted = true", color=theme.muted, linewidth=1),
        mark("the mean of all, chance", **chance_look(theme)),
    ]
    key_above(figure, handles, LEFT, theme)
    return figure
