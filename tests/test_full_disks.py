"""A disk that is full, or that cannot be written: one line, and nothing that is half-written.

The disk is a real one, a tmpfs of some kilobytes, where the system lets this process mount one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from small_project import ROOT, set_params
from trajprobe import cli

SIZE = 512  # KB of the disk
UNWRITABLE = "/sys/trajprobe"  # not even root can make a file there


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here, so a full disk is not tested")
    try:
        yield folder
    finally:
        os.chdir(ROOT)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, kilobytes: int) -> None:
    """Leave this much free."""
    free = os.statvfs(folder)
    with (folder / "filler").open("wb") as filler:
        filler.write(bytes(free.f_bavail * free.f_frsize - kilobytes * 1024))


def one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends with 1."""
    monkeypatch.setattr(sys, "argv", ["trajprobe", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    said = capsys.readouterr().err.splitlines()
    assert caught.value.code == 1, said
    assert said[-1].startswith("error: ")
    assert not [line for line in said if "Traceback" in line]
    return said[-1]


def project(folder: Path) -> Path:
    """The few files that the first stages read."""
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    for name in ("data/sources/synthetic", "models/placeholder"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("weights", "*.npz"))
    set_params(folder, {"encoders": ["placeholder"], "synthesis.per_class": 100})
    rows = (f"i{item},{'ab'[item % 2]},{t},{t * item},{t * t}" for item in range(400) for t in range(4))
    (folder / "tracks.csv").write_text("id,label,t,x,y\n" + "\n".join(rows) + "\n")
    return folder


COMMANDS = (["trajectories"], ["fetch", "placeholder"], ["import", "tracks.csv", "--name", "mine"])


@pytest.mark.parametrize("kilobytes", [0, 8, 60])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    kilobytes: int, disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With some room the first of two outputs is written, whole; the second is not begun."""
    project(disk)
    fill(disk, kilobytes)
    monkeypatch.chdir(disk)
    before = {path for path in disk.rglob("*") if path.is_file()}
    for arguments in COMMANDS[:1] if kilobytes else COMMANDS:
        assert "No space left" in one_line(monkeypatch, capsys, *arguments)
    left = {path for path in disk.rglob("*") if path.is_file()} - before
    assert left <= {disk / "data/quarantine.csv"}


@pytest.mark.parametrize("variable", ["TRAJPROBE_CACHE", "HOME"])
def test_a_cache_or_a_home_that_cannot_be_written(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project(tmp_path)
    shutil.copytree(ROOT / "models/cifar_resnet20", folder / "models/cifar_resnet20")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TRAJPROBE_CACHE", raising=False)
    monkeypatch.delenv("TRAJPROBE_MIRROR", raising=False)
    monkeypatch.setenv(variable, UNWRITABLE)
    said = one_line(monkeypatch, capsys, "fetch", "cifar_resnet20")
    assert UNWRITABLE in said
    assert "TRAJPROBE_CACHE" in said
    assert not (folder / "models/cifar_resnet20/weights").exists()


def test_a_repository_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path))
    monkeypatch.setattr("trajprobe.core.paths.TRAJECTORIES", Path(UNWRITABLE, "trajectories.parquet"))
    assert "cannot write" in one_line(monkeypatch, capsys, "trajectories")
