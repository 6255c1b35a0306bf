"""The same work on many jobs by workers on a Ray cluster, or on this machine.

A worker is an actor on one GPU or one CPU core, with its own copy of the work, which may keep what it needs again. Jobs
and results travel through Ray's object store, so no worker opens a file of the caller's. Each worker has one job that
it works on and one that waits, and what runs ahead of the oldest missing result is bounded, so memory is, too. Results
come back in order.

Workers join as they start. One that is lost, with its process or its machine, is not replaced: its jobs go to the
others. Every job is done as a whole by one worker, so any number of workers gives the same results.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.errors import UserError

PER_WORKER = 2  # jobs that a worker has at once: one in work, one waiting
AHEAD = 2  # jobs per worker that are done before an older one is, at most
Kind = Literal["CPU", "GPU"]
Job = TypeVar("Job")
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class RayWorker:
    """The actor."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        keep_freed_memory()
        self._work = work

    def ready(self) -> None:
        """Returns once the actor runs, for which it may have to wait until a GPU or core is free."""

    def do(self, job: Any) -> Any:
        """The result of `work`. Raises what it raises."""
        return self._work(job)


def ray_map(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    kind: Kind = "CPU",
    known: Callable[[Job], Result | None] = lambda job: None,
) -> Iterator[tuple[Job, Result]]:
    """Every job with its result, in order, by the GPUs or cores of the cluster at RAY_ADDRESS, or of this machine.

    known: the result of a job that need not be done. Those that others use are waited for. Raises what `work` raises,
    and UserError if Ray is not installed, has none of them, or loses all workers.
    """
    ray = connected()
    count = int(ray.cluster_resources().get(kind, 0))
    if not count:
        raise UserError(
            f"--engine ray (TRAJPROBE_ENGINE): the cluster has no {kind}; take another cluster (RAY_ADDRESS), or "
            "--engine local"
        )
    shared = ray.put(work)
    actor = ray.remote(**{f"num_{kind.lower()}s": 1})(RayWorker)
    workers = [actor.remote(shared) for _ in range(count)]
    try:
        yield from Dispatcher(ray, workers, known).run(jobs)
    finally:
        for worker in workers:
            ray.kill(worker)


class Dispatcher(Generic[Job, Result]):
    """Hands jobs to workers and takes results back; a job whose worker is lost is handed out again."""

    def __init__(self, ray: Any, workers: Sequence[Any], known: Callable[[Job], Result | None]) -> None:
        self._ray, self._known = ray, known
        self._starting = {worker.ready.remote(): worker for worker in workers}
        self._load: dict[Any, int] = {}  # worker that runs -> jobs that it has
        self._running: dict[Any, tuple[int, Any]] = {}  # reference of a result -> number of its job, worker
        self._held: dict[int, Job] = {}  # by number: not yielded yet
        self._waiting: deque[int] = deque()  # not handed out
        self._done: dict[int, Result] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield every job with its result, in order. Raises what a worker raises, and UserError if all are lost."""
        numbered = enumerate(jobs)
        while True:
            for number, job in islice(numbered, self._room()):
                self._held[number] = job
                result = self._known(job)
                if result is None:
                    self._waiting.append(number)
                else:
                    self._done[number] = result
            self._hand_out()
            if not self._held:
                return
            oldest = next(iter(self._held))
            if oldest in self._done:
                yield self._held.pop(oldest), self._done.pop(oldest)
            else:
                self._collect()

    def _room(self) -> int:
        return max(0, (PER_WORKER + AHEAD) * max(1, len(self._load)) - len(self._held))

    def _hand_out(self) -> None:
        while self._waiting and self._load:
            worker = min(self._load, key=lambda worker: self._load[worker])
            if self._load[worker] == PER_WORKER:
                return
            number = self._waiting.popleft()
            self._running[worker.do.remote(self._held[number])] = number, worker
            self._load[worker] += 1

    def _collect(self) -> None:
        """Wait for one result, or for a worker to start."""
        if not self._load and not self._starting:
            raise UserError(
                "all workers of Ray were lost, most likely for want of memory; run again: finished shards of `extract` "
                "are kept"
            )
        (reference,), _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
        if worker := self._starting.pop(reference, None):
            with suppress(self._ray.exceptions.RayError):  # one that never started has no jobs to lose
                self._ray.get(reference)
                self._load[worker] = 0
            return
        number, worker = self._running.pop(reference)
        try:
            self._done[number] = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError:
            self._waiting.appendleft(number)
            if self._load.pop(worker, None) is not None:
                log.warning("a worker of Ray was lost; its work goes to the other %d", len(self._load))
        else:
            if worker in self._load:  # it may have been lost after it had finished this one
                self._load[worker] -= 1


def connected() -> Any:
    """The module ray, connected. Raises UserError if it is not installed, or if there is no cluster at RAY_ADDRESS."""
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError(
            "--engine ray (TRAJPROBE_ENGINE): needs the package ray; run `pip install -e '.[ray]'`"
        ) from None
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"include_dashboard": False}
        try:
            ray.init(address=address, logging_level=logging.WARNING, **local)
        except (ConnectionError, ValueError) as error:
            raise UserError(
                f"RAY_ADDRESS: no cluster at {address!r} ({error}); correct or unset it"
            ) from None
    return ray
