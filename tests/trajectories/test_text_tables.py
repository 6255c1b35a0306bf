"""UEA/sktime .ts files and row tables: files written here from known paths come back as those paths; what the formats
allow and trajprobe does not is refused in one line that names the line of the file."""

from pathlib import Path

import numpy as np
import pytest

from trajprobe.artifacts.source_card import RowsCard, TsCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.sources.row_table import guess_layout

PATHS = [np.random.default_rng(i).integers(-50, 50, (3 + i, 3)) / 8 for i in range(4)]
LABELS = ["walk", "sit down", "walk", "sit down"]
HEAD = "# a comment\n@problemName Moves\n@timestamps false\n@univariate false\n@classLabel true sit_down walk\n@data\n"


def read_ts(path: Path, dimensions: list[int] | None, time_step: float, **rules: object) -> Parsed:
    content = {"name": "mine", "summary": "s", "format": "ts", "files": [{"file": "a.ts"}]} | rules
    card = TsCard.model_validate(content | {"dimensions": dimensions, "time_step": time_step})
    return read_source(card, [path])[0]


def read_row_table(path: Path, card: RowsCard) -> Parsed:
    return read_source(card, [path])[0]


def ts(path: Path, body: str, head: str = HEAD, dimensions: list[int] | None = None) -> Parsed:
    (path / "a.ts").write_text(head + body, encoding="utf-8")
    return read_ts(path / "a.ts", dimensions, 0.5)


def case(path: np.ndarray, label: str) -> str:
    return ":".join(",".join(map(str, axis)) for axis in path.T) + f":{label}\n"


def test_ts_cases_come_back_as_paths(tmp_path: Path) -> None:
    body = "".join(case(path, label.replace(" ", "_")) for path, label in zip(PATHS, LABELS, strict=True))
    parsed = ts(tmp_path, body + "\n# done\n")
    assert parsed.labels == ["walk", "sit_down", "walk", "sit_down"]
    assert parsed.classes == ["sit_down", "walk"]
    assert not parsed.defects
    for path, clock, original in zip(parsed.points, parsed.times, PATHS, strict=True):
        np.testing.assert_array_equal(path, (original - original[0]).astype(np.float32))
        np.testing.assert_array_equal(clock, np.arange(len(original)) / 2)


def test_ts_dimensions_can_be_picked(tmp_path: Path) -> None:
    parsed = ts(tmp_path, case(PATHS[0], "walk"), dimensions=[2, 0])
    np.testing.assert_array_equal(parsed.points[0], (PATHS[0] - PATHS[0][0])[:, [2, 0]].astype(np.float32))
    with pytest.raises(
        UserError,
        match=r"line 7: has 3 dimensions, but the card picks number 3 \(counted from 0, so .* last is 2\)",
    ):
        ts(tmp_path, case(PATHS[0], "walk"), dimensions=[0, 3])


def test_ts_items_that_do_not_hold_together_are_defects(tmp_path: Path) -> None:
    parsed = ts(tmp_path, "1,2,3:4,5:walk\n1,2,5:3,?,5:walk\n1,2:3,4:fly\n")
    assert parsed.defects == {0: "series of 3 and 2 values", 2: "label 'fly' is not in the @classLabel line"}
    assert np.isnan(parsed.points[1][1, 1])


