"""A disk that is full, a limit on the size of files, a place that cannot be written: one line, nothing half-written.

Held to the bytes of a finished project before the command. The disk is a real one, a tmpfs, where the system lets this
process mount one; the limit is that of `ulimit -f`, which needs no rights. Folders that cannot be written are those of
an ordinary user; root, whom modes do not stop, gives that right up. A last test has a shell in which all is unusual,
and every command works.
"""

import ctypes
import errno
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
from PIL import Image

from small_project import ROOT, command, set_params
from trajprobe import cli
from trajprobe.core.errors import refused_write

SIZE = 32  # MB of the disk
UNWRITABLE = "/sys/trajprobe"  # not even root can make a file there
ENCODER = "placeholder"
PARAMS = {
    "encoders": [ENCODER],
    "synthesis.per_class": 12,
    "render.size": 64,
    "extract.random_inits": 3,
    "probe.folds": 3,
    "probe.repeats": 1,
    "probe.inner_folds": 2,
    "probe.split_halves": 2,
    "probe.l2_grid.count": 4,
    "analyse.label_efficiency": False,
    "analyse.description_length": False,
    "analyse.selectivity": False,
    "plot.clips_per_class": 2,
}
WEIGHTS = f"models/{ENCODER}/weights"
STAGES = (
    ("trajectories",),
    ("render", "--workers", "1"),
    ("fetch", ENCODER),
    ("extract", ENCODER),
    ("controls",),
    ("probe", ENCODER, "--workers", "1"),
    ("probe", "controls", "--workers", "1"),
    ("analyse", ENCODER, "--workers", "1"),
    ("baseline", "kinematics", "--workers", "1"),
    ("compare",),
    ("plot",),
)
MAKING = (
    ("import", "tracks.csv", "--name", "mine"),
    ("pretrain", "soak", "--steps", "1", "--batch", "1"),
    ("preview", "--workers", "1"),
)
STUDY = (("study", "run", "studies/soak.yaml"),)
READING = (
    ("show",),
    ("encoders",),
    ("tidy",),
    ("cache",),
    ("cache", "verify"),
    ("cache", "prune", "--limit", "1"),
)
# What may be new after a failure: pictures that were whole before the one that failed, and a list for git.
WHOLE = re.compile(rf"preview/{ENCODER}(-\d-\w+\.gif|\.png)|models/soak/\.gitignore")


