"""Text tables in every dialect: whatever separator, decimal mark, encoding, line end, order and compression a table is
written in, it reads back to the same trajectories (oracle: the set before it was written)."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.artifacts.source_card import LongCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources import text_table
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.sources.reading import read_source


def read(path: Path, content: str | bytes, name: str = "a.csv", **rules: Any) -> Parsed:
    data = content.encode() if isinstance(content, str) else content
    (path / name).write_bytes(data)
    base = {"name": "mine", "summary": "s", "format": "long", "files": [{"file": name}]}
    return read_source(validate(LongCard, base | rules, "card"), [path / name])[0]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}
# How a header names the columns; with the last, time is told by another of its usual names.
HEADERS = {
    "plain": ["id", "t", "x", "y", "label"],
    "upper": ["ID", "T", "X", "Y", "Label"],
    "blank": [" id", "t ", " x ", "y", "label "],
    "frame": ["id", "Frame", "x", "y", "LABEL"],
}
LABELS = st.sampled_from(["walk", "sit down", "Größe", "é;,", 'a "b"', "1"])
NUMBERS = st.floats(-1e4, 1e4, width=32).map(lambda x: 0.0 if x == 0 else float(f"{x:.7g}"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(LABELS, st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=4)),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([",", ";", "\t", "|", ", ", " "]),
    st.sampled_from([".", ","]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(sorted(PACKED)),
    st.sampled_from([*HEADERS, "none"]),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_any_table_in_any_dialect_reads_back(
    tmp_path: Path,
    items: list[tuple[str, list[tuple[float, float]]]],
    separator: str,
    decimal: str,
    encoding: str,
    end: str,
    packing: str,
    header: str,
    quoted: bool,
    order: Random,
) -> None:
    """The rows come in any order, but for the first of each item, as items keep the order of those."""
    if separator.strip() == "" and separator != "\t":
        # Blanks cannot be quoted, nor can other separators be told from them there.
        items = [("".join(mark for mark in label if mark.isalnum()), path) for label, path in items]
    decimal = "." if separator in (",", ", ") else decimal

    def cell(text: str) -> str:
        special = quoted or any(mark in text for mark in (separator.strip() or " ", '"', ",", ";"))
        return '"' + text.replace('"', '""') + '"' if special and separator != " " else text

    rows = [
        [f"p{index}", str(t), repr(x).replace(".", decimal), repr(y).replace(".", decimal), label]
        for index, (label, path) in enumerate(items)
        for t, (x, y) in enumerate(path)
    ]
    later = [row for row in rows if row[1] != "0"]
    order.shuffle(later)
    rows = [row for row in rows if row[1] == "0"] + later
    numbers = cell if quoted else str
    text_rows = [separator.join([*map(numbers, row[:4]), cell(row[4])]) for row in rows]
    names = HEADERS.get(header, HEADERS["plain"])
    if separator == " ":  # blanks in a name would be more columns
        names = [name.strip() for name in names]
    text = end.join([*([separator.join(names)] if header != "none" else []), *text_rows, ""])
    rules = {} if header != "none" else {"header": names}
    parsed = read(tmp_path, PACKED[packing](text.encode(encoding)), **rules)
    expected = parse(
        Raw(
            [label for label, _ in items],
            [np.array(path) for _, path in items],
            item_ids=[f"p{index}" for index in range(len(items))],
        )
    )
    assert parsed.digest() == expected.digest()


TABLE = "id,t,x,y,label\na,0,1,2,k\na,1,3,5,k\n"


def test_zstd_is_unpacked(tmp_path: Path) -> None:
    packed = pa.compress(TABLE.encode(), "zstd", asbytes=True)
    assert read(tmp_path, packed, "a.csv.zst").digest() == read(tmp_path, TABLE).digest()


def test_what_was_found_out_is_noted(tmp_path: Path) -> None:
    parsed = read(
        tmp_path, gzip.compress("id;t;x;y;label;größe\na;0;1,5;2;ä;9\n".encode("cp1252")), "a.csv.gz"
    )
    assert parsed.labels == ["ä"]
    for note in (
        "read: compressed",
        "read: not UTF-8; decoded as Windows-1252",
        "read: cells separated by ;",
        "columns: not used: größe",
    ):
        assert note in parsed.notes
    assert "read: encoded as UTF-16" in read(tmp_path, TABLE.encode("utf-16")).notes


def test_a_table_without_a_header_row_is_refused_with_its_first_line(tmp_path: Path) -> None:
    body = "7,0,1,2,walk\n7,1,3,5,walk\n"
    with pytest.raises(
        UserError,
        match=r"has no header row, as the first line is '7,0,1,2,walk'; name its 5 columns .* --columns id,t,x",
    ):
        read(tmp_path, body)
    parsed = read(tmp_path, body, header=["id", "t", "x", "y", "label"])
    assert parsed.labels == ["walk"]
    np.testing.assert_array_equal(parsed.points[0], [[0, 0], [2, 3]])
    with pytest.raises(UserError, match="has 5 columns, but --columns names 4; first line '7,0,1,2,walk'"):
        read(tmp_path, body, header=["id", "t", "x", "y"])


def test_a_first_row_without_a_header_is_not_taken_for_one(tmp_path: Path) -> None:
    names = ["id", "t", "x", "y", "label"]
    parsed = read(tmp_path, "p,0,1,2,walk\nq,0,3,4,1\np,1,2,2,walk\nq,1,0,0,1\n", header=names)
    assert [len(path) for path in parsed.points] == [2, 2]
    parsed = read(tmp_path, "p,0,NA,,walk\np,1,2,2,walk\np,2,0,0,walk\n", header=names, gaps="interpolate")
    assert len(parsed.points[0]) == 2


def test_given_names_replace_a_header_row(tmp_path: Path) -> None:
    parsed = read(
        tmp_path, TABLE.replace("id,t,x,y,label", "a,b,c,d,e"), header=["id", "t", "x", "y", "label"]
    )
    assert parsed.digest() == read(tmp_path, TABLE).digest()
    assert any("the header row is skipped" in note for note in parsed.notes)


def test_odd_line_ends_and_a_nameless_first_column(tmp_path: Path) -> None:
    expected = read(tmp_path, TABLE).digest()
    assert read(tmp_path, TABLE.replace("\n", "\r")).digest() == expected
    assert read(tmp_path, "\n\n" + TABLE.replace("\n", "\n\n")).digest() == expected
    indexed = "\tid\tt\tx\ty\tlabel\n0\ta\t0\t1\t2\tk\n1\ta\t1\t3\t5\tk\n"  # as pandas writes it
    assert read(tmp_path, indexed).digest() == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01\x02", "cannot be read as text .it contains zero bytes"),
        (b"\x1f\x8b broken", "cannot be read as text"),
        (b"\x28\xb5\x2f\xfd broken", "cannot be read as text"),
        (b"", "cannot be read as a table .it is empty"),
        (b"id,t,x,y,label\na,0,1\n", "cannot be read as a table"),
        (b"id,t,x,y,label\n", "has no rows"),
    ],
)
def test_what_is_no_table_is_one_clear_line(content: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, content)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_table, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"unpacks to more than \d+ bytes"):
        read(tmp_path, gzip.compress(b"0" * 10**6))
