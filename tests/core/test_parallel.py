"""Parallel work: results in order for any number of workers, the error of a job, no worker left behind by a kill."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trajprobe.core.errors import UserError
from trajprobe.core.parallel import parallel_map, thread_map, worker_count

KILLED = """
import os, sys, time
from pathlib import Path
from typing import Any
from trajprobe.core.parallel import parallel_map
def work(job):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
list(parallel_map(work, range(4), 2))
"""


def work(job: int) -> int:
    if job == 13:
        raise UserError("thirteen")
    return job * job


@pytest.mark.parametrize("run_jobs", [parallel_map, thread_map])
@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_errors_come_through(run_jobs: Callable[..., Any], workers: int) -> None:
    assert list(run_jobs(work, range(8), workers)) == [job * job for job in range(8)]
    with pytest.raises(UserError, match="thirteen"):
        list(run_jobs(work, [1, 13], workers))


def test_workers_default_to_the_cores_and_are_taken_as_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert (worker_count(), worker_count(most=4), worker_count(20, most=4)) == (8, 4, 20)
    assert worker_count(1024) == 4 * 8


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


def die(job: int) -> int:
    if job == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def no_room(job: int) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_killed_worker_is_one_line() -> None:
    with pytest.raises(UserError, match=r"a worker process was killed.*TRAJPROBE_WORKERS=1"):
        list(parallel_map(die, range(5), 2))
    assert list(parallel_map(work, range(3), 2)) == [0, 1, 4]  # the next call has new workers


def test_no_room_for_the_arrays_of_workers_is_one_line() -> None:
    with pytest.raises(UserError, match="do not fit into shared memory and the temporary folder"):
        list(parallel_map(no_room, range(3), 2))


GROWN = """
import os, time
import numpy as np
from trajprobe.core.parallel import parallel_map
def hold(megabytes):
    import builtins
    builtins.held = np.ones(megabytes * 2**17)
    time.sleep(0.5)
    return os.getpid()
small = set(parallel_map(hold, [1] * 4, 2))
time.sleep(1.1)  # loky looks at the memory of a worker once a second
large = set(parallel_map(hold, [320, 320, 1, 1, 1, 1], 2))
assert large == small, (large, small)
"""


def test_a_worker_that_grows_is_kept() -> None:
    """As one does that loads torch. loky warns if it replaces one, and as an error this would hang."""
    subprocess.run([sys.executable, "-W", "error", "-c", GROWN], check=True, timeout=60)
