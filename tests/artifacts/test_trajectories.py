"""data/trajectories.parquet: what is written is what is read (hypothesis), byte-identical when written again and in
another process, with the columns of the contract."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from trajprobe.artifacts import trajectories as table
from trajprobe.artifacts.trajectories import TrajectorySet, read_items, read_trajectories, write_trajectories
from trajprobe.core.errors import UserError


def make(lengths: list[int], dimension: int = 3, names: str = "ab", seed: int = 0) -> TrajectorySet:
    rng = np.random.default_rng(seed)
    count = len(lengths)
    return TrajectorySet(
        item_ids=[f"item{i}" for i in range(count)],
        labels=[names[i % len(names)] for i in range(count)],
        groups=[f"g{i // 2}" for i in range(count)],
        splits=["train" if i % 2 else "test" for i in range(count)],
        times=[np.sort(rng.random(n)) for n in lengths],
        points=[rng.standard_normal((n, dimension)).astype(np.float32) for n in lengths],
        classes=list(reversed(names)),
        source="mine",
        digest="d" * 64,
        y_axis="down",
    )


def assert_same(one: TrajectorySet, other: TrajectorySet) -> None:
    for field in ("item_ids", "labels", "groups", "splits", "classes", "source", "digest", "y_axis"):
        assert getattr(one, field) == getattr(other, field)
    for field, kind in (("times", np.float64), ("points", np.float32)):
        assert len(getattr(one, field)) == len(getattr(other, field))
        for a, b in zip(getattr(one, field), getattr(other, field), strict=True):
            assert b.dtype == kind
            assert_array_equal(a, b)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(2, 9), min_size=1, max_size=30),
    st.sampled_from([2, 3]),
    st.integers(1, 40),
    st.text(min_size=2, max_size=5).filter(lambda text: text.isprintable() and len(set(text)) == len(text)),
)
def test_what_is_written_is_what_is_read(
    tmp_path: Path, lengths: list[int], dimension: int, at_once: int, names: str
) -> None:
    trajectories = make(lengths, dimension, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "POINTS_AT_ONCE", at_once)  # from one item a row group to all in one
        write_trajectories(trajectories, tmp_path / "t.parquet")
    assert_same(trajectories, read_trajectories(tmp_path / "t.parquet"))
    items = read_items(tmp_path / "t.parquet")
    for field in ("item_ids", "labels", "groups", "splits", "classes"):
        assert getattr(items, field) == getattr(trajectories, field)


def test_the_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    write_trajectories(make([3, 2], 2), tmp_path / "t.parquet")
    written = pq.read_table(tmp_path / "t.parquet")
    assert {field.name: str(field.type) for field in written.schema} == {
        "item_id": "string",
        "label": "string",
        "group": "string",
        "split": "string",
        "time": "list<element: double>",
        "points": "list<element: list<element: float>>",
    }
    row = written.slice(1, 1).to_pylist()[0]
    assert row["item_id"] == "item1"
    assert len(row["time"]) == len(row["points"]) == 2
    assert len(row["points"][0]) == 2
    assert json.loads(written.schema.metadata[b"trajprobe"]) == {
        "classes": ["b", "a"],
        "digest": "d" * 64,
        "source": "mine",
        "y_axis": "down",
    }


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "POINTS_AT_ONCE", 10)
    write_trajectories(make([4, 4, 4, 20, 3, 3]), tmp_path / "t.parquet")
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [2, 1, 1, 2]


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from trajprobe.artifacts.trajectories import *;"
        "write_trajectories(read_trajectories(sys.argv[1]), sys.argv[2])"
    )
    write_trajectories(make([3, 7, 5]), tmp_path / "a.parquet")
    for seed in ("1", "2"):
        arguments = [sys.executable, "-c", code, str(tmp_path / "a.parquet"), str(tmp_path / seed)]
        subprocess.run(arguments, env={"PYTHONHASHSEED": seed}, check=True)
        assert (tmp_path / seed).read_bytes() == (tmp_path / "a.parquet").read_bytes()


def test_a_missing_file_a_broken_one_and_another_table_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing; `dvc repro trajectories`"):
        read_trajectories(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(UserError, match="is damaged"):
        read_items(tmp_path / "t.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match="was not written by this version"):
        read_items(tmp_path / "t.parquet")


def test_the_digest_of_items_is_of_their_joined_ids() -> None:
    # printf 'a\nb' | sha256sum
    assert (
        table.items_digest(["a", "b"]) == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
    )
    assert table.items_digest(["b", "a"]) != table.items_digest(["a", "b"])
