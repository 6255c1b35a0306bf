"""The same work on many jobs, spread over processes.

Fits are thousands of small matrix products with Python between them, so threads spend what they gain on waiting for the
interpreter's lock: nine arms of the default study took 20 s on one thread and 16 to 19 s on two. Each worker here is a
process with one BLAS thread: a BLAS library that splits small matrices over cores waits more than it multiplies. Large
arrays reach the workers through shared memory. The results do not depend on how many there are.
"""

import os
import time
from collections.abc import Callable, Generator, Iterable
from threading import Thread
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

POLL = 1.0  # seconds between a worker's looks at whether it is still wanted

Job = TypeVar("Job")
Result = TypeVar("Result")


def spread(work: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Generator[Result, None, None]:
    """`work` done on every job, in order; raises what it raises. workers: processes; 1 is this one alone."""
    if workers == 1:
        with threadpool_limits(1, "blas"):
            yield from map(work, jobs)
        return
    ends = {"initializer": _end_with, "initargs": (os.getpid(),)}
    with parallel_config("loky", inner_max_num_threads=1, **ends):
        yield from Parallel(n_jobs=workers, return_as="generator")(delayed(work)(job) for job in jobs)


def _end_with(parent: int) -> None:
    """Let this worker end when `parent` does, be it killed: it would wait for the next job for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
