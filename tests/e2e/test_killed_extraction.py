"""`extract` is killed at random moments, with a cache that was empty: each kill costs at most the shard in progress.

Held to three countings: which shards were begun (the encoder writes it down), which files of the cache are whole before
and after each run (by inode: a shard that is written again has another), and the features of an extraction in one go.
TRAJPROBE_KILLS sets how many kills (4). Several extractions at once give those features, too.
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

from small_project import ENCODER, command, make_project, set_params
from trajprobe.extract.extraction import SHARD
from trajprobe.extract.order_sensitivity import CLIPS
from trajprobe.extract.shard_cache import ShardCache

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("TRAJPROBE_KILLS", "4"))
FEATURES = f"data/features/{ENCODER}.safetensors"
SHARDS = 2  # of each of four arms
ORDERS = 2  # arms of which the sensitivity to order is measured, in a small shard of its own,
PASSES = 4  # which takes so many passes
COUNT = b"multiply_adds"  # name of the array in a shard that holds no features
# Writes down the number of clips before each pass of them, and whether it came to an end.
COUNTED = """
import os, sys
from trajprobe.extract import extraction, order_sensitivity
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
encode = extraction.encode
def counted(encoder, clips, *others):
    os.write(log, f"{len(clips)}\\n".encode())
    return encode(encoder, clips, *others)
extraction.encode = order_sensitivity.encode = counted
sys.argv = ["trajprobe", "extract", sys.argv[2]]
from trajprobe.cli import main
main()
"""


def begun(log: Path) -> int:
    """Shards whose computation was begun."""
    clips = log.read_text().split() if log.exists() else []
    return clips.count(str(SHARD)) + -(-clips.count(str(CLIPS)) // PASSES)


def whole(cache: ShardCache) -> dict[str, int]:
    """The inode of each shard of features; all, and the count of the multiply-adds, have to be whole."""
    shards = cache.shards()
    assert all(cache.is_whole(shard) for shard in shards)
    files = {shard.name: Path(cache.place, shard.name) for shard in shards}
    return {name: file.stat().st_ino for name, file in files.items() if COUNT not in file.read_bytes()}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A project after an extraction in one go, and the seconds that this took."""
    project = make_project(tmp_path_factory.mktemp("in_one_go") / "project")
    set_params(project, {"synthesis.per_class": 16 * SHARDS, "render.size": 48})
    begin = time.monotonic()
    for arguments in (("trajectories",), ("render",), ("fetch", ENCODER), ("extract", ENCODER)):
        begin = time.monotonic()
        command(project, "trajprobe", *arguments, TRAJPROBE_CACHE=str(project.parent / "cache"))
    return project, time.monotonic() - begin


def test_a_kill_costs_at_most_the_shard_in_progress(extracted: tuple[Path, float], tmp_path: Path) -> None:
    project, seconds = tmp_path / "project", extracted[1]
    shutil.copytree(extracted[0], project, symlinks=True)
    expected = (project / FEATURES).read_bytes()
    (project / FEATURES).unlink()
    environment = {**os.environ, "TRAJPROBE_CACHE": str(tmp_path / "cache")}
    cache, draws = ShardCache(tmp_path / "cache/features"), random.Random(0)
    before, computed, lost = whole(cache), 0, []
    for kill in range(KILLS + 1):
        log = tmp_path / f"{kill}.log"
        with subprocess.Popen(
            [sys.executable, "-c", COUNTED, str(log), ENCODER],
            cwd=project,
            env=environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            if kill < KILLS:
                while process.poll() is None and not log.exists():
                    time.sleep(0.01)
                time.sleep(draws.uniform(0, seconds / (KILLS + 1)))
                process.send_signal(signal.SIGKILL)
        after = whole(cache)
        assert {name: after.get(name) for name in before} == before  # none is missing or written again
        lost.append(begun(log) - len(after.keys() - before.keys()))
        computed += begun(log)
        before = after
    print(f"{KILLS} kills, {len(before)} shards, {computed} computed; lost at each kill: {lost[:-1]}")
    assert (project / FEATURES).read_bytes() == expected
    assert len(before) == 4 * SHARDS + ORDERS
    assert max(lost) <= 1
    assert lost[-1] == 0
    assert computed == len(before) + sum(lost)


def test_several_at_once_give_the_same_features(extracted: tuple[Path, float], tmp_path: Path) -> None:
    """Two in one clone and one in another, with one cache."""
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        shutil.copytree(extracted[0], clone, symlinks=True)
        (clone / FEATURES).unlink()
    expected = (extracted[0] / FEATURES).read_bytes()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    runs = [
        subprocess.Popen(
            ["trajprobe", "extract", ENCODER],
            cwd=clone,
            env={**os.environ, "PATH": path, "TRAJPROBE_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for clone in (*clones, clones[0])
    ]
    for run in runs:
        printed, _ = run.communicate()
        assert run.returncode == 0, printed
        assert "Traceback" not in printed
    for clone in clones:
        assert (clone / FEATURES).read_bytes() == expected
        assert list((clone / "data").rglob("*.part")) == []
    assert len(whole(ShardCache(tmp_path / "cache/features"))) == 4 * SHARDS + ORDERS
