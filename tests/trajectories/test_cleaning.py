"""The rules of a card: padding is length, gaps are refused, filled, cut or lifted strokes, labels that say nothing are
missing; and every change leaves a note. Oracle: the paths before they were padded, cut or turned."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.artifacts.source_card import FileCard, NpzCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources.cleaning import clean
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse

NAN = np.nan


def card(**rules: Any) -> FileCard:
    base = {"name": "mine", "summary": "s", "format": "npz", "files": [{"file": "a.npz"}]}
    return validate(NpzCard, base | rules, "card")


def cleaned(points: list[Any], rules: dict[str, Any] | None = None, **fields: Any) -> Parsed:
    arrays = [np.array(path, np.float64) for path in points]
    given = card(**(rules or {}))
    return parse(
        clean(Raw(fields.pop("labels", ["a"] * len(points)), arrays, **fields), given), given.time_step
    )


def line(*xs: float) -> list[list[float]]:
    return [[x, 2 * x + 1] for x in xs]


def test_labels_that_say_nothing_are_missing_and_counted() -> None:
    labels = ["NA", "nan", "None", "", " N/A ", "null", "?", "NAN", "nano", "0"]
    parsed = cleaned([line(0, 1)] * 10, labels=labels)
    assert parsed.labels == [""] * 8 + ["nano", "0"]
    assert parsed.classes == ["0", "nano"]
    (note,) = parsed.notes
    assert note.startswith("labels: 8 items have none (NA 1, nan 1, None 1, empty 1")
    named = cleaned([line(0, 1)] * 2, {"classes": {"None": "rest", "b": "b"}}, labels=["None", "nan"])
    assert named.labels == ["None", ""]


@pytest.mark.parametrize("filler", [NAN, 0.0])
@given(lengths=st.lists(st.integers(2, 8), min_size=2, max_size=6), dimension=st.sampled_from([2, 3]))
def test_padding_is_length(filler: float, lengths: list[int], dimension: int) -> None:
    lengths[0] = 6  # so that one path has at least two zeros
    rng = np.random.default_rng(0)
    paths = [rng.uniform(1, 2, (length, dimension)) for length in lengths]
    padded = np.full((len(paths), 8, dimension), filler)
    for whole, path in zip(padded, paths, strict=True):
        whole[: len(path)] = path
    parsed = cleaned(list(padded), rectangular=True)
    expected = parse(Raw(["a"] * len(paths), paths))
    assert parsed.digest() == expected.digest()
    short = sum(length < 8 for length in lengths)
    word = "zeros" if filler == 0 else "missing points"
    assert any(note.startswith(f"padding: {short} item") and word in note for note in parsed.notes)


def test_zeros_at_the_end_are_points_where_nothing_shows_padding() -> None:
    home = [*line(1, 2), [0, 0]]
    assert len(cleaned([home, line(1, 2, 3)], rectangular=True).points[0]) == 3
    padded = [[*line(1, 2), [0, 0]], [*line(1), [0, 0], [0, 0]]]
    assert [len(path) for path in cleaned(padded, rectangular=True).points] == [2, 1]
    assert [len(path) for path in cleaned(padded).points] == [3, 3]
    assert [len(path) for path in cleaned(padded, {"zeros": "keep"}, rectangular=True).points] == [3, 3]
    still = cleaned([[[0, 0]] * 3, [*line(1), [0, 0], [0, 0]]], rectangular=True)
    assert [len(path) for path in still.points] == [3, 1]


def test_zeros_within_a_path_are_warned_of_or_missing() -> None:
    lost = [*line(1, 2), [0, 0], *line(4, 5)]
    for quiet in (line(1, 2, 3), [[0, 0], *line(1, 2)], [[0, 0], [0, 0], *line(1)], [[0, 1], [1, 0], [0, 2]]):
        assert cleaned([quiet]).notes == []
    (note,) = cleaned([line(1, 2), lost], item_ids=["p", "q"]).notes
    assert note.startswith("warning: 1 item has points that are exactly zero within the path, first q;")
    assert cleaned([lost], {"zeros": "keep"}).notes == []
    filled = cleaned([lost], {"zeros": "missing", "gaps": "interpolate"})
    np.testing.assert_allclose(filled.points[0], np.array(line(1, 2, 3, 4, 5)) - line(1), rtol=1e-6)
    (note,) = cleaned([[*line(1, 2), [0, 0], [0, 0]]]).notes  # a tracker that lost the object at the end
    assert "exactly zero" in note


GAP = [*line(0, 1), [NAN, 5], [NAN, NAN], *line(6, 8, 9)]
CLOCK = np.array([0, 1, 2, 4, 6, 8, 9.0])


def test_a_gap_stays_where_no_policy_treats_it() -> None:
    parsed = cleaned([GAP])
    assert np.isnan(parsed.points[0][2:4, 0]).all()
    assert len(parsed.points[0]) == 7


def test_gaps_are_filled_linearly_in_time() -> None:
    parsed = cleaned([GAP], {"gaps": "interpolate"}, times=[CLOCK])
    np.testing.assert_allclose(parsed.points[0], np.array(line(*CLOCK)) - line(0), rtol=1e-6)
    assert parsed.notes == ["gaps: 1 item has 2 missing points inside; filled linearly in time"]
    by_index = cleaned([[*line(0), [NAN, NAN], *line(2)]], {"gaps": "interpolate"})
    np.testing.assert_allclose(by_index.points[0][1], [1, 2])


def test_longer_gaps_than_allowed_stay() -> None:
    short = [*line(0), [NAN, NAN], *line(2)]
    parsed = cleaned([GAP, short], {"gaps": "interpolate:1"})
    assert np.isnan(parsed.points[0]).any()
    assert not np.isnan(parsed.points[1]).any()
    assert not np.isnan(cleaned([GAP], {"gaps": "interpolate:2"}).points[0]).any()


def test_gaps_cut_a_path_into_items_of_one_group() -> None:
    lonely = [*line(0, 1), [NAN, NAN], *line(3), [NAN, NAN], *line(5, 6)]
    parsed = cleaned(
        [GAP, line(0, 1), lonely],
        {"gaps": "split"},
        labels=["a", "b", "c"],
        item_ids=["p", "q", "r"],
        groups=["", "", "g"],
        splits=["train", "test", "test"],
        times=[CLOCK, np.arange(2.0), np.arange(7.0)],
        defects={2: "odd"},
    )
    assert parsed.item_ids == ["p/1", "p/2", "q", "r/1", "r/2"]
    assert parsed.labels == ["a", "a", "b", "c", "c"]
    assert parsed.groups == ["p", "p", "", "g", "g"]
    assert parsed.splits == ["train", "train", "test", "test", "test"]
    assert parsed.defects == {3: "odd", 4: "odd"}
    np.testing.assert_array_equal(parsed.times[1], [0, 2, 3])
    np.testing.assert_array_equal(parsed.points[1], np.array(line(6, 8, 9)) - line(6))
    assert parsed.notes == [
        "gaps: 2 items have gaps; cut into 4 items, grouped by the uncut one; 1 pieces of one point dropped"
    ]
    assert cleaned([GAP], {"gaps": "split"}).item_ids == ["000000/1", "000000/2"]
    dust = [*line(0), [NAN, NAN], *line(2)]
    assert len(cleaned([dust], {"gaps": "split"}).points) == 1  # nothing to keep: the validation refuses it


def test_missing_points_at_the_ends_shorten_the_path() -> None:
    parsed = cleaned([[[NAN, NAN], *line(1, 2), [NAN, 0]]], times=[np.array([0, 3, 5, 9.0])])
    np.testing.assert_array_equal(parsed.times[0], [0, 2])
    assert parsed.notes == ["padding: 1 item has missing points at an end; left out, so paths are shorter"]
    assert cleaned([[[NAN, NAN]] * 3]).points[0].shape == (0, 2)


@pytest.mark.parametrize("policy", ["interpolate", "split", "strokes"])
def test_repeated_time_stamps_are_dropped_by_a_policy(policy: str) -> None:
    times = [np.array([0, 1, 1, 2.0])]
    parsed = cleaned([line(0, 1, 7, 2)], {"gaps": policy}, times=times)
    np.testing.assert_array_equal(parsed.points[0], np.array(line(0, 1, 2)) - line(0))
    np.testing.assert_array_equal(parsed.times[0], [0, 1, 2])
    assert "gaps: 1 points that repeat a time stamp were dropped" in parsed.notes
    assert len(cleaned([line(0, 1, 7, 2)], times=times).points[0]) == 4


def test_a_gap_can_be_a_lifted_pen() -> None:
    parsed = cleaned([GAP, line(0, 1)], {"gaps": "strokes", "time_step": 0.5})
    assert parsed.strokes is not None
    np.testing.assert_array_equal(parsed.strokes[0], [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(parsed.strokes[1], [0, 0])
    np.testing.assert_array_equal(parsed.times[0], [0, 0.5, 2, 2.5, 3])  # the gap takes its time
    assert cleaned([line(0, 1)], {"gaps": "strokes"}).strokes is None


def test_a_stroke_column_counts_its_changes() -> None:
    numbers = [np.array([7, 7, 3, 3, 7])]
    parsed = cleaned([line(0, 1, 2, 3, 4)], strokes=numbers)
    assert parsed.strokes is not None
    np.testing.assert_array_equal(parsed.strokes[0], [0, 0, 1, 1, 2])
    both = cleaned([[*line(0, 1), [NAN, NAN], *line(3, 4)]], {"gaps": "strokes"}, strokes=numbers)
    assert both.strokes is not None
    np.testing.assert_array_equal(both.strokes[0], [0, 0, 1, 2])
    assert parsed.digest() != cleaned([line(0, 1, 2, 3, 4)]).digest()


@pytest.mark.parametrize(
    ("up", "of_up"),
    [("x", [1, 0, 0]), ("-x", [-1, 0, 0]), ("y", [0, 1, 0]), ("-y", [0, -1, 0]), ("-z", [0, 0, -1])],
)
def test_the_axis_that_points_up_becomes_z_by_a_rotation(up: str, of_up: list[int]) -> None:
    # The last point is the unit vector that points up in the file.
    axes = np.vstack([np.zeros(3), np.eye(3), of_up])
    (turned,) = cleaned([axes], {"up": up}).points
    np.testing.assert_array_equal(turned[4], [0, 0, 1])
    assert np.linalg.det(turned[1:4]) == pytest.approx(1)
    np.testing.assert_allclose(turned[1:4] @ turned[1:4].T, np.eye(3))


def test_flat_data_have_no_axis_that_points_up() -> None:
    with pytest.raises(
        UserError, match="up: y is for 3-D data, and there are 2-D paths; for those name y_axis"
    ):
        cleaned([line(0, 1)], {"up": "y"})


def test_paths_of_another_form_are_left_to_the_validation() -> None:
    odd = [np.zeros(3), np.zeros((2, 2))]
    given = card(gaps="strokes")
    parsed = parse(clean(Raw(["a", "a"], odd, times=[np.arange(3.0), np.arange(9.0)]), given))
    assert [path.shape for path in parsed.points] == [(3,), (2, 2)]
