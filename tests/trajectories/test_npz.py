"""NumPy archives: every documented form gives the same set as every other (equal digests), each mistake one clear
line, and hostile or broken archives (pickles, declared shapes, bombs, flipped bytes) nothing worse than that line."""

import contextlib
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trajprobe.artifacts.source_card import NpzCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources import npy_file
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source

RNG = np.random.default_rng(0)
LENGTHS = [3, 5, 2, 4]
RAGGED = [RNG.standard_normal((n, 3)).astype(np.float32) for n in LENGTHS]
TIMES = [np.cumsum(RNG.random(n)) for n in LENGTHS]
LABELS = ["a", "b", "a", "b"]


def read_npz(path: Path, time_step: float, **rules: Any) -> Parsed:
    files = [{"file": path.name}]
    base = {"name": "mine", "summary": "s", "format": "npz", "files": files, "time_step": time_step}
    return read_source(validate(NpzCard, base | rules, "card"), [path])[0]


def objects(arrays: list[np.ndarray]) -> np.ndarray:
    array = np.empty(len(arrays), dtype=object)
    for index, element in enumerate(arrays):
        array[index] = element
    return array


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path / "a.npz", **arrays)
    return path / "a.npz"


def test_all_forms_of_ragged_paths_are_one(tmp_path: Path) -> None:
    forms = [
        {"trajectories": objects(RAGGED), "times": objects(TIMES), "labels": LABELS},
        {
            "trajectories": objects([p.astype(">f8") for p in RAGGED]),
            "times": objects(TIMES),
            "labels": LABELS,
        },
        {
            "points": np.concatenate(RAGGED),
            "lengths": LENGTHS,
            "times": np.concatenate(TIMES),
            "labels": LABELS,
        },
        {
            "points": np.asfortranarray(np.concatenate(RAGGED)),
            "lengths": np.array(LENGTHS, np.uint8),
            "times": objects(TIMES),
            "labels": np.array(LABELS, dtype=object),
        },
        {
            "trajectories": objects(RAGGED),
            "times": objects(TIMES),
            "labels": [0, 1, 0, 1],
            "class_names": ["a", "b"],
        },
        {"trajectories": objects(RAGGED), "times": objects(TIMES), "labels": np.array(LABELS, "S1")},
    ]
    digests = {read_npz(saved(tmp_path, **form), 1.0).digest() for form in forms}
    assert len(digests) == 1
    read = read_npz(saved(tmp_path, **forms[0]), 1.0)
    assert read.item_ids == ["000000", "000001", "000002", "000003"]
    assert (read.labels, read.classes) == (LABELS, ["a", "b"])
    for path, clock, original, instants in zip(read.points, read.times, RAGGED, TIMES, strict=True):
        np.testing.assert_allclose(path, original - original[0], atol=1e-6)
        np.testing.assert_allclose(clock, instants - instants[0])


def test_regular_paths_in_all_their_forms(tmp_path: Path) -> None:
    block = RNG.integers(0, 50, (4, 6, 2))
    forms = [
        {"trajectories": block},
        {"trajectories": block.astype(np.float16)},
        {"trajectories": np.asfortranarray(block)},
        {"trajectories": block.astype(object)},
        {"trajectories": block, "times": np.arange(6) * 0.5 + 3},
        {"trajectories": block, "times": np.tile(np.arange(6) * 0.5, (4, 1))},
    ]
    read = [read_npz(saved(tmp_path, labels=LABELS, **form), 0.5) for form in forms]
    assert len({parsed.digest() for parsed in read}) == 1
    np.testing.assert_array_equal(read[0].times[0], np.arange(6) * 0.5)


def test_compressed_archives_read_alike(tmp_path: Path) -> None:
    plain = read_npz(saved(tmp_path, trajectories=objects(RAGGED), labels=LABELS), 1.0)
    np.savez_compressed(tmp_path / "b.npz", trajectories=objects(RAGGED), labels=LABELS)
    assert read_npz(tmp_path / "b.npz", 1.0).digest() == plain.digest()


def test_ids_groups_splits_and_other_arrays(tmp_path: Path) -> None:
    file = saved(
        tmp_path,
        trajectories=objects(RAGGED),
        labels=[10.0, 9.0, 10.0, 9.0],
        ids=["p", "q", "r", "s"],
        groups=[1, 1, 2, 2],
        splits=["train", "train", "test", "test"],
        camera=np.array([{"anything": print}], dtype=object),
    )
    read = read_npz(file, 1.0)
    assert read.item_ids == ["p", "q", "r", "s"]
    assert read.labels == ["10", "9", "10", "9"]
    assert read.classes == ["9", "10"]
    assert read.groups == ["1", "1", "2", "2"]
    assert read.splits == ["train", "train", "test", "test"]


