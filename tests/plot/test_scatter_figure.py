"""The scatter of predicted against true numbers: what is drawn is what was predicted, in both themes."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from trajprobe.plot.outcomes import PredictedNumbers
from trajprobe.plot.scatter_figure import draw_scatter
from trajprobe.plot.style import drawing
from trajprobe.plot.theme import THEMES, Theme


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_dots_are_the_items_and_titles_their_r2(theme: Theme) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(50, 10, 40)
    found = PredictedNumbers(true, true + rng.normal(0, 3, 40), true + rng.normal(0, 20, 40))
    with drawing(theme):
        figure = draw_scatter(found, theme)
    for axes, predicted in zip(figure.axes, (found.pretrained, found.random), strict=True):
        lines = {line.get_gid(): line for line in axes.lines}
        name, r2 = axes.get_title(loc="left").split(": R² ")
        x, y = lines[name].get_data()
        assert x.tolist() == true.tolist()
        assert y.tolist() == predicted.tolist()
        assert float(r2.replace("−", "-")) == pytest.approx(r2_score(true, predicted), abs=0.005)
        assert lines["chance"].get_ydata()[0] == pytest.approx(true.mean())
        assert axes.get_xlim() == axes.get_ylim() == figure.axes[0].get_xlim()
        assert axes.get_xlim()[0] < min(x.min(), y.min())
