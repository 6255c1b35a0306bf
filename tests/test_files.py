"""Atomic writing: after any failure the old state stands, whole, and nothing else lies beside it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from trajprobe.files import atomic, keep_only, sha256, write_json


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


def test_a_folder_replaces_a_folder_as_a_whole(tmp_path: Path) -> None:
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


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "f") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_only_files_of_the_same_suffix_are_strangers(tmp_path: Path) -> None:
    for name in ("ours.json", "theirs.json", ".gitignore"):
        (tmp_path / name).write_text("")
    keep_only([tmp_path / "ours.json", tmp_path / "missing.json"])
    assert listing(tmp_path) == {"ours.json": "", ".gitignore": ""}


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path: Path) -> None:
    target = tmp_path / "out"
    writer = "import sys, time; from trajprobe.files import atomic\nwith atomic(sys.argv[1]) as t:\n"
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
