"""The same work on many jobs, by several workers; how many there are changes no result.

`parallel_map` uses processes, for long jobs: fits are thousands of small matrix products with Python between them, so
that threads wait for the interpreter's lock (nine arms of the default study took 20 s on one thread, and 16 to 19 s on
two). Large arrays reach the workers through shared memory. `thread_map` uses threads, for jobs of milliseconds, which
cost more to send to a process than to do (all analyses of an encoder took 15 s on two threads, and 25 s on two
processes). In both a worker has one BLAS thread: a BLAS library that splits small matrices over cores waits more than
it multiplies. `bounded_map` uses threads for pictures, which must not all be in memory.
"""

import errno
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pickle import PicklingError
from threading import Thread
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped]
from joblib.externals.loky import process_executor  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.errors import UserError

MOST_PER_CORE = 4  # workers; more of them only take memory
POLL = 1.0  # seconds between a worker's checks that its parent still runs

Job = TypeVar("Job")
Result = TypeVar("Result")


def worker_count(workers: int | None = None, most: int | None = None) -> int:
    """`workers` if given, at most MOST_PER_CORE for each core; else one for each core, at most `most`."""
    cores = os.cpu_count() or 1
    return min(workers, MOST_PER_CORE * cores) if workers else min(cores, most or cores)


def parallel_map(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Generator[Result, None, None]:
    """The results of `work` on every job, in order, by `workers` processes; one is this process.

    Raises what `work` raises, and UserError if a process is killed or has no room for its arrays.
    """
    if workers == 1:
        with threadpool_limits(1, "blas"):
            yield from map(work, jobs)
        return
    ends = {"initializer": _start_worker, "initargs": (os.getpid(),)}
    try:
        with parallel_config("loky", inner_max_num_threads=1, **ends):
            yield from Parallel(n_jobs=workers, return_as="generator")(delayed(work)(job) for job in jobs)
    except BrokenProcessPool:
        raise UserError(
            "a worker process was killed, most likely for want of memory; run again with fewer of them: --workers 1 "
            "(TRAJPROBE_WORKERS=1)"
        ) from None
    except (PicklingError, OSError) as error:
        # joblib hides the reason in the cause: arrays for the workers lie in shared memory or the temporary folder.
        reason = next((each for each in (error, error.__cause__, error.__context__) if _is_full(each)), None)
        if reason is None:
            raise
        raise UserError(
            "arrays for the worker processes do not fit into shared memory and the temporary folder; free some space, "
            "name another folder by JOBLIB_TEMP_FOLDER, or run with --workers 1 (TRAJPROBE_WORKERS=1)"
        ) from None


def thread_map(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Generator[Result, None, None]:
    """The results of `work` on every job, in order, by `workers` threads. Raises what `work` raises."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        yield from pool.map(work, jobs)


def bounded_map(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int
) -> Generator[Result, None, None]:
    """The results of `work` on every job, in order, by threads; at most workers + 1 jobs and results are in memory.

    Raises what `work` raises, and what the iterable of jobs does.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for job in jobs:
            pending.append(pool.submit(work, job))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _start_worker(parent: int) -> None:
    """Keep freed memory, as the process `parent` does, and end when it ends, even if it is killed.

    Else the worker would wait for jobs forever. Nor does it end by itself: a worker that has loaded torch since its
    first job looks to loky like one that leaks. It would be replaced, with a warning in a thread of loky's; and where
    warnings are errors, all jobs then wait forever.
    """
    keep_freed_memory()
    process_executor._MAX_MEMORY_LEAK_SIZE = float("inf")

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
