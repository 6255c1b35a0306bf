"""Killed at random moments, and at once: whatever is left, `doctor --fix` and `dvc repro` end in the committed bytes.

Every stage, push and pull, an import, a study and a pretraining. A soak, not part of `make test`. TRAJPROBE_KILLS sets
how many kills (50).
"""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from small_project import command

KILLS = int(os.environ.get("TRAJPROBE_KILLS", "50"))
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def started(
    folder: Path, *arguments: str, log: Path = Path(os.devnull), **environment: str
) -> "subprocess.Popen[bytes]":
    """A command in a process group of its own. log: where it prints."""
    with log.open("wb") as printed:
        return subprocess.Popen(
            arguments,
            cwd=folder,
            env={**os.environ, "PATH": PATH, **environment},
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )


def at_work(process: "subprocess.Popen[bytes]") -> str:
    """The last command of ours or DVC's that was started in the group of a process; empty if it has ended."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pgid=,args="], capture_output=True, text=True, check=True
    ).stdout
    named = re.findall(rf"^ *{process.pid} .*(?:/| -m )((?:dvc|trajprobe) \w+)", listed, re.MULTILINE)
    return "" if process.poll() is not None else (named or ["started"])[-1]


def state(folder: Path) -> str:
    """What git and DVC find changed; empty if nothing is."""
    return command(folder, "git", "status", "--porcelain") + command(folder, "dvc", "status", "-q")


REPRO = ("dvc", "repro", "--force", "--no-run-cache")
OTHERS = (
    ("dvc", "push"),
    ("dvc", "pull", "--force"),
    ("trajprobe", "import", "tracks.csv", "--name", "mine", "--replace"),
    ("trajprobe", "study", "run", "studies/soak.yaml"),
    ("trajprobe", "pretrain", "soak", "--steps", "3", "--resume"),
)
STUDY = "question: Does it end?\nexperiments:\n  soak: {compare.rope: 0.03}\n"
MADE = ("data/sources/mine", "models/soak")


def prepared(reproduced: Path, project: Path) -> Path:
    """A copy of the project with a table to import and a study to run, both committed."""
    shutil.copytree(reproduced, project, symlinks=True)
    rows = (f"i{item},{'ab'[item % 2]},{t},{t * item},{t * t}" for item in range(24) for t in range(4))
    (project / "tracks.csv").write_text("id,label,t,x,y\n" + "\n".join(rows) + "\n")
    (project / "studies/soak.yaml").write_text(STUDY)
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "to be killed")
    return project


def made(project: Path) -> dict[str, bytes]:
    """What import and pretrain leave, but for the seconds that the pretraining took."""
    files = (path for folder in MADE for path in (project / folder).rglob("*") if path.is_file())
    found = {path.relative_to(project).as_posix(): path.read_bytes() for path in files}
    return {name: re.sub(rb"(?m)^seconds: .*", b"", content) for name, content in found.items()}


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(reproduced: Path, tmp_path: Path) -> None:
    project, undisturbed = (prepared(reproduced, tmp_path / name) for name in ("project", "undisturbed"))
    environment = {"TRAJPROBE_CACHE": str(tmp_path / "cache")}
    draws, seconds = random.Random(0), dict[tuple[str, ...], float]()
    for each in (REPRO, *OTHERS):
        begin = time.monotonic()
        command(undisturbed, *each, **environment)
        seconds[each] = time.monotonic() - begin
    killed, put_right = Counter[str](), Counter[str]()
    for _ in range(KILLS):
        chosen = draws.choices((REPRO, *OTHERS), weights=(8, 1, 1, 1, 1, 1))[0]
        process = started(project, *chosen, **environment)
        time.sleep(draws.uniform(0, seconds[chosen]))
        killed[f"{' '.join(chosen[:2])}: {at_work(process)}"] += 1
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # It ends with 1 for what is to be resumed.
        said = command(project, "trajprobe", "doctor", "--fix", fails=None, **environment)
        put_right.update(re.findall(r"^\S+: (.*): put right$", said, re.MULTILINE))
    print(f"killed in: {dict(killed)}\nput right by doctor: {dict(put_right)}")
    for each in (("dvc", "repro"), *OTHERS):
        command(project, *each, **environment)
    assert state(project) == state(undisturbed)
    assert made(project) == made(undisturbed)
    shown = [
        command(folder, "trajprobe", "study", "show", "studies/soak.yaml", **environment)
        for folder in (project, undisturbed)
    ]
    assert shown[0] == shown[1]
    assert command(project, "trajprobe", "doctor", **environment)
    left = [path for path in project.rglob("*.part") if ".dvc" not in path.parts and ".git" not in path.parts]
    assert left == []
    assert command(project, "trajprobe", "cache", "verify", **environment)


@pytest.mark.slow
def test_two_runs_at_once(reproduced: Path, tmp_path: Path) -> None:
    """In one clone the second is told so, or waits; two clones share one cache of shards and make the same bytes."""
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        shutil.copytree(reproduced, clone, symlinks=True)
    cache = {"TRAJPROBE_CACHE": str(tmp_path / "cache")}
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    runs = [
        started(clone, *REPRO, log=log, **cache)
        for clone, log in zip((*clones, clones[0]), logs, strict=True)
    ]
    codes = [run.wait() for run in runs]
    printed = [log.read_text() for log in logs]
    assert codes[1] == 0
    assert 0 in (codes[0], codes[2])
    for code, text in zip(codes, printed, strict=True):
        assert "Traceback" not in text
        assert code == 0 or "lock" in text, text
    for clone in clones:
        command(clone, "dvc", "repro", **cache)
        assert state(clone) == ""