@pytest.mark.parametrize(
    ("head", "body", "message"),
    [
        (
            HEAD,
            "1,2,3:walk\n",
            "line 7: has 1 dimensions, required 2 or 3; a path needs at least two series",
        ),
        (
            HEAD,
            "1:2:3:4:walk\n",
            "line 7: has 4 dimensions, required 2 or 3; say which are x.*--dimensions 0,1,2",
        ),
        (HEAD, "1,2:3,x:walk\n", "line 7: could not convert string to float"),
        (HEAD, "", "has no cases after @data"),
        (
            HEAD.replace("false\n@uni", "true\n@uni"),
            "(0,1):(0,2):walk\n",
            "has timestamps, which are not supported",
        ),
        (HEAD.replace("@classLabel true sit_down walk", "@classLabel false"), "1:2\n", "has no class labels"),
        (
            HEAD.replace("@classLabel true sit_down walk", "@targetLabel true"),
            "1:2:3\n",
            "has no class labels",
        ),
        ("x,y,label\n", "1,2,a\n", "has no @data line; is it a .ts file"),
    ],
)
def test_ts_mistakes_are_one_clear_line(head: str, body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        ts(tmp_path, body, head)


def test_ts_that_is_not_text_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"cannot be read as text"):
        read_ts(tmp_path / "a.ts", None, 1.0)


def rows_card(**layout: object) -> RowsCard:
    base = {
        "name": "mine",
        "summary": "a test",
        "format": "rows",
        "files": [{"file": "a.txt"}],
        "time_step": 0.5,
    }
    return RowsCard.model_validate(base | layout)


def rows(path: Path, text: str, **layout: object) -> Parsed:
    (path / "a.txt").write_bytes(text.encode())
    return read_row_table(path / "a.txt", rows_card(**layout))


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("1 2 3 4 5 6 a\r\n0 0 1 1 2 2 b\r\n", {"separator": "blank"}),
        ("1, 2, 3, 4, 5, 6, a\n0,0,1,1,2,2,b\n\n", {"separator": "comma"}),
        ("  1,  2  3,4 5 6 a\n0,0,1,1,2,2,b", {"separator": "either"}),
        ("a,1,2,3,4,5,6\nb,0,0,1,1,2,2\n", {"label": "first"}),
        ("1,3,5,2,4,6,a\n0,1,2,0,1,2,b\n", {"layout": "axes"}),
        ("x1,y1,x2,y2,x3,y3,label\n1,2,3,4,5,6,a\n0,0,1,1,2,2,b\n", {"skip_lines": 1}),
        ("\ufeff1 2 3 4 5 6 a\n0 0 1 1 2 2 b\n", {}),
    ],
)
def test_all_layouts_of_a_row_table_are_one_set(text: str, layout: dict, tmp_path: Path) -> None:
    parsed = rows(tmp_path, text, **layout)
    assert parsed.labels == ["a", "b"]
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [2, 2], [4, 4]])
    np.testing.assert_array_equal(parsed.times[0], [0, 0.5, 1])


def test_rows_in_three_dimensions(tmp_path: Path) -> None:
    for text, layout in (("1 2 3 4 6 8 a", "points"), ("1 4 2 6 3 8 a", "axes")):
        parsed = rows(tmp_path, text, dimensions=3, layout=layout)
        np.testing.assert_array_equal(parsed.points[0], [[0, 0, 0], [3, 4, 5]])


def test_published_rows_become_splits(tmp_path: Path) -> None:
    parsed = rows(tmp_path, "0 0 1 1 a\n0 0 1 2 b\n0 0 1 3 a\n", test_rows=[2, 0])
    assert parsed.splits == ["test", "train", "test"]


