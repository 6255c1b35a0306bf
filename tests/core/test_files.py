"""Atomic writing: after any failure the old state stands, whole, and nothing else lies beside it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trajprobe.core import files
from trajprobe.core.files import atomic, sha256, write_json


def listing(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_appears_whole_in_a_folder_that_was_missing(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    with atomic(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert listing(tmp_path) == {"a/b.txt": "new"}


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_failure_leaves_the_old_state(as_folder: bool, tmp_path: Path) -> None:
    target = tmp_path / "out"
    if as_folder:
        target.mkdir()
        (target / "x").write_text("old")
    else:
        target.write_text("old")
    before = listing(tmp_path)
    with pytest.raises(ZeroDivisionError), atomic(target) as temporary:
        if as_folder:
            temporary.mkdir()
            (temporary / "x").write_text("half")
        else:
            temporary.write_text("half")
        raise ZeroDivisionError
    assert listing(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_replaces_a_folder_as_a_whole(
    in_one_step: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_one_step:  # a system that cannot exchange two folders
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    target = tmp_path / "out"
    target.mkdir()
    (target / "stale").write_text("old")
    with atomic(target) as temporary:
        temporary.mkdir()
        (temporary / "fresh").write_text("new")
    assert listing(tmp_path) == {"out/fresh": "new"}


def test_json_keeps_the_order_of_keys_and_refuses_nan(tmp_path: Path) -> None:
    target = tmp_path / "m.json"
    write_json(target, {"b": 1, "a": "é"})
    assert list(json.loads(target.read_text())) == ["b", "a"]
    assert "é" in target.read_text()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(target, {"a": float("nan")})
    assert json.loads(target.read_text())["b"] == 1


def test_numpy_values_are_plain_json_and_other_objects_are_refused_by_name(tmp_path: Path) -> None:
    target = tmp_path / "m.json"
    values = {"a": np.int64(2), "b": [np.float32(0.5), np.bool_(True)], "c": np.arange(3), "d": np.str_("x")}
    write_json(target, values)
    assert json.loads(target.read_text()) == {"a": 2, "b": [0.5, True], "c": [0, 1, 2], "d": "x"}
    with pytest.raises(TypeError, match=r"m\.json: JSON cannot hold a set"):
        write_json(target, {"a": {1}})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(target, {"a": np.float32("nan")})
    assert json.loads(target.read_text())["a"] == 2


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "f") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GRACE", 0.0)
    target = tmp_path / "out"
    writer = "import sys, time; from trajprobe.core.files import atomic\nwith atomic(sys.argv[1]) as t:\n"
    writer += "    t.write_text('half'); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", writer, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with atomic(target) as temporary:
            temporary.write_text("first")
        assert len(list(tmp_path.glob(".out.*.part"))) == 1
        process.kill()
    with atomic(target) as temporary:
        temporary.write_text("second")
    assert listing(tmp_path) == {"out": "second"}


def test_a_scratch_folder_without_a_lock_is_left_alone_while_it_is_new(tmp_path: Path) -> None:
    scratch = tmp_path / ".out.abc.part"
    scratch.mkdir()
    with atomic(tmp_path / "out") as temporary:
        temporary.write_text("new")
    assert scratch.is_dir()


def test_a_link_in_place_of_a_scratch_folder_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "GRACE", 0.0)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("kept")
    (tmp_path / ".out.abc.part").symlink_to(tmp_path / "precious")
    with atomic(tmp_path / "out") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "precious/file").read_text() == "kept"
