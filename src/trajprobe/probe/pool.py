"""The same work on many jobs, spread over processes.

Fits are thousands of small matrix products with Python between them, so threads spend what they gain on waiting for the
interpreter's lock: nine arms of the default study took 20 s on one thread and 16 to 19 s on two. Each worker here is a
process with one BLAS thread: a BLAS library that splits small matrices over cores waits more than it multiplies. Large
arrays reach the workers through shared memory. The results do not depend on how many there are.
"""

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from joblib import Parallel, delayed, parallel_config  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

IDLE = 15  # seconds after which workers end that have nothing to do, also because this process was killed

Job = TypeVar("Job")
Result = TypeVar("Result")


def spread(work: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Generator[Result, None, None]:
    """`work` done on every job, in order. workers: processes; 1 is this one alone."""
    if workers == 1:
        with threadpool_limits(1, "blas"):
            yield from map(work, jobs)
        return
    with parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE):
        yield from Parallel(n_jobs=workers, return_as="generator")(delayed(work)(job) for job in jobs)
