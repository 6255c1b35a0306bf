"""Killed at random moments, and at once: whatever is left, `doctor --fix` and `dvc repro` end in the committed bytes.

A soak, not part of `make test`. TRAJPROBE_KILLS sets how many kills (50).
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from small_project import command

KILLS = int(os.environ.get("TRAJPROBE_KILLS", "50"))
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def started(folder: Path, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    """A command in a process group of its own."""
    return subprocess.Popen(
        arguments,
        cwd=folder,
        env={**os.environ, "PATH": PATH, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def state(folder: Path) -> str:
    """What git and DVC find changed; empty if nothing is."""
    return command(folder, "git", "status", "--porcelain") + command(folder, "dvc", "status", "-q")


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(reproduced: Path, tmp_path: Path) -> None:
    project, cache = tmp_path / "project", tmp_path / "cache"
    shutil.copytree(reproduced, project, symlinks=True)
    draws = random.Random(0)
    commands = (("dvc", "repro", "--force", "--no-run-cache"), ("dvc", "push"), ("dvc", "pull", "--force"))
    begin = time.monotonic()
    command(project, *commands[0], TRAJPROBE_CACHE=str(cache))
    longest = time.monotonic() - begin
    for _ in range(KILLS):
        chosen = draws.choices(commands, weights=(8, 1, 1))[0]
        process = started(project, *chosen, TRAJPROBE_CACHE=str(cache))
        time.sleep(draws.uniform(0, longest if chosen is commands[0] else 5))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        command(project, "trajprobe", "doctor", "--fix", TRAJPROBE_CACHE=str(cache))
    command(project, "dvc", "repro", TRAJPROBE_CACHE=str(cache))
    assert state(project) == ""
    assert command(project, "trajprobe", "doctor", TRAJPROBE_CACHE=str(cache))
    left = [path for path in project.rglob("*.part") if ".dvc" not in path.parts and ".git" not in path.parts]
    assert left == []
    assert command(project, "trajprobe", "cache", "verify", TRAJPROBE_CACHE=str(cache))


@pytest.mark.slow
def test_two_runs_at_once(reproduced: Path, tmp_path: Path) -> None:
    """In one clone the second is told so, or waits; two clones share one cache of shards and make the same bytes."""
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        shutil.copytree(reproduced, clone, symlinks=True)
    runs = [
        started(clone, "dvc", "repro", "--force", "--no-run-cache", TRAJPROBE_CACHE=str(tmp_path / "cache"))
        for clone in (*clones, clones[0])
    ]
    codes = [run.wait() for run in runs]
    assert codes[1] == 0
    assert 0 in (codes[0], codes[2])
    for clone in clones:
        command(clone, "dvc", "repro", TRAJPROBE_CACHE=str(tmp_path / "cache"))
        assert state(clone) == ""
