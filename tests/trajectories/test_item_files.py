"""A folder of one file per item, packed: CSV and JSON files give the set they were written from, whatever says the
labels; what does not fit is one line that names the file."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trajprobe.artifacts.source_card import FilesCard
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources import item_files
from trajprobe.trajectories.sources.item_files import pack
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.sources.reading import read_source

RNG = np.random.default_rng(0)
PATHS = [np.round(RNG.standard_normal((3 + i % 4, 3)), 3) for i in range(6)]
CLOCKS = [np.round(np.cumsum(RNG.random(len(path)) + 0.01), 3) for path in PATHS]
LABELS = ["walk", "run", "walk", "run", "walk", "run"]


def read(folder: Path, **rules: Any) -> Parsed:
    archive = folder.with_suffix(".zip")
    pack(folder, archive)
    base = {"name": "mine", "summary": "s", "format": "files", "files": [{"file": "a.zip"}]}
    return read_source(validate(FilesCard, base | rules, "card"), [archive])[0]


def table(number: int, head: str = "time,x,y,z", sep: str = ",") -> str:
    rows = np.column_stack([CLOCKS[number], PATHS[number]]).tolist()
    return "\n".join([head.replace(",", sep), *(sep.join(map(repr, row)) for row in rows), ""])


def fill(folder: Path, name: str = "{label}/{number}.csv", text: Any = table) -> Path:
    for number, label in enumerate(LABELS):
        path = folder / name.format(label=label, number=number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(number))
    return folder


def expected(ids: list[str], order: list[int]) -> str:
    items = [(LABELS[i], PATHS[i], CLOCKS[i]) for i in order]
    labels, paths, clocks = (list(column) for column in zip(*items, strict=True))
    return parse(Raw(labels, paths, clocks, ids)).digest()


BY_FOLDER = [1, 3, 5, 0, 2, 4]  # run before walk
FOLDER_IDS = [f"{LABELS[i]}/{i}" for i in BY_FOLDER]


def test_tables_in_folders_that_are_their_labels(tmp_path: Path) -> None:
    folder = fill(tmp_path / "data")
    (folder / ".hidden.csv").write_text("x")
    (folder / "notes.md").write_text("no trajectory")
    parsed = read(folder)
    assert parsed.digest() == read(folder, label_from="folder").digest() == expected(FOLDER_IDS, BY_FOLDER)
    assert "labels: from the folder of each file" in parsed.notes
    assert any(note.startswith("time: column 'time', numbers, taken as seconds") for note in parsed.notes)


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(fill(tmp_path / name), tmp_path / f"{name}.zip")
    assert sha256(tmp_path / "one.zip") == sha256(tmp_path / "two.zip")


def test_labels_from_names_columns_and_dialects(tmp_path: Path) -> None:
    ids = [f"{label}_{number}" for number, label in enumerate(LABELS)]
    order = sorted(range(6), key=ids.__getitem__)
    want = expected([ids[i] for i in order], order)
    by_name = fill(tmp_path / "name", "{label}_{number}.csv")
    assert read(by_name, label_from=r"name:(\w+)_\d+").digest() == want
    other = fill(tmp_path / "tab", "{label}_{number}.txt", lambda i: table(i, "Time;X;Y;Z").replace(",", ";"))
    assert read(other, label_from=r"name:([a-z]+)").digest() == want

    def labelled(i: int) -> str:
        first, *rows = table(i).splitlines()
        return "\n".join([f"{first},label", *(f"{row},{LABELS[i]}" for row in rows)])

    parsed = read(fill(tmp_path / "column", "{label}_{number}.csv", labelled))
    assert parsed.digest() == want
    assert "labels: from a column of each file" in parsed.notes
    bare = fill(tmp_path / "bare", "{label}_{number}.csv", lambda i: table(i).partition("\n")[2])
    assert read(bare, header=["t", "x", "y", "z"], label_from=r"name:([a-z]+)").digest() == want


def test_compressed_files(tmp_path: Path) -> None:
    folder = fill(tmp_path / "data")
    for path in list(folder.rglob("*.csv")):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read(folder).digest() == expected(FOLDER_IDS, BY_FOLDER)


def content(number: int, **more: Any) -> str:
    return json.dumps({"class": LABELS[number], "positions": PATHS[number].tolist(), **more})


def test_json_files_with_a_class(tmp_path: Path) -> None:
    parsed = read(fill(tmp_path / "data", "{number:03d}.json", content))
    assert parsed.item_ids == [f"{number:03d}" for number in range(6)]
    assert parsed.labels == LABELS
    for path, original in zip(parsed.points, PATHS, strict=True):
        np.testing.assert_allclose(path, original - original[0], atol=1e-6)
    assert "time: none in the files; points 1 s apart" in parsed.notes
    assert "labels: from the key 'class' of each file" in parsed.notes


def test_json_files_with_times_groups_and_another_key(tmp_path: Path) -> None:
    def text(i: int) -> str:
        more = {
            "kind": i % 3,
            "times": CLOCKS[i].tolist(),
            "group": f"s{i % 2}",
            "split": ["train", "test"][i % 2],
        }
        return content(i, **more)

    folder = fill(tmp_path / "data", "{number}.json", text)
    parsed = read(folder, label_from="key:kind", time_unit="ms")
    assert parsed.labels == ["0", "1", "2", "0", "1", "2"]
    assert parsed.groups == ["s0", "s1"] * 3
    assert parsed.splits == ["train", "test"] * 3
    np.testing.assert_allclose(parsed.times[1], (CLOCKS[1] - CLOCKS[1][0]) / 1000)
    assert read(folder, no_time=True).times[0][1] == 1
    with pytest.raises(UserError, match=r"0.json: needs a key 'kynd' \(label\); did you mean kind"):
        read(folder, label_from="key:kynd")


def test_points_as_objects_and_missing_ones(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name, points in (
        ("a", [{"x": 0, "y": 1}, {"x": 2, "y": None}, {"x": 3, "y": 3}]),
        ("b", [[0, 1], None, [3, 3]]),
    ):
        (tmp_path / f"data/{name}.json").write_text(json.dumps({"label": name, "points": points}))
    parsed = read(tmp_path / "data", gaps="interpolate")
    np.testing.assert_allclose(parsed.points[0], [[0, 0], [2, 1], [3, 2]])
    np.testing.assert_allclose(parsed.points[1], [[0, 0], [1.5, 1], [3, 2]])


@pytest.mark.parametrize(
    ("files", "rules", "message"),
    [
        ({"a.csv": "t,x,y\n0,0,0\n", "b.json": "{}"}, {}, "contains both JSON and text tables"),
        ({"a.csv": "t,x,y\n0,0,0\n"}, {}, "its files have no label and lie in one folder; .* --label-from"),
        ({"a.csv": "x,y\n0,0\n"}, {"label_from": "folder"}, "a.zip: has no time column"),
        (
            {"a.csv": "t,x,y\n0,0,0\n", "b.csv": "t,y,x\n0,0,0\n"},
            {},
            "b.csv: must have the columns of the first file, 't,x,y'",
        ),
        ({"a.csv": "t,x,y\n0,0,0\n", "b.csv": "t,x,y\n"}, {}, "b.csv: has no rows"),
        (
            {"a.csv": "t,x,y\n0,0,0\n"},
            {"label_from": "key:class"},
            "key:class is for JSON files; a text table has a column",
        ),
        (
            {"a.csv": "t,x,y\n0,0,0\n"},
            {"label_from": r"name:(\d+)"},
            r"a.csv: its name does not fit the pattern",
        ),
        ({"a.csv": "0,1,2\n0,0,0\n"}, {"label_from": "folder"}, "a.csv: has no header row"),
        ({"a.json": "{"}, {}, "a.json: is not JSON"),
        ({"a.json": "[1]"}, {}, "a.json: needs a key 'positions'"),
        (
            {"a.json": '{"points": [[1, 2], [3]]}'},
            {"label_from": "folder"},
            "a.json: points must be a list of",
        ),
        (
            {"a.json": '{"points": [[[1, 2], [3, 4]]]}'},
            {"label_from": "folder"},
            "a.json: points must be a list of",
        ),
        (
            {"a.json": '{"points": [[1, 2]], "t": 5}'},
            {"label_from": "folder"},
            "a.json: t must be a list of times",
        ),
        ({"a.json": '{"points": 3}'}, {"label_from": "folder"}, "a.json: points must be a list of"),
        ({"a.csv": b"\x00\x01"}, {}, "a.csv: cannot be read as text"),
    ],
)
def test_each_mistake_is_one_clear_line(
    files: dict[str, Any], rules: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    for name, text in files.items():
        (tmp_path / "a" / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / "a", **rules)
    assert "\n" not in str(error.value)


def test_an_empty_folder_a_broken_archive_and_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=r"contains no .csv, .* files, one for each trajectory or video"):
        read(tmp_path / "a")
    card = validate(
        FilesCard, {"name": "m", "summary": "s", "format": "files", "files": [{"file": "a.zip"}]}, "card"
    )
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a.zip: cannot be read as .zip"):
        read_source(card, [tmp_path / "a.zip"])
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "0" * 10**6)
    monkeypatch.setattr(item_files, "LARGEST", 1000)
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        read_source(card, [tmp_path / "a.zip"])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3):  # none of them by itself
            archive.writestr(f"{number}.csv.gz", gzip.compress(b"0" * 300_000))
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        read_source(card, [tmp_path / "a.zip"])


def test_files_in_blanks_without_a_header_and_with_ids_of_their_own(tmp_path: Path) -> None:
    bare = fill(tmp_path / "bare", "{label}/{number}.txt", lambda i: table(i, sep=" ").partition("\n")[2])
    assert read(bare, header=["t", "x", "y", "z"]).digest() == expected(FOLDER_IDS, BY_FOLDER)

    def with_id(i: int) -> str:
        first, *rows = table(i).splitlines()
        return "\n".join([f"id,{first}", *(f"7,{row}" for row in rows)])

    parsed = read(fill(tmp_path / "own", text=with_id))
    assert parsed.digest() == expected(FOLDER_IDS, BY_FOLDER)
    assert "columns: id is (file); t is time" in parsed.notes