def test_labels_that_point_nowhere_are_defects_of_their_items(tmp_path: Path) -> None:
    names = {"class_names": ["x", "y"]}
    read = read_npz(saved(tmp_path, trajectories=objects(RAGGED), labels=[0, 2, -1, 1], **names), 1.0)
    assert read.labels == ["x", "2", "-1", "y"]
    assert sorted(read.defects) == [1, 2]
    assert "neither one of class_names nor an index into its 2 entries" in read.defects[1]
    read = read_npz(saved(tmp_path, trajectories=objects(RAGGED), labels=["y", "x", "y", "z"], **names), 1.0)
    assert list(read.defects) == [3]
    read = read_npz(saved(tmp_path, trajectories=objects(RAGGED), labels=[1.0, np.nan, 2.5, 1.0]), 1.0)
    assert read.labels == ["1", "", "2.5", "1"]


BLOCK = np.zeros((4, 5, 2))
MISTAKES = {
    "no labels": ({"trajectories": BLOCK}, "needs an array labels; found trajectories"),
    "no paths": (
        {"labels": LABELS, "x": 1},
        r"needs an array trajectories or points and lengths; found labels \(4,\), x \(\)",
    ),
    "points alone": (
        {"labels": LABELS, "points": BLOCK[0]},
        "needs an array trajectories or points and lengths",
    ),
    "labels short": (
        {"trajectories": BLOCK, "labels": ["a"]},
        "labels: must have one entry for each of the 4 .* got 1",
    ),
    "labels 2-D": (
        {"trajectories": BLOCK, "labels": np.zeros((4, 1))},
        r"labels: must be text .* got float64 of shape",
    ),
    "labels arrays": ({"trajectories": BLOCK, "labels": objects(RAGGED)}, "labels: must be text or numbers"),
    "4 dimensions": (
        {"trajectories": np.zeros((4, 5, 4)), "labels": LABELS},
        r"trajectories: must be .*\(4, 5, 4\)",
    ),
    "one path": ({"trajectories": BLOCK[0], "labels": LABELS}, r"must be numbers of shape \(N, P, 2\)"),
    "text paths": (
        {"trajectories": np.full((4, 5, 2), "x"), "labels": LABELS},
        "trajectories: must be numbers",
    ),
    "objects of text": (
        {"trajectories": objects(["a"] * 4), "labels": LABELS},
        "element 0 must be .* got str",
    ),
    "flat objects": (
        {"trajectories": objects([np.zeros(3)] * 4), "labels": LABELS},
        r"element 0 must be numbers",
    ),
    "no items": ({"trajectories": np.zeros((0, 5, 2)), "labels": []}, "is empty"),
    "no points": (
        {"trajectories": np.zeros((4, 0, 2)), "labels": LABELS},
        r"trajectories: is empty \(shape \(4, 0, 2\)\)",
    ),
    "lengths": (
        {"points": BLOCK[0], "lengths": [1, 2], "labels": ["a", "b"]},
        "lengths: .* sum to the 5 points",
    ),
    "negative lengths": (
        {"points": BLOCK[0], "lengths": [6, -1], "labels": ["a", "b"]},
        "lengths: must be 0 or more",
    ),
    "float lengths": (
        {"points": BLOCK[0], "lengths": [2.0, 3.0], "labels": ["a", "b"]},
        "lengths: must be whole",
    ),
    "points 3-D": (
        {"points": BLOCK, "lengths": [4], "labels": LABELS},
        "lengths: must be 4 numbers from 0 to 5",
    ),
    "times": (
        {"trajectories": BLOCK, "times": np.zeros(4), "labels": LABELS},
        "times: must be seconds of shape",
    ),
    "times objects": (
        {"trajectories": objects(RAGGED), "times": objects(TIMES[:2]), "labels": LABELS},
        "times: must be 4 arrays",
    ),
    "class names": (
        {"trajectories": BLOCK, "labels": [0, 0, 1, 1], "class_names": ["x", "x"]},
        "class_names: must differ",
    ),
    "dates": (
        {"trajectories": BLOCK, "labels": np.array(["2020-01-01"] * 4, "M8[D]")},
        "has the type datetime64",
    ),
    "records": ({"trajectories": BLOCK, "labels": np.zeros(4, [("x", "i4")])}, "labels: has the type"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_each_mistake_is_one_clear_line(case: str, tmp_path: Path) -> None:
    arrays, message = MISTAKES[case]
    with pytest.raises(UserError, match=message) as error:
        read_npz(saved(tmp_path, **arrays), 1.0)
    assert "a.npz" in str(error.value)


def member(path: Path, name: str, header: str, content: bytes, version: bytes = b"\x01\x00") -> Path:
    """An archive with sound labels and one member of any header and content."""
    text = header.encode().ljust(117) + b"\n"
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    with zipfile.ZipFile(path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        labels = io.BytesIO()
        np.save(labels, LABELS)
        archive.writestr("labels.npy", labels.getvalue())
        archive.writestr(f"{name}.npy", b"\x93NUMPY" + version + size + text + content)
    return path / "a.npz"


def header(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


class Runs:
    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def test_a_pickle_in_an_archive_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("trajectories", "labels", "class_names", "ids", "groups", "splits", "times"):
        arrays = {"trajectories": objects(RAGGED), "labels": LABELS, name: objects([Runs(), Runs(), 0, 0])}
        with pytest.raises(UserError, match=f"{name}: refused: it asks for posix.system, which is not data"):
            read_npz(saved(tmp_path, **arrays), 1.0)
    hidden = member(tmp_path, "trajectories", header("(4,)", "'|O'"), pickle.dumps(Runs()))
    with pytest.raises(UserError, match="refused"):
        read_npz(hidden, 1.0)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (header("(1000000000000, 2, 3)"), "needs 48000000000000 bytes, got 16"),
        (header("(4, 1000000000000000000, 0)"), "is empty"),
        (header("(1, -1, 2)"), "is empty"),
        (header("(1, 1, 2)", "'<c16'"), "has the type complex128"),
        (header("(1, 1, 2)", "'<f8, <f8'"), "has the type"),
        (header("(1, 1, 2)", "[('x', 'O')]"), "has the type"),
        (header("(1, 1, 2)", "('<f8', (2,))"), "has the type|cannot be read"),
        (header("(1, 1, 2)", "'no type'"), "cannot be read as .npz"),
        ("__import__('os').system('touch executed')", "cannot be read as .npz"),
        ("{" * 60, "cannot be read as .npz"),
    ],
)
def test_a_header_is_not_believed(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        read_npz(member(tmp_path, "trajectories", text, b"\0" * 16), 1.0)
    assert not (tmp_path / "executed").exists()


def test_versions_of_the_format(tmp_path: Path) -> None:
    sound = RNG.random((4, 2, 2))
    file = member(tmp_path, "trajectories", header("(4, 2, 2)"), sound.tobytes(), b"\x02\x00")
    assert len(read_npz(file, 1.0).points) == 4
    with pytest.raises(UserError, match=r"is an .npy file of version \(9, 0\)"):
        read_npz(member(tmp_path, "trajectories", header("(4, 2, 2)"), sound.tobytes(), b"\x09\x00"), 1.0)


def test_a_bomb_is_refused_before_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npy_file, "BOMB", 10_000)
    with pytest.raises(UserError, match=r"trajectories: unpacks from \d+ to \d+ bytes; refused"):
        read_npz(member(tmp_path, "trajectories", header("(4, 20000, 2)"), b"\0" * 1_280_000), 1.0)


def test_a_file_that_is_no_archive_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a.npz: cannot be read as .npz \(BadZipFile"):
        read_npz(tmp_path / "a.npz", 1.0)
    with pytest.raises(UserError, match=r"cannot be read as .npz"):
        read_npz(tmp_path / "absent.npz", 1.0)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_give_a_line_or_a_set(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(
        saved(tmp_path, trajectories=objects(RAGGED), labels=LABELS, times=objects(TIMES)).read_bytes()
    )
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "b.npz").write_bytes(whole)
    with contextlib.suppress(UserError):
        read_npz(tmp_path / "b.npz", 1.0)


PATHS = RNG.standard_normal((4, 6, 3)).astype(np.float32)
CODES = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    "names",
    [
        ("trajectory_3d", "labels"),
        ("trajectories_3d", "y"),
        ("positions", "targets"),
        ("X", "classes"),
        ("coords", "y"),
        ("anything", "whatever"),
    ],
)
def test_arrays_under_other_names_are_recognised(names: tuple[str, str], tmp_path: Path) -> None:
    expected = read_npz(saved(tmp_path, trajectories=PATHS, labels=CODES), 1.0).digest()
    others = {"videos": np.zeros((4, 2, 3, 3, 3), np.uint8), "weights": np.zeros(4)}
    arrays = dict(zip(names, (PATHS, CODES), strict=True))
    parsed = read_npz(saved(tmp_path, **arrays, **others), 1.0, clips="ignore")
    assert parsed.digest() == expected
    assert any(f"points is {names[0]}" in note for note in parsed.notes)
    assert "arrays: not used: videos, weights" in parsed.notes


def test_where_several_arrays_fit_one_is_named(tmp_path: Path) -> None:
    arrays = {"raw": PATHS + 1, "smooth": PATHS, "kind": CODES, "camera": CODES + 1}
    with pytest.raises(
        UserError, match=r"raw \(4, 6, 3\), smooth .* can be the paths; choose by --array points=raw"
    ):
        read_npz(saved(tmp_path, **arrays), 1.0)
    given = {"points": "smooth"}
    with pytest.raises(
        UserError, match=r"kind \(4,\), camera .* can be the labels; choose by --array labels=kind"
    ):
        read_npz(saved(tmp_path, **arrays), 1.0, arrays=given)
    parsed = read_npz(saved(tmp_path, **arrays), 1.0, arrays=given | {"labels": "kind"})
    assert parsed.digest() == read_npz(saved(tmp_path, trajectories=PATHS, labels=CODES), 1.0).digest()
    with pytest.raises(UserError, match=r"needs an array 'smoth' \(points\); did you mean smooth"):
        read_npz(saved(tmp_path, **arrays), 1.0, arrays={"points": "smoth"})


@pytest.mark.parametrize(
    "labels", [np.eye(2)[CODES], np.eye(2, dtype=bool)[CODES], np.eye(2, dtype=int)[CODES]]
)
def test_one_hot_labels(labels: np.ndarray, tmp_path: Path) -> None:
    assert read_npz(saved(tmp_path, trajectories=PATHS, y=labels), 1.0).labels == ["0", "1", "0", "1"]
    named = read_npz(saved(tmp_path, trajectories=PATHS, labels=labels, classes=["u", "v"]), 1.0)
    assert named.labels == ["u", "v", "u", "v"]
    assert named.classes == ["u", "v"]


def test_layouts_of_an_array(tmp_path: Path) -> None:
    expected = read_npz(saved(tmp_path, trajectories=PATHS, labels=CODES), 1.0).digest()
    turned = read_npz(saved(tmp_path, X=PATHS.transpose(0, 2, 1), y=CODES), 1.0)
    assert turned.digest() == expected
    assert "arrays: X of shape (4, 3, 6) taken as (N, D, P)" in turned.notes
    square = read_npz(saved(tmp_path, trajectories=PATHS[:, :3], labels=CODES), 1.0)
    assert any("taken as (N, P, D), 3 points in each path" in note for note in square.notes)
    objects_ = np.stack([PATHS + 1, PATHS * 2, PATHS], axis=2)
    for choice in ({}, {"object": 3}):
        with pytest.raises(UserError, match=r"has 3 objects in each item, .* choose one by --object 0 to 2"):
            read_npz(saved(tmp_path, X=objects_, y=CODES), 1.0, **choice)
    assert read_npz(saved(tmp_path, X=objects_, y=CODES), 1.0, object=2).digest() == expected


def test_lengths_of_padded_paths(tmp_path: Path) -> None:
    lengths = [2, 6, 3, 4]
    arrays = {"X": PATHS, "lengths": lengths, "y": CODES, "times": np.tile(np.arange(6) ** 2.0, (4, 1))}
    parsed = read_npz(saved(tmp_path, **arrays), 1.0)
    assert [len(path) for path in parsed.points] == [len(clock) for clock in parsed.times] == lengths
    np.testing.assert_array_equal(parsed.times[2], [0, 1, 4])
    with pytest.raises(UserError, match="lengths: must be 4 numbers from 0 to 6"):
        read_npz(saved(tmp_path, **arrays | {"lengths": [2, 7, 3, 4]}), 1.0)


def test_times_in_another_unit(tmp_path: Path) -> None:
    arrays = {"X": PATHS, "y": CODES, "time": np.arange(6) * 40}
    np.testing.assert_allclose(read_npz(saved(tmp_path, **arrays), 1.0, time_unit="ms").times[0][1], 0.04)
    np.testing.assert_allclose(read_npz(saved(tmp_path, **arrays), 1.0, time_unit="20fps").times[0][1], 2)
    np.testing.assert_allclose(read_npz(saved(tmp_path, **arrays), 0.5, time_unit="frames").times[0][1], 20)


def test_a_single_array_needs_labels_from_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PATHS)
    with pytest.raises(UserError, match=r"a.npy: needs an array labels; found points .* --labels FILE"):
        read_npz(tmp_path / "a.npy", 1.0)
    (tmp_path / "b.npy").write_bytes(b"no array")
    with pytest.raises(UserError, match="needs an array trajectories"):
        read_npz(tmp_path / "b.npy", 1.0)


def test_labels_that_are_missing_are_so_in_every_type(tmp_path: Path) -> None:
    for labels in (["a", "NA", "a", "nan"], np.array([b"a", b"None", b"a", b""]), [1.0, np.nan, 1.0, np.nan]):
        parsed = read_npz(
            saved(tmp_path, trajectories=PATHS, labels=labels, class_names=["z", "a", "1"]), 1.0
        )
        assert parsed.labels[1] == parsed.labels[3] == ""
        assert parsed.defects == {}
