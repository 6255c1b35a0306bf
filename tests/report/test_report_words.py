"""Numbers as words, held against hand-written examples; labels, against the properties that an axis needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.report.style import DARK, LIGHT, THEMES, legible, short
from trajprobe.report.words import bare, counted, p_value, percent, points


@pytest.mark.parametrize(
    ("value", "signed", "unsigned"),
    [(0.193, "+19.3", "19.3"), (-0.02, "−2.0", "−2.0"), (0.0, "0.0", "0.0"), (-0.0002, "0.0", "0.0")],
)
def test_points(value: float, signed: str, unsigned: str) -> None:
    assert points(value) == signed
    assert bare(value) == unsigned


def test_percent() -> None:
    assert percent(0.8637) == "86.4 %"
    assert percent(0.95, 0) == "95 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [(2e-300, "< 0.001"), (0.0, "< 0.001"), (0.0312, "0.031"), (0.242, "0.24"), (1.0, "1.00")],
)
def test_p_value(value: float, text: str) -> None:
    assert p_value(value) == text


def test_counted() -> None:
    assert [counted(1, "class"), counted(1200, "class"), counted(2, "clip")] == [
        "1 class",
        "1,200 classes",
        "2 clips",
    ]


def test_long_labels_keep_both_ends() -> None:
    assert short(["a_very_long_name_of_a_class_1", "a_very_long_name_of_a_class_2"], 11) == [
        "a_ver…ass_1",
        "a_ver…ass_2",
    ]


def test_labels_that_would_be_equal_or_cannot_be_drawn_are_numbered() -> None:
    assert short(["aaaaXbbbb", "aaaaYbbbb", "c"], 7) == ["class #1", "class #2", "c"]
    assert short(["軌跡", "line", ""], 10, "layer") == ["layer #1", "line", "layer #3"]


def test_a_label_that_reads_like_a_number_does_not_clash() -> None:
    assert short(["class #2", "軌跡"], 20) == ["class #1", "class #2"]


def test_a_question_mark_is_a_letter_like_any_other() -> None:
    assert short(["???", "straight\n line"], 20) == ["???", "straight line"]


@given(st.lists(st.text(max_size=30), max_size=8, unique=True), st.integers(8, 24))
def test_labels_stay_distinct_and_fit(labels: list[str], width: int) -> None:
    shown = short(labels, width, "x")
    assert len(set(shown)) == len(shown) == len(labels)
    assert all(0 < len(label) <= width and "\n" not in label for label in shown)


def test_text_contrasts_with_any_colour_beneath_it() -> None:
    assert legible((1, 1, 1), LIGHT) == LIGHT.ink
    assert legible((0, 0, 0.2), LIGHT) == LIGHT.surface
    assert legible((1, 1, 0, 1), DARK) == DARK.surface
    assert [theme.name for theme in THEMES] == ["light", "dark"]
