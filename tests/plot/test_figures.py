"""The figures against the numbers that they were given, read back from the artists' data, text and colour.

And the same numbers give the same bytes.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from trajprobe.artifacts.comparisons import Arms, ArmScores, Bin, Bins, Comparison
from trajprobe.core.schema import Interval
from trajprobe.plot.arms_figure import draw_arms
from trajprobe.plot.confusion_figure import draw_confusion, shares
from trajprobe.plot.layers_figure import draw_layers
from trajprobe.plot.reliability_figure import draw_reliability
from trajprobe.plot.style import drawing, save
from trajprobe.plot.theme import DARK, LIGHT, THEMES, Theme

CHANCE, ROPE = 0.25, 0.02


def comparison(
    encoder: str, gain: float, inits: int = 4, layer: str = "mid", pooling: str = "mean"
) -> Comparison:
    levels = [0.6 + 0.01 * init for init in range(inits)]
    own = float(np.mean(levels)) + gain
    return Comparison(
        ArmScores(
            encoder, "pretrained", 0, layer, pooling, Interval(own, own - 0.03, own + 0.02), 0.05, 0.8, 0.5
        ),
        tuple(
            ArmScores(
                encoder,
                "random",
                init,
                layer,
                pooling,
                Interval(level, level - 0.03, level + 0.03),
                0.08,
                0.8,
                0.5,
            )
            for init, level in enumerate(levels)
        ),
        gain=Interval(gain, gain - 0.04, gain + 0.05),
        prediction=Interval(gain, gain - 0.1, gain + 0.1),
        p_value=0.01,
        p_draw=0.02,
        p_adjusted=0.02,
        error_reduction=None,
        odds_ratio=None,
        verdict="helps",
        confounded=False,
        warning="",
    )


def arms(names: list[str], inits: int = 4) -> Arms:
    controls = [ArmScores("pixels", "control", 0, "", "", Interval(0.5, 0.45, 0.55), 0.1, 0.5, 0.9)]
    encoders = {name: (comparison(name, 0.2 - 0.07 * i, inits),) for i, name in enumerate(names)}
    return Arms(encoders, tuple(controls))


def drawn(figure: Figure, gid: str, panel: int = 0) -> list[list[float]]:
    """The x data of the lines called `gid` in a panel."""
    return [list(map(float, line.get_xdata())) for line in figure.axes[panel].lines if line.get_gid() == gid]


def texts(figure: Figure, panel: int) -> list[str]:
    return [text.get_text() for text in figure.axes[panel].texts]


def ticks(figure: Figure, panel: int = 0) -> list[str]:
    return [label.get_text() for label in figure.axes[panel].get_yticklabels()]


@pytest.mark.parametrize("names", [["one"], [f"encoder_{i}" for i in range(11)]])
def test_every_arm_is_drawn_at_its_accuracy(names: list[str]) -> None:
    given = arms(names)
    with drawing(LIGHT):
        figure = draw_arms(given, CHANCE, ROPE, LIGHT)
    headlines = given.headlines
    assert ticks(figure) == [*names, "pixels"]
    assert drawn(figure, "random") == [[arm.accuracy.value for arm in c.random] for c in headlines]
    assert drawn(figure, "random mean") == [[c.random_mean] * 2 for c in headlines]
    estimates = [c.pretrained.accuracy for c in headlines] + [arm.accuracy for arm in given.controls]
    assert drawn(figure, "estimate") == [[e.value] for e in estimates]
    assert drawn(figure, "interval") == [[e.low, e.high] for e in estimates]
    assert drawn(figure, "chance") == [[CHANCE, CHANCE]]
    low, high = figure.axes[0].get_xlim()
    assert low < CHANCE
    assert high > max(e.high for e in estimates)


def test_every_gain_is_drawn_at_its_value_against_the_rope() -> None:
    given = arms(["one", "two", "three", "four"])
    with drawing(LIGHT):
        figure = draw_arms(given, CHANCE, ROPE, LIGHT)
    gains = [c.gain for c in given.headlines]
    assert drawn(figure, "estimate", 1) == [[gain.value] for gain in gains]
    assert drawn(figure, "interval", 1) == [[gain.low, gain.high] for gain in gains]
    (band,) = [patch for patch in figure.axes[1].patches if patch.get_gid() == "rope"]
    assert (band.get_x(), band.get_width()) == (-ROPE, 2 * ROPE)
    assert texts(figure, 1)[:2] == ["+20.0", "16.0 to 25.0"]
    assert texts(figure, 1)[6:] == ["−1.0", "−5.0 to 4.0"]
    low, high = figure.axes[1].get_xlim()
    assert low < -ROPE < ROPE < high


def test_the_lines_of_both_panels_are_level() -> None:
    with drawing(LIGHT):
        figure = draw_arms(arms(["one", "two"]), CHANCE, ROPE, LIGHT)
    figure.draw_without_rendering()
    accuracy, gain = figure.axes
    for line in (0, 1):
        heights = [axes.transData.transform((0, line))[1] for axes in (accuracy, gain)]
        assert heights[0] == pytest.approx(heights[1])


def test_a_single_initialisation_has_no_mean_and_many_stay_on_their_line() -> None:
    with drawing(LIGHT):
        alone = draw_arms(arms(["one"], inits=1), CHANCE, ROPE, LIGHT)
        crowd = draw_arms(arms(["one", "two"], inits=60), CHANCE, ROPE, LIGHT)
    assert drawn(alone, "random mean") == []
    for line, level in zip(
        (line for line in crowd.axes[0].lines if line.get_gid() == "random"), (1, 0), strict=True
    ):
        assert np.abs(line.get_ydata() - level).max() <= 0.5


def test_dots_do_not_overlap() -> None:
    given = Arms({"one": (comparison("one", 0.1),)}, ())
    same = tuple(
        ArmScores("one", "random", i, "mid", "mean", Interval(0.6, 0.5, 0.7), 0.1, 0.6, 0.7) for i in range(3)
    )
    first = given.encoders["one"][0]
    given = Arms({"one": (replace(first, random=same),)}, ())
    with drawing(LIGHT):
        figure = draw_arms(given, CHANCE, ROPE, LIGHT)
    (dots,) = [line for line in figure.axes[0].lines if line.get_gid() == "random"]
    assert len(set(np.round(dots.get_ydata(), 6))) == 3


@pytest.mark.parametrize("theme", THEMES)
def test_colours_have_one_meaning(theme: Theme) -> None:
    with drawing(theme):
        figure = draw_arms(arms(["one"]), CHANCE, ROPE, theme)
    colours = {
        line.get_gid(): line.get_color() for line in figure.axes[0].lines if line.get_gid() != "estimate"
    }
    assert colours["random"] == colours["random mean"] == theme.random
    assert colours["chance"] == theme.chance
    first, second = (line for line in figure.axes[0].lines if line.get_gid() == "estimate")
    assert (first.get_color(), second.get_color()) == (theme.pretrained, theme.control)


@pytest.mark.parametrize("count", [2, 15, 26])
def test_cells_show_shares_of_their_row(count: int) -> None:
    rng = np.random.default_rng(count)
    pretrained, random = rng.integers(0, 9, (2, count, count)) + np.eye(count) * 40
    names = [f"class {i}" for i in range(count)]
    with drawing(LIGHT):
        figure = draw_confusion(pretrained, random, names, 8, LIGHT)
    for panel, counts in enumerate((pretrained, random)):
        np.testing.assert_allclose(
            figure.axes[panel].images[0].get_array(), counts / counts.sum(axis=1, keepdims=True)
        )
        for text in figure.axes[panel].texts:
            column, row = map(int, text.get_position())
            share = 100 * counts[row, column] / counts[row].sum()
            assert float(text.get_text().split()[0]) == round(share)
            if count <= 6:
                assert float(text.get_text().split("\n")[1]) == round(counts[row, column], 1)
    beside = (
        names
        if count <= 6
        else [f"{n} ({t:.0f})" for n, t in zip(names, pretrained.sum(axis=1), strict=True)]
    )
    assert ticks(figure) == beside
    assert figure.axes[1].get_title(loc="left") == "Random, mean of 8 initialisations"


def test_a_class_without_items_is_an_empty_row() -> None:
    np.testing.assert_array_equal(shares(np.array([[0.0, 0.0], [1.0, 3.0]])), [[0, 0], [0.25, 0.75]])


@pytest.mark.parametrize("labels", [["x" * 60, "y" * 60], [f"a fairly long label {i}" for i in range(12)]])
def test_long_labels_stay_inside_the_figure(labels: list[str]) -> None:
    counts = np.eye(len(labels)) * 5
    with drawing(LIGHT):
        figure = draw_confusion(counts, counts, labels, 1, LIGHT)
        figure.draw_without_rendering()
    assert figure.axes[1].get_title(loc="left") == "Random, one initialisation"
    for axes in figure.axes:
        for text in (*axes.get_xticklabels(), *axes.get_yticklabels(), axes.title, axes.xaxis.label):
            box = text.get_window_extent()
            if text.get_text():
                assert figure.bbox.x0 <= box.x0
                assert figure.bbox.y0 <= box.y0
                assert box.x1 <= figure.bbox.x1
                assert box.y1 <= figure.bbox.y1


def test_layers_make_a_curve_in_a_panel_for_each_pooling() -> None:
    given = [
        comparison("e", 0.1 * i, layer=layer, pooling=pooling)
        for pooling in ("mean", "mean_std")
        for i, layer in enumerate(("down.0", "down.1", "mid"))
    ]
    with drawing(LIGHT):
        figure = draw_layers(given, CHANCE, LIGHT)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["pooling: mean", "pooling: mean_std"]
    for panel, axes in enumerate(figure.axes):
        curves = {line.get_gid(): line for line in axes.lines}
        own = given[3 * panel : 3 * panel + 3]
        assert list(curves["pretrained"].get_ydata()) == [c.pretrained.accuracy.value for c in own]
        assert list(curves["random"].get_ydata()) == [c.random_mean for c in own]
        assert curves["pretrained"].get_linestyle() == "-"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["down.0", "down.1", "mid"]


def test_poolings_of_one_layer_are_side_by_side_without_a_line() -> None:
    given = [comparison("e", 0.1, pooling=pooling) for pooling in ("a_rather_long_pooling", "mean", "grid")]
    with drawing(LIGHT):
        figure = draw_layers(given, CHANCE, LIGHT)
    (axes,) = figure.axes
    curves = {line.get_gid(): line for line in axes.lines}
    assert curves["pretrained"].get_linestyle() == "None"
    assert axes.get_title(loc="left") == "layer: mid"
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "a_rather_long_pooling"[:8] + "…" + "g_pooling",
        "mean",
        "grid",
    ]


def binned() -> Bins:
    own = [Bin(0.4, 0.5, 3.5, 0.44, 0.2), Bin(0.9, 1.0, 40, 0.97, 0.99)]
    return Bins(own, [Bin(0.3, 0.4, 0.25, 0.33, 1.0), Bin(0.5, 0.6, 43.25, 0.55, 0.5)])


def test_bins_are_drawn_at_their_confidence_and_accuracy() -> None:
    with drawing(LIGHT):
        figure = draw_reliability(binned(), comparison("one", 0.1), LIGHT)
    for number, own in enumerate((binned().pretrained, binned().random)):
        diagram, strip = figure.axes[2 * number : 2 * number + 2]
        marks = {line.get_gid(): line for line in diagram.lines}
        for gid, each in zip(("few", "bins"), own, strict=True):
            (x,), (y,) = marks[gid].get_data()
            assert (x, y) == (each.confidence, each.accuracy)
        assert marks["few"].get_markerfacecolor() == LIGHT.surface
        assert [patch.get_height() for patch in strip.patches] == [each.items for each in own]
        assert diagram.get_xlim() == strip.get_xlim() == (0, 1)
    assert [figure.axes[i].get_title(loc="left") for i in (0, 2)] == [
        "Pretrained: calibration error 5.0 %",
        "Random: calibration error 8.0 %",
    ]
    assert [texts(figure, i) for i in (1, 3)] == [["4", "40"], ["<1", "43"]]


def test_a_figure_is_saved_in_both_themes_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    def draw(theme: Theme) -> Figure:
        return draw_confusion(np.eye(3), np.ones((3, 3)), ["a $x_$", "b", "軌"], 2, theme)

    first, again = save(draw, tmp_path / "first.png"), save(draw, tmp_path / "again.png")
    for one, two, theme in ((first.light, again.light, LIGHT), (first.dark, again.dark, DARK)):
        assert (tmp_path / one).read_bytes() == (tmp_path / two).read_bytes()
        with Image.open(tmp_path / one) as picture:
            assert "Software" not in picture.info
            assert picture.size == pytest.approx((2 * first.width, 2 * first.height), abs=1)
            assert "#{:02x}{:02x}{:02x}".format(*picture.convert("RGB").getpixel((3, 3))) == theme.surface


def test_the_style_does_not_leak_into_other_figures() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with drawing(DARK):
        assert matplotlib.rcParams["text.color"] == DARK.ink
    assert dict(matplotlib.rcParams) == before
