"""Long tables: shuffled rows, other column names, CSV and Parquet all give the set that was taken apart (oracle: the
paths themselves); what cannot be a set is told in one line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.errors import UserError
from trajprobe.params.source_card import Columns
from trajprobe.trajectories.long import read_long
from trajprobe.trajectories.parsed import Parsed, parse

COLUMNS = Columns()


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
    return parse(labels, points, times=times, item_ids=ids, groups=groups, splits=splits), rows


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
    assert read_long(tmp_path / "a.parquet", COLUMNS, ",", 1.0).digest() == expected.digest()
    pa.csv.write_csv(table, tmp_path / "a.csv")
    assert read_long(tmp_path / "a.csv", COLUMNS, ",", 1.0).digest() == expected.digest()


def read(
    path: Path, text: str, columns: Columns = COLUMNS, separator: str = ",", step: float = 1.0
) -> Parsed:
    (path / "a.csv").write_text(text, encoding="utf-8")
    return read_long(path / "a.csv", columns, separator, step)


def test_other_names_another_separator_and_more_columns(tmp_path: Path) -> None:
    columns = Columns(id="track", t="frame", x="px", y="py", label="behaviour")
    text = "frame;speed;track;behaviour;py;px\n2;9;7;run;4;3\n1;9;7;run;2;1\n1;9;007;sit;0;5\n"
    parsed = read(tmp_path, text, columns, ";")
    assert parsed.item_ids == ["7", "007"]
    assert parsed.labels == ["run", "sit"]
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [2, 2]])
    np.testing.assert_array_equal(parsed.times[0], [0, 1])


def test_without_times_the_order_of_the_rows_counts(tmp_path: Path) -> None:
    parsed = read(tmp_path, "id,x,y,label\na,0,0,k\nb,9,9,l\na,5,1,k\nb,8,8,l\na,3,2,k\n", step=0.5)
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
        parsed = read_long(file, COLUMNS, ",", 1.0)
        assert parsed.item_ids == ["10", "9"]
        assert parsed.classes == ["3", "11"]


def test_an_items_rows_must_agree(tmp_path: Path) -> None:
    rows = ["a,0,0,k,g", "a,1,1,l,g", "b,0,0,k,g", "b,1,1,k,h", "c,0,0,k,g"]
    parsed = read(tmp_path, "\n".join(["id,x,y,label,group", *rows, ""]))
    assert parsed.defects == {0: "more than one label", 1: "more than one group"}


def test_empty_cells_are_left_to_the_validation(tmp_path: Path) -> None:
    parsed = read(tmp_path, "id,t,x,y,label\na,0,1,1,k\na,1,,2,k\nb,0,1,1,\nb,,2,2,\n")
    assert np.isnan(parsed.points[0][1, 0])
    assert parsed.labels[1] == ""
    assert np.isnan(parsed.times[1][1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,t,x,label\na,0,0,k\n", r"needs a column 'y' \(y\); known: id, label, t, x"),
        ("ID,t,x,y,labels\na,0,0,0,k\n", r"needs a column 'id' \(id\)"),
        ("id,t,x,y,labels\na,0,0,0,k\n", r"needs a column 'label' \(label\); did you mean labels"),
        ("id,t,x,y,label\na,0,zero,0,k\n", "column 'x' must hold numbers"),
        ("id,t,x,y,label\na,noon,0,0,k\n", "column 't' must hold numbers"),
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


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(UserError, match="cannot be read as a table"):
            read_long(tmp_path / name, COLUMNS, ",", 1.0)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot be read as a table"):
        read_long(tmp_path / "a.parquet", COLUMNS, ",", 1.0)