@pytest.mark.parametrize(
    ("text", "layout", "message"),
    [
        ("1 2 3 4 a\n1 2 a\n", {}, "line 2: has 2 numbers beside the label; required 4 as in the first row"),
        ("1 2 3 a\n", {}, "line 1: has 3 numbers .* a multiple of 2"),
        ("1 2 3 4 a\n1 2 3 x a\n", {}, "line 2: could not convert string to float: 'x'"),
        ("\n\n", {}, "has no rows of data"),
        ("a\n", {}, "line 1: has 0 numbers"),
        ("1 2 3 4 a\n", {"test_rows": [1]}, "test_rows in the card: must be different row numbers below 1"),
        ("1 2 3 4 a\n1 2 3 4 a\n", {"test_rows": [1, 1]}, "must be different row numbers below 2"),
    ],
)
def test_row_mistakes_are_one_clear_line(text: str, layout: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        rows(tmp_path, text, **layout)


def test_rows_that_are_not_text_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as text"):
        read_row_table(tmp_path / "absent.txt", rows_card())


def test_ts_headers_in_any_case_and_missing_values(tmp_path: Path) -> None:
    head = HEAD.replace("@classLabel true", "@ClassLabel TRUE").replace(
        "@timestamps false", "@timeStamps FALSE"
    )
    parsed = ts(tmp_path, "1,2,?:3,4,NaN:walk\n1,?,3:3,4,5:?\n", head)
    assert parsed.labels == ["walk", ""]
    assert parsed.defects == {}
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [1, 1]])  # padding of a shorter series
    assert np.isnan(parsed.points[1][1, 0])
    with pytest.raises(UserError, match="has timestamps"):
        ts(tmp_path, "1:2:walk\n", HEAD.replace("@timestamps false", "@timestamps TRUE"))


def test_ts_with_more_series_says_which_it_takes(tmp_path: Path) -> None:
    body = "".join(case(np.repeat(path, 2, axis=1), "walk") for path in PATHS)
    with pytest.raises(
        UserError, match=r"has 6 dimensions, .* by --dimensions, for example --dimensions 0,1,2"
    ):
        ts(tmp_path, body)
    parsed = ts(tmp_path, body, dimensions=[1, 3, 5])
    assert "dimensions: series 1, 3, 5 of 6, counted from 0" in parsed.notes
    expected = ts(tmp_path, "".join(case(path, "walk") for path in PATHS))
    assert parsed.digest() == expected.digest()


def test_ts_without_labels_takes_those_of_a_second_file(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", ["walk", "sit_down"])
    head = HEAD.replace("@classLabel true sit_down walk", "@classLabel false")
    (tmp_path / "a.ts").write_text(head + "1,2:3,4\n5,7:6,8\n")
    content = {
        "name": "m",
        "summary": "s",
        "format": "ts",
        "files": [{"file": "a.ts"}],
        "label_file": {"file": "l"},
    }
    parsed, _ = read_source(TsCard.model_validate(content), [tmp_path / "a.ts", tmp_path / "labels.npy"])
    assert parsed.labels == ["walk", "sit_down"]
    np.testing.assert_array_equal(parsed.points[1], [[0, 0], [2, 2]])


def test_missing_cells_of_a_row_are_missing_points(tmp_path: Path) -> None:
    parsed = rows(tmp_path, "0 0 1 1 NaN NaN a\n0 0 NA 1 2 2 b\n")
    assert len(parsed.points[0]) == 2
    assert np.isnan(parsed.points[1][1, 0])


@pytest.mark.parametrize(
    ("line", "layout"),
    [
        ("1 2 3 4 5 6 7 8 a", {"separator": "either", "label": "last", "dimensions": 2}),
        ("1,2,3,4,5,6,7,8,9", {"separator": "comma", "label": "last", "dimensions": 2}),
        ("a,1,2,3,4,5,6,7,8,9", {"separator": "comma", "label": "first", "dimensions": 3}),
        (" 47,100, 27, 81, 57, 37, 26,  0, 8", {"separator": "either", "label": "last", "dimensions": 2}),
        ("1 2 3 4 5 6 7 8 9 10 11 12 a", {"separator": "either", "label": "last"}),  # 2-D or 3-D
        ("1 2 3 4 5 6 a", {}),
        ("id t x y z label group split stroke", {}),
        ("1 2 3 4 b 6 7 8 a", {}),
        ("", {}),
    ],
)
def test_the_layout_of_a_row_table_is_guessed(line: str, layout: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text(f"{line}\n{line}\n")
    assert guess_layout(tmp_path / "a.data") == layout
    (tmp_path / "a.data").write_text(f"{line}\n{line} 3\n")
    assert guess_layout(tmp_path / "a.data") == {}
