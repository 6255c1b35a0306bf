"""Long tables: shuffled rows, other column names, CSV and Parquet all give the set that was taken apart (oracle: the
paths themselves); what is not such a table is one line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.artifacts.source_card import Columns, LongCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.sources.reading import read_source

COLUMNS = Columns()


def read_long_table(
    path: Path, columns: Columns, separator: str | None, time_step: float, **rules: Any
) -> Parsed:
    content = {
        "name": "mine",
        "summary": "s",
        "format": "long",
        "files": [{"file": "a.csv"}],
        "time_step": time_step,
    }
    content |= {"columns": columns.model_dump(exclude_unset=True), "separator": separator}
    return read_source(validate(LongCard, content | rules, "card"), [path])[0]


def taken_apart(lengths: list[int], dimension: int, seed: int) -> tuple[Parsed, dict[str, list]]:
    """A set and its long table, rows in the order of the set."""
    rng = np.random.default_rng(seed)
    points = [rng.standard_normal((n, dimension)) for n in lengths]
    times = [np.cumsum(rng.random(n) + 0.01) for n in lengths]
    labels = [f"kind {i % 3}" for i in range(len(lengths))]
    groups = [f"s{i % 2}" for i in range(len(lengths))]
    splits = [["train", "test"][i % 2] for i in range(len(lengths))]
    ids = [f"{i:03d}" for i in range(len(lengths))]
    rows: dict[str, list] = {name: [] for name in ("id", "t", *"xyz"[:dimension], "label", "group", "split")}
    for item, path, clock, label, group, split in zip(
        ids, points, times, labels, groups, splits, strict=True
    ):
        for point, instant in zip(path, clock, strict=True):
            values = [item, instant, *point, label, group, split]
            for column, value in zip(rows.values(), values, strict=True):
                column.append(value)
    return parse(Raw(labels, points, times, ids, groups, splits)), rows


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.sampled_from([2, 3]), st.integers(0, 99))
def test_shuffled_rows_come_together(tmp_path: Path, lengths: list[int], dimension: int, seed: int) -> None:
    expected, rows = taken_apart(lengths, dimension, seed)
    table = pa.table(rows)
    # Items keep the order of their first rows, so the first row of each stays in place and all others are shuffled.
    firsts = np.cumsum([0, *lengths[:-1]])
    others = np.setdiff1d(np.arange(len(table)), firsts)
    table = table.take([*firsts, *np.random.default_rng(seed).permutation(others)])
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_long_table(tmp_path / "a.parquet", COLUMNS, ",", 1.0).digest() == expected.digest()
    pa.csv.write_csv(table, tmp_path / "a.csv")
    assert read_long_table(tmp_path / "a.csv", COLUMNS, ",", 1.0).digest() == expected.digest()


def read(
    path: Path,
    text: str,
    columns: Columns = COLUMNS,
    separator: str | None = None,
    step: float = 1.0,
    **rules: Any,
) -> Parsed:
    (path / "a.csv").write_text(text, encoding="utf-8")
    return read_long_table(path / "a.csv", columns, separator, step, **rules)


def test_other_names_another_separator_and_more_columns(tmp_path: Path) -> None:
    columns = Columns(id="track", t="frame", x="px", y="py", label="behaviour")
    text = "frame;speed;track;behaviour;py;px\n2;9;7;run;4;3\n1;9;7;run;2;1\n1;9;007;sit;0;5\n"
    parsed = read(tmp_path, text, columns, ";")
    assert parsed.item_ids == ["7", "007"]
    assert parsed.labels == ["run", "sit"]
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [2, 2]])
    np.testing.assert_array_equal(parsed.times[0], [0, 1])


def test_without_times_the_order_of_the_rows_counts(tmp_path: Path) -> None:
    text = "id,x,y,label\na,0,0,k\nb,9,9,l\na,5,1,k\nb,8,8,l\na,3,2,k\n"
    parsed = read(tmp_path, text, step=0.5, no_time=True)
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [5, 1], [3, 2]])
    np.testing.assert_array_equal(parsed.times[0], [0, 0.5, 1])


def test_timestamps_become_seconds(tmp_path: Path) -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    steps = [timedelta(seconds=0), timedelta(milliseconds=1250), timedelta(days=1)]
    lines = [f"a,{(start + step).isoformat()},{i},0,k" for i, step in enumerate(steps)]
    parsed = read(tmp_path, "\n".join(["id,t,x,y,label", *lines, ""]))
    np.testing.assert_allclose(parsed.times[0], [0, 1.25, 86400])


def test_numbers_as_ids_and_labels_in_parquet(tmp_path: Path) -> None:
    for labels in ([3, 3, 11, 11], pa.array(["3", "3", "11", "11"]).dictionary_encode()):
        table = pa.table({"id": [10, 10, 9, 9], "x": [0, 1, 0, 2], "y": [0.0, 0, 0, 0], "label": labels})
        file = tmp_path / "label=other" / "a.parquet"  # a folder's name is no column
        file.parent.mkdir(exist_ok=True)
        pq.write_table(table, file)
        parsed = read_long_table(file, COLUMNS, ",", 1.0, no_time=True)
        assert parsed.item_ids == ["10", "9"]
        assert parsed.classes == ["3", "11"]


def test_an_items_rows_must_agree(tmp_path: Path) -> None:
    rows = ["a,0,0,k,g", "a,1,1,l,g", "b,0,0,k,g", "b,1,1,k,h", "c,0,0,k,g"]
    parsed = read(tmp_path, "\n".join(["id,x,y,label,group", *rows, ""]), no_time=True)
    assert parsed.defects == {0: "more than one label", 1: "more than one group"}


def test_empty_cells_are_left_to_the_validation(tmp_path: Path) -> None:
    parsed = read(tmp_path, "id,t,x,y,label\na,0,1,1,k\na,1,,2,k\na,2,3,3,k\nb,0,1,1,\nb,,2,2,\n")
    assert np.isnan(parsed.points[0][1, 0])
    assert parsed.labels[1] == ""
    assert np.isnan(parsed.times[1][1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,t,x,label\na,0,0,k\n", r"needs a column 'y' \(y\); known: id, label, t, x"),
        ("item,t,x,y,labels\na,0,0,0,k\n", r"needs a column 'id' \(id\)"),
        ("id,t,x,y,labels\na,0,0,0,k\n", r"needs a column 'label' \(label\); did you mean labels"),
        ("id,t,x,y,label\na,0,zero,0,k\n", "column 'x' must contain numbers"),
        ("id,t,x,y,label\na,noon,0,0,k\n", "column 't' must contain numbers"),
        ("id,t,x,y,label\n", "has no rows"),
        ("", "cannot be read as a table"),
        ("id,t,x,y,label\na,0,0\n", "cannot be read as a table"),
    ],
)
def test_each_mistake_is_one_clear_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_a_column_that_the_card_names_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs a column 'subject' \(group\)"):
        read(tmp_path, "id,t,x,y,label\na,0,0,0,k\n", Columns(group="subject"))


def test_a_missing_or_broken_file_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(UserError, match="cannot be read as"):
            read_long_table(tmp_path / name, COLUMNS, ",", 1.0)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read as a table"):
        read_long_table(tmp_path / "a.parquet", COLUMNS, ",", 1.0)


@pytest.mark.parametrize(
    "name", ["t", "T", "time", "Time", " frame", "Frame", "FRAME", "POSITION_T", "Position_t", "timestamp"]
)
def test_a_time_column_is_recognised(name: str, tmp_path: Path) -> None:
    # The file that was read as t = 0 ... 17: its gaps count, and its order does not.
    instants = [0, 1, 2, 3, 4, 8, *range(9, 21)]
    rows = [f"p, {t},{t * t},{-t},k" for t in reversed(instants)]
    parsed = read(tmp_path, "\n".join([f"ID,{name},X,y ,Label", *rows, ""]))
    np.testing.assert_array_equal(parsed.times[0], instants)
    np.testing.assert_array_equal(parsed.points[0][:, 0], np.square(instants))
    (note,) = (note for note in parsed.notes if note.startswith("time:"))
    assert note.startswith(f"time: column {name.strip()!r}, numbers, taken as seconds")


def test_a_table_without_a_time_column_names_the_candidates(tmp_path: Path) -> None:
    text = "id,step,x,y,label,speed\na,0,0,0,k,1\na,1,5,1,k,1\n"
    with pytest.raises(UserError, match=r"no time column; if it is one of step, speed, .*t=NAME.* --no-time"):
        read(tmp_path, text)
    parsed = read(tmp_path, text, no_time=True)
    assert "time: none (--no-time); points in the order of the rows, 1 s apart" in parsed.notes
    assert read(tmp_path, text, Columns(t="step")).digest() == parsed.digest()


def test_of_several_time_columns_the_first_known_one_counts(tmp_path: Path) -> None:
    parsed = read(tmp_path, "id,frame,time,x,y,label\na,0,0,0,0,k\na,1,0.5,5,1,k\n")
    np.testing.assert_array_equal(parsed.times[0], [0, 0.5])
    assert "columns: not used: frame" in parsed.notes


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,t,x,x,label", r"2 columns can be 'x' \('x', 'x'\); rename or remove all but one"),
        ("id,t,X,x ,label", r"needs a column 'y'"),
        ("id,t, X,x x,label", r"needs a column 'y'"),
        ("id,t,Y,y y,label", r"needs a column 'x'"),
        ("id,T, t,x,y,label", None),
        ("id,T,T,x,y,label", r"2 columns can be 't'"),
    ],
)
def test_duplicate_columns_are_refused_by_name(header: str, message: str | None, tmp_path: Path) -> None:
    row = ",".join(["1"] * len(header.split(",")))
    if message is None:
        read(tmp_path, f"{header}\n{row}\n")  # the exact name goes before others
        return
    with pytest.raises(UserError, match=message):
        read(tmp_path, f"{header}\n{row}\n")


def test_several_columns_make_the_id(tmp_path: Path) -> None:
    rows = [f"{video},{track},{t},{t},{track},k" for video in "uv" for track in (1, 2) for t in range(3)]
    text = "\n".join(["video,id,t,x,y,label", *rows, ""])
    with pytest.raises(
        UserError,
        match=r"2 of 2 items have several points at one time; ids seem to start again .*: give --id video,id",
    ):
        read(tmp_path, text)
    parsed = read(tmp_path, text, Columns(id=["video", "id"]))
    assert parsed.item_ids == ["u/1", "u/2", "v/1", "v/2"]
    assert [len(path) for path in parsed.points] == [3] * 4
    with pytest.raises(UserError, match="needs a column 'camera'"):
        read(tmp_path, text, Columns(id=["camera", "id"]))


def test_a_repeated_time_stamp_without_another_column_names_its_item(tmp_path: Path) -> None:
    text = "id,t,x,y,label,row\na,0,0,0,k,0\na,1,1,1,k,1\na,1,2,2,k,2\nb,0,0,0,k,3\nb,1,1,1,k,4\n"
    parsed = read(tmp_path, text)
    np.testing.assert_array_equal(parsed.times[0], [0, 1, 1])
    assert len(read(tmp_path, text, gaps="interpolate").points[0]) == 2


def test_missing_values_in_their_spellings(tmp_path: Path) -> None:
    cells = ["NA", "NaN", "None", "", "nan", " null "]
    rows = [f"a,{t},{cell},1,k" for t, cell in enumerate(["0", *cells, "9"])]
    parsed = read(tmp_path, "\n".join(["id,t,x,y,label", *rows, ""]))
    assert np.isnan(parsed.points[0][:, 0]).sum() == len(cells)
    table = {"id": ["a", "a", "b", "b"], "t": [0, 1, 0, 1], "x": [0, 1, 0, 2], "y": [0, 1, None, 2]}
    pq.write_table(pa.table(table | {"label": [1.0, 1.0, None, np.nan]}), tmp_path / "a.parquet")
    parsed = read_long_table(tmp_path / "a.parquet", COLUMNS, None, 1.0)
    assert parsed.labels[1] == ""
    assert len(parsed.points[1]) == 1


def test_a_stroke_column_lifts_the_pen(tmp_path: Path) -> None:
    text = "id,t,x,y,label,stroke\na,0,0,0,k,1\na,1,1,1,k,1\na,2,5,5,k,2\nb,0,0,0,k,1\nb,1,1,1,k,1\n"
    parsed = read(tmp_path, text)
    assert parsed.strokes is not None
    np.testing.assert_array_equal(parsed.strokes[0], [0, 0, 1])
    assert "strokes: the pen is lifted where the stroke column changes" in parsed.notes


def test_one_column_can_have_two_roles(tmp_path: Path) -> None:
    text = "video,id,t,x,y,label\nu,1,0,0,0,k\nu,1,1,1,1,k\nv,1,0,0,0,k\nv,1,1,2,1,k\n"
    columns = Columns(id=["video", "id"], group="video")
    parsed = read(tmp_path, text, columns)
    assert parsed.item_ids == ["u/1", "v/1"]
    assert parsed.groups == ["u", "v"]
    pq.write_table(pa.csv.read_csv(tmp_path / "a.csv"), tmp_path / "a.parquet")
    assert read_long_table(tmp_path / "a.parquet", columns, None, 1.0).digest() == parsed.digest()