def run(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["trajprobe", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    return int(caught.value.code or 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project in git and DVC after one run of every stage; `cache` beside it is TRAJPROBE_CACHE."""
    project = tmp_path_factory.mktemp("finished") / "project"
    for name in ("data/sources/synthetic", "models/placeholder", "models/magvit2_mini"):
        shutil.copytree(
            ROOT / name, project / name, ignore=shutil.ignore_patterns("weights", "*.safetensors")
        )
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, project / name)
    set_params(project, PARAMS)
    rows = (f"i{item},{'ab'[item % 2]},{t},{t * item},{t * t}" for item in range(2000) for t in range(4))
    (project / "tracks.csv").write_text("id,label,t,x,y\n" + "\n".join(rows) + "\n")
    (project / "studies").mkdir()
    (project / "studies/soak.yaml").write_text(
        "question: Full?\nexperiments:\n  soak: {compare.rope: 0.03}\n"
    )
    for arguments in (
        "git init -q",
        "git config user.name me",
        "git config user.email me@example.org",
        "dvc init -q",
    ):
        command(project, *arguments.split())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("TRAJPROBE_CACHE", str(project.parent / "cache"))
        for stage in STAGES:
            assert run(*stage) == 0, stage
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "finished")
    return project


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here, so a full disk is not tested")
    try:
        yield folder
    finally:
        os.chdir(ROOT)
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(disk: Path, kilobytes: int) -> Iterator[None]:
    """Leave this much free."""
    free = os.statvfs(disk)
    with (disk / "filler").open("wb") as filler:
        filler.write(bytes(free.f_bavail * free.f_frsize - kilobytes * 1024))
    try:
        yield
    finally:
        (disk / "filler").unlink()


@contextmanager
def limited(_: Path, kilobytes: int) -> Iterator[None]:
    """Let no file that is written grow beyond this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def content(project: Path) -> dict[str, bytes]:
    """The files of a project, but for what git and DVC keep for themselves."""
    named = ((path.relative_to(project), path) for path in project.rglob("*") if path.is_file())
    return {
        name.as_posix(): path.read_bytes() for name, path in named if name.parts[0] not in (".git", ".dvc")
    }


def said_in_one_line(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """What a command says last on stderr, held to the form of an error if it failed."""
    said = capsys.readouterr().err.splitlines()
    errors = [line for line in said if line.startswith("error: ")]
    assert errors == (said[-1:] if code else []), said
    assert code in (0, 1)
    assert not [line for line in said if "Traceback" in line], said
    return said[-1] if said else ""


def hold(
    project: Path,
    arguments: tuple[str, ...],
    without_room: Callable[[Path, int], object],
    kilobytes: int,
    capsys: pytest.CaptureFixture[str],
) -> int:
    """The exit code of a command without room, after which nothing is lost and nothing half-written."""
    before = content(project)
    capsys.readouterr()
    with without_room(project.parent, kilobytes):  # type: ignore[attr-defined]
        code = run(*arguments)
    said_in_one_line(capsys, code)
    after = content(project)
    changed = {name for name in before if after.get(name) != before[name]}
    assert changed == set(), arguments
    new = after.keys() - before.keys()
    assert not code or all(WHOLE.fullmatch(name) for name in new), (arguments, new)
    for name in new:
        (project / name).unlink()
    return code


def hold_all(
    finished: Path,
    folder: Path,
    commands: tuple[tuple[str, ...], ...],
    without_room: Callable[[Path, int], object],
    kilobytes: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With nothing at all every command that writes must fail, with some room it may end well: in the same bytes."""
    project = folder / "project"
    shutil.copytree(finished, project, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("TRAJPROBE_CACHE", str(finished.parent / "cache"))
        patch.setenv("DVC_SITE_CACHE_DIR", str(finished.parent / "site"))
        for arguments in commands:
            if arguments[0] == "fetch":  # else there is nothing to do
                shutil.move(WEIGHTS, "kept")
            code = hold(project, arguments, without_room, kilobytes, capsys)
            assert code or kilobytes, arguments
            assert code or arguments[0] not in ("render", "plot", "pretrain"), arguments
            if arguments[0] == "fetch":
                shutil.rmtree(WEIGHTS, ignore_errors=True)
                shutil.move("kept", WEIGHTS)
        for arguments in READING:
            assert hold(project, arguments, without_room, kilobytes, capsys) == 0


@pytest.mark.parametrize("kilobytes", [0, 8, 60])
def test_a_full_disk(kilobytes: int, finished: Path, disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold_all(finished, disk, (*STAGES, *MAKING, *STUDY), full, kilobytes, capsys)


def test_files_that_may_not_grow(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold_all(finished, tmp_path, (*STAGES, *MAKING), limited, 8, capsys)


def one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends with 1."""
    capsys.readouterr()
    code = run(*arguments)
    assert code == 1
    return said_in_one_line(capsys, code)


@pytest.mark.parametrize(
    "stage", [("extract", ENCODER), ("baseline", "cnn3d", "--workers", "1")], ids=lambda stage: stage[0]
)
def test_a_cache_on_a_full_disk(
    stage: tuple[str, ...],
    finished: Path,
    disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The project has room; what was finished is lost, but nothing else."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("TRAJPROBE_CACHE", str(disk / "cache"))
    before = content(tmp_path / "project")
    with full(disk, 0):
        assert "set TRAJPROBE_CACHE to another folder" in one_line(monkeypatch, capsys, *stage)
    assert content(tmp_path / "project") == before


WRITERS: dict[str, Callable[[Path], object]] = {
    "python": lambda path: path.write_bytes(bytes(4096)),
    "safetensors": lambda path: safetensors.numpy.save_file({"a": np.zeros(1000)}, path),
    "torch": lambda path: torch.save({"a": torch.zeros(1000)}, path),
    "pyarrow": lambda path: pq.write_table(pa.table({"a": np.random.default_rng(0).random(1000)}), path),
    "pillow": lambda path: Image.effect_noise((100, 100), 50).save(path, format="PNG"),
    "sqlite": lambda path: sqlite3.connect(path).execute("create table a (b)"),
}


@pytest.mark.parametrize("library", WRITERS)
def test_a_refusal_is_known_in_the_words_of_every_library(library: str, tmp_path: Path) -> None:
    with (
        limited(tmp_path, 1),
        pytest.raises((OSError, RuntimeError, safetensors.SafetensorError, sqlite3.Error)) as caught,
    ):
        WRITERS[library](tmp_path / "file")
    assert refused_write(caught.value) is not None


def test_other_errors_are_no_refusals() -> None:
    for error in (
        ValueError("no space between 1 and 2"),
        FileNotFoundError(2, "No such file"),
        KeyError("a"),
    ):
        assert refused_write(error) is None


def test_an_error_that_replaced_a_refusal_is_none() -> None:
    """What the code that raised it `from None` knew better."""

    def replaced() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise ValueError("what to do instead") from None

    with pytest.raises(ValueError, match="instead") as caught:
        replaced()
    assert refused_write(caught.value) is None


def project(folder: Path) -> Path:
    """The few files that the first stages read."""
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    for name in ("data/sources/synthetic", "models/placeholder"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("weights", "*.npz"))
    set_params(folder, {"encoders": ["placeholder"]})
    return folder


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


def test_features_without_a_cache_that_can_be_written(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("TRAJPROBE_CACHE", UNWRITABLE)
    before = content(tmp_path / "project")
    assert "set TRAJPROBE_CACHE to another folder" in one_line(monkeypatch, capsys, "extract", ENCODER)
    assert content(tmp_path / "project") == before


# Several commands in one process of its own; after each a line of JSON on stderr: its arguments and its exit code.
SESSION = """
import json, sys, traceback
from trajprobe import cli
for arguments in json.loads(sys.argv[1]):
    code, sys.argv = None, ["trajprobe", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    print(f"\\n{END}" + json.dumps([arguments, code or 0]), file=sys.stderr, flush=True)
"""
END = "ended: "


def obey_modes() -> None:
    """Give up root's right to write in spite of modes (CAP_DAC_OVERRIDE); others never had it."""
    drop_from_the_bounding_set, override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_the_bounding_set, override, 0, 0, 0)


def session(
    project: Path, commands: tuple[tuple[str, ...], ...], **environment: str
) -> tuple[list[tuple[tuple[str, ...], int, str]], bytes]:
    """The arguments, the exit code and the stderr of each command; the stdout of all. An empty variable is unset."""
    variables = {**os.environ, "DVC_SITE_CACHE_DIR": str(project.parent / "site"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", SESSION.replace("{END}", END), json.dumps(commands)],
        cwd=project,
        env={name: value for name, value in variables.items() if value},
        preexec_fn=obey_modes,
        capture_output=True,
        check=True,
    )
    results, lines = [], list[str]()
    for line in done.stderr.decode(errors="backslashreplace").splitlines():
        if line.startswith(END):
            arguments, code = json.loads(line.removeprefix(END))
            results.append((tuple(arguments), code, "\n".join(lines)))
            lines.clear()
        else:
            lines.append(line)
    assert len(results) == len(commands)
    return results, done.stdout


def set_writable(folder: Path, writable: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if writable else mode & ~0o222)


def test_a_project_and_a_home_that_cannot_be_written(finished: Path, tmp_path: Path) -> None:
    """Whatever writes there says so in a line; what only reads works."""
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    (tmp_path / "home").mkdir()
    before = content(tmp_path / "project")
    for name in ("project", "home"):
        set_writable(tmp_path / name, False)
    try:
        results, _ = session(
            tmp_path / "project",
            (*STAGES, *MAKING, *STUDY, *READING),
            HOME=str(tmp_path / "home"),
            TRAJPROBE_CACHE=str(finished.parent / "cache"),
        )
    finally:
        set_writable(tmp_path / "project", True)
    assert content(tmp_path / "project") == before
    for arguments, code, said in results:
        assert "Traceback" not in said
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        if arguments in READING or arguments[0] == "fetch":  # whose weights are there
            assert (code, errors) == (0, []), said
        else:
            assert (code, len(errors)) == (1, 1), (arguments, said)
            assert "Permission denied" in errors[0]


def test_a_shell_without_a_home_and_without_letters(finished: Path, tmp_path: Path) -> None:
    """No HOME, a TMPDIR that cannot be written, a path with blanks and letters that an ASCII terminal lacks."""
    folder = tmp_path / "größere Ablage 加速" / "mein Projekt"
    shutil.copytree(finished, folder, symlinks=True)
    (tmp_path / "temporary").mkdir(mode=0o555)
    before = content(folder)
    results, printed = session(
        folder,
        (*STAGES, *READING, *MAKING),
        HOME="",
        TMPDIR=str(tmp_path / "temporary"),
        TRAJPROBE_CACHE=str(tmp_path / "der Zwischenspeicher ä"),
        LC_ALL="C",
        PYTHONIOENCODING="ascii",
    )
    assert [(arguments, said) for arguments, code, said in results if code] == []
    assert printed.isascii()
    assert b"percentage points" in printed
    after = content(folder)
    assert {name for name in before if after.get(name) != before[name]} == set()
