"""Label efficiency as a sentence, as a table and as a figure, against the numbers that they were given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.artifacts.analyses import LabelEfficiency, LabelsSaved
from trajprobe.core.schema import Interval
from trajprobe.plot.label_figure import (
    budget_rows,
    draw_efficiency,
    labels_needed,
    savings_sentence,
    typical_saving,
)
from trajprobe.plot.style import drawing
from trajprobe.plot.theme import LIGHT

CHANCE, ROPE = 0.25, 0.02
LABELS = [1, 2, 5, 10, 20, 50]
Saving = tuple[
    float | None, float, float | None
]  # labels that the random arm needs, and the ends of their interval


def efficiency(labels: list[int] = LABELS, savings: dict[int, Saving] | None = None) -> LabelEfficiency:
    """Rising curves. savings: by budget; at every other budget the random arm needs as many labels."""

    def curve(level: float) -> list[Interval]:
        values = [level + 0.05 * place for place in range(len(labels))]
        return [Interval(value, value - 0.03, value + 0.02) for value in values]

    saved = []
    for label in labels:
        needed, low, high = (savings or {}).get(label, (float(label),) * 3)
        saved.append(LabelsSaved(labels=label, random_labels=needed, low=low, high=high))
    curves = {"pretrained": curve(0.6), "random": curve(0.4), "gain": curve(0.1)}
    return LabelEfficiency(labels=labels, draws=10, labels_saved=saved, **curves)


@pytest.mark.parametrize(
    ("saving", "ending"),
    [
        ((34.2, 21.0, None), "with 34 (interval 21 to more than 50)."),
        ((None, 41.7, None), "with more than 50 (interval 42 to more than 50)."),
        ((None, 50.0, None), "with more than 50."),
        ((7.46, 5.0, 9.96), "with 7.5 (interval 5 to 10)."),
        ((1.0, 1.0, 1.0), "with at most 1 (interval at most 1)."),
        ((1.0, 1.0, 3.0), "with at most 1 (interval at most 1 to 3)."),
    ],
)
def test_the_labels_that_pretraining_saves(saving: Saving, ending: str) -> None:
    beginning = "With 5 labels per class, the pretrained encoder is as accurate as the random one "
    assert savings_sentence(efficiency(savings={5: saving})) == beginning + ending


@pytest.mark.parametrize(
    ("labels", "chosen"), [(LABELS, 5), ([1, 4, 6], 6), ([1, 25], 1), ([100], 100), ([2, 3, 8], 8)]
)
def test_the_budget_of_the_sentence_does_not_depend_on_results(labels: list[int], chosen: int) -> None:
    ratio = {label: max(label / 5, 5 / label) for label in labels}
    assert ratio[chosen] == min(ratio.values())
    assert typical_saving(efficiency(labels)).labels == chosen
    assert f"With {chosen} label{'s' * (chosen > 1)} per class" in savings_sentence(efficiency(labels))


@given(st.floats(1, 50))
def test_labels_are_rounded_to_within_a_twentieth(value: float) -> None:
    text = labels_needed(value, LABELS)
    assert float(text.removeprefix("at most ")) == pytest.approx(value, rel=0.05)


def test_every_budget_has_its_row() -> None:
    rows = budget_rows(efficiency(savings={20: (None, 44.0, None)}))
    assert [row.labels for row in rows] == LABELS
    assert rows[2].pretrained == Interval(0.7, pytest.approx(0.67), pytest.approx(0.72))
    assert (rows[4].needed, rows[4].between) == ("more than 50", "44 to more than 50")


def test_curves_are_drawn_at_their_numbers() -> None:
    found = efficiency()
    with drawing(LIGHT):
        figure = draw_efficiency(found, CHANCE, ROPE, LIGHT)
    accuracy, gain = figure.axes
    curves = {line.get_gid(): line for line in accuracy.lines}
    for gid, curve, colour in (
        ("pretrained", found.pretrained, LIGHT.pretrained),
        ("random", found.random, LIGHT.random),
    ):
        assert list(curves[gid].get_xdata()) == LABELS
        assert list(curves[gid].get_ydata()) == [each.value for each in curve]
        assert curves[gid].get_color() == colour
    bands = [np.concatenate([path.vertices for path in band.get_paths()]) for band in accuracy.collections]
    for band, curve in zip(bands, (found.random, found.pretrained), strict=True):
        assert set(band[:, 1]) == {end for each in curve for end in (each.low, each.high)}
    ends = [list(line.get_ydata()) for line in gain.lines if line.get_gid() == "interval"]
    assert ends == [[each.low, each.high] for each in found.gain]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]
    assert [label.get_text() for label in accuracy.get_xticklabels()] == [str(label) for label in LABELS]


@pytest.mark.parametrize(
    ("needed", "labels", "end", "words"),
    [
        (34.2, LABELS, 34.2, "5 → 34 labels"),
        (None, LABELS, None, "5 → more than 50 labels"),
        (None, [7], None, "7 → more than 7 labels"),
        (3.0, LABELS, None, None),
    ],
)
def test_the_arrow_ends_where_the_random_arm_is_as_accurate(
    needed: float | None, labels: list[int], end: float | None, words: str | None
) -> None:
    found = efficiency(labels, dict.fromkeys(labels, (needed, 1.0, None)))
    with drawing(LIGHT):
        figure = draw_efficiency(found, CHANCE, ROPE, LIGHT)
    axes = figure.axes[0]
    arrows = [text for text in axes.texts if text.get_gid() == "labels saved"]
    assert [text.get_text() for text in axes.texts if text.get_text()] == ([words] if words else [])
    assert len(arrows) == bool(words)
    for arrow in arrows:
        level = found.pretrained[0 if len(labels) == 1 else 2].value
        assert arrow.xy == (end or pytest.approx(axes.get_xlim()[1]), level)
