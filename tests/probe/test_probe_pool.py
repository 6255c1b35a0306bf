"""Jobs spread over processes: in order, however many, with the error of one, and none left when all is killed."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trajprobe.errors import UserError
from trajprobe.probe.pool import spread

KILLED = """
import os, sys, time
from pathlib import Path
from trajprobe.probe.pool import spread
def work(job):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
list(spread(work, range(4), 2))
"""


def work(job: int) -> int:
    if job == 13:
        raise UserError("thirteen")
    return job * job


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_errors_come_through(workers: int) -> None:
    assert list(spread(work, range(8), workers)) == [job * job for job in range(8)]
    with pytest.raises(UserError, match="thirteen"):
        list(spread(work, [1, 13], workers))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_workers_end_with_the_process_that_was_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stderr=subprocess.DEVNULL) as run:
        _until(lambda: len(list(tmp_path.iterdir())) == 2)
        run.kill()
    _until(lambda: not any(_runs(path.name) for path in tmp_path.iterdir()))


def _runs(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(true: Callable[[], bool]) -> None:
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("not within half a minute")
