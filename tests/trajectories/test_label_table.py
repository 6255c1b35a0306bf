"""Labels from a second file: by id in any order and spelling of numbers, or in the order of the items."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trajprobe.artifacts.source_card import CARDS, FileCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources.label_table import LabelTable
from trajprobe.trajectories.sources.parsed import Parsed, Raw
from trajprobe.trajectories.sources.reading import read_source

TABLE = "track,t,x,y\n" + "".join(f"{track},{t},{t},{track}\n" for track in (7, 8, 9) for t in range(2))


def read(path: Path, labels: str | Path, form: str = "long", **rules: Any) -> Parsed:
    main = path / ("a.csv" if form == "long" else "a.npy")
    if form == "long":
        main.write_text(TABLE)
        rules = {"columns": {"id": "track"}} | rules
    else:
        np.save(main, np.random.default_rng(0).standard_normal((3, 4, 2)))
    if isinstance(labels, str):
        (path / "labels.csv").write_text(labels)
        labels = path / "labels.csv"
    content = {
        "name": "mine",
        "summary": "s",
        "format": form,
        "files": [{"file": "a"}],
        "label_file": {"file": "b"},
    }
    card = validate(CARDS[form], content | rules, "card")
    assert isinstance(card, FileCard)
    return read_source(card, [main, labels])[0]


@pytest.mark.parametrize("name", ["id", "ID", "track", " Track "])
def test_rows_are_joined_by_id(name: str, tmp_path: Path) -> None:
    parsed = read(tmp_path, f"{name};Label;group;split\n9;c;g;test\n007;a;g;train\n8;b;h;train\n")
    assert parsed.labels == ["a", "b", "c"]
    assert parsed.groups == ["g", "h", "g"]
    assert parsed.splits == ["train", "train", "test"]
    assert "labels: from labels.csv" in parsed.notes


def test_items_and_labels_without_a_partner(tmp_path: Path) -> None:
    parsed = read(tmp_path, "id,label\n7,a\n8,b\n80,z\n")
    assert parsed.labels == ["a", "b", ""]
    assert "labels: 1 of 3 items are not in labels.csv (9)" in parsed.notes
    assert "labels: 1 of 3 ids in labels.csv have no item (80)" in parsed.notes
    assert "labels: 1 items have none (empty 1)" in parsed.notes


def test_arrays_and_parquet(tmp_path: Path) -> None:
    for labels in (np.array(["a", "b", "a"]), np.array([b"a", b"b", b"a"]), np.array([1.0, 2.0, 1.0])):
        np.save(tmp_path / "labels.npy", labels)
        text = ["1", "2", "1"] if labels.dtype.kind == "f" else ["a", "b", "a"]
        assert read(tmp_path, tmp_path / "labels.npy", "npz").labels == text
    np.savez(tmp_path / "labels.npz", other=1, labels=["a", "b", "c"])
    assert read(tmp_path, tmp_path / "labels.npz", "npz").labels == ["a", "b", "c"]
    pq.write_table(pa.table({"id": [2, 1, 0], "label": ["c", "b", "a"]}), tmp_path / "labels.parquet")
    assert read(tmp_path, tmp_path / "labels.parquet", "npz").labels == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("id,kind\n7,a\n", "labels.csv: needs a column 'label'"),
        ("who,label\n7,a\n", "labels.csv: needs a column 'id'"),
        ("id,label\n7,a\n7,b\n", "has several rows for the id '7'"),
        ("id,label\nu,a\n", "no id of the items is in it; theirs are like '7', its like 'u'"),
    ],
)
def test_each_mistake_is_one_clear_line(labels: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path, labels)


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    for labels, message in (
        (["a"], "one label for each of the 3 items, got 1"),
        (np.eye(3), "labels of shape"),
    ):
        np.save(tmp_path / "labels.npy", labels)
        with pytest.raises(UserError, match=message):
            read(tmp_path, tmp_path / "labels.npy", "npz")
    (tmp_path / "labels.parquet").write_bytes(b"no table")
    with pytest.raises(UserError, match=r"labels.parquet: cannot be read as a table"):
        read(tmp_path, tmp_path / "labels.parquet", "npz")


def test_ids_are_files_and_last_parts_of_paths(tmp_path: Path) -> None:
    raw = Raw([""] * 4, [np.zeros((2, 2))] * 4, item_ids=["a/p1", "b/p1", "b/p2", "c/007"])
    card = validate(
        CARDS["npz"], {"name": "m", "summary": "s", "format": "npz", "files": [{"file": "a"}]}, "card"
    )
    assert isinstance(card, FileCard)
    (tmp_path / "who.csv").write_text("id,label\nb/p1.json,x\np1,no\np2.csv.gz,y\n7,z\n")
    labelled = LabelTable(tmp_path / "who.csv", card).apply(raw, of_all=True)
    assert labelled.labels == ["", "x", "y", "z"]
    assert labelled.notes == [
        "labels: 1 of 4 items are not in who.csv (a/p1)",
        "labels: 1 of 4 ids in who.csv have no item (p1)",
        "labels: from who.csv",
    ]
    half = LabelTable(tmp_path / "who.csv", card).apply(raw, of_all=False)
    assert half.notes == ["labels: 1 of 4 items are not in who.csv (a/p1)", "labels: from who.csv"]


@pytest.mark.parametrize(
    ("item", "written"),
    [
        ("12", ["12", "012", "12.0", "Track_12", "track12", "TRACK-12", " 12 "]),
        ("Track_12", ["12", "12.0", "Track_12", "track_012"]),
        (
            "mouse1",
            ["mouse1", "Mouse1", "mouse1.csv", "mouse1.mp4", "mouse1DLC_resnet50_openAug1shuffle1_5000.csv"],
        ),
        ("a/mouse1", ["mouse1", "a/mouse1", "A/Mouse1.csv", "mouse1.analysis.h5"]),
        ("day 1/12", ["day1.mp4/12", "day1/Track_12", "12", "12.0"]),
        ("pair/female", ["female", "pair.csv/female", "pairDLC_dlcrnetms5_xshuffle1_100_el.csv/female"]),
    ],
)
def test_an_id_in_any_spelling(item: str, written: list[str], tmp_path: Path) -> None:
    raw = Raw([""] * 2, [np.zeros((2, 2))] * 2, item_ids=[item, "other"])
    card = validate(
        CARDS["npz"], {"name": "m", "summary": "s", "format": "npz", "files": [{"file": "a"}]}, "card"
    )
    assert isinstance(card, FileCard)
    for spelling in written:
        (tmp_path / "who.csv").write_text(f"id,label\n{spelling},x\nelse,y\n")
        assert LabelTable(tmp_path / "who.csv", card).apply(raw, of_all=True).labels == ["x", ""], spelling


def test_an_id_that_several_rows_can_be_is_none_of_them(tmp_path: Path) -> None:
    raw = Raw([""] * 2, [np.zeros((2, 2))] * 2, item_ids=["012", "7"])
    card = validate(
        CARDS["npz"], {"name": "m", "summary": "s", "format": "npz", "files": [{"file": "a"}]}, "card"
    )
    assert isinstance(card, FileCard)
    (tmp_path / "who.csv").write_text("id,label\n12,x\nTrack_12,y\n7,z\nTrack_7,u\n")
    labelled = LabelTable(tmp_path / "who.csv", card).apply(raw, of_all=True)
    assert labelled.labels == ["", "z"]
    assert "labels: 1 of 2 items are not in who.csv (012)" in labelled.notes
    assert "labels: 3 of 4 ids in who.csv have no item (12, Track_12, Track_7)" in labelled.notes
