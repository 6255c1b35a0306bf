"""Labels of axes stay distinct, fit and can be drawn; text contrasts with the colour beneath it."""

from hypothesis import given
from hypothesis import strategies as st

from trajprobe.plot.style import legible, short
from trajprobe.plot.theme import DARK, LIGHT, THEMES


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
