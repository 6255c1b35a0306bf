"""An extraction on Ray: the same shards, computed by workers on this machine or on a cluster.

A worker is an actor on one GPU, or on one CPU core with one thread, that keeps the model of the arm it is at. Clips
travel to it through Ray's object store, so no worker opens the clip store; the weights are read from the folder that
the driver reads, which other machines must have under the same path. Each worker has one shard that it works on and
one that waits, and what runs ahead of the oldest missing shard is bounded, so memory is, too. Results come back in
order.

Workers join as they start. One that is lost, with its process or its machine, is not replaced: its shards go to the
others. Every shard is computed as a whole by one worker, in the same batches and threads, so any number of workers
gives the same bytes.
"""

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.errors import UserError
from trajprobe.core.progress import Advance
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, build_encoder, encode
from trajprobe.extract.work_units import Arrays, WorkUnit

PER_WORKER = 2  # shards that a worker has at once: one in work, one waiting
AHEAD = 2  # shards per worker that are done before an older one is, at most
log = logging.getLogger(__name__)


class ArmWorker:
    """The actor. arms: all that it may be asked for."""

    def __init__(self, arms: Sequence[EncoderArm], settings: ExtractSettings) -> None:
        import torch

        keep_freed_memory()
        if settings.device.type == "cpu":
            torch.set_num_threads(1)
        self.arms, self.settings = arms, settings
        self.index = -1
        self.encoder: Any = None

    def ready(self) -> None:
        """Returns once the actor runs, for which it may have to wait until a GPU or core is free."""

    def encode(self, index: int, clips: np.ndarray) -> Arrays:
        """The arrays of `clips` by the arm `index`. Raises what `build_encoder` and `encode` raise."""
        arm = self.arms[index]
        if index != self.index:
            self.encoder = None  # before the next one is built: two may not fit
            self.encoder, self.index = build_encoder(arm, self.settings.layers), index
        own = clips.copy()  # Ray's are shared and cannot be written to, of which torch warns
        return encode(self.encoder, own, self.settings, arm.name, lambda amount=1, note="": None)


def encode_on_ray(
    units: Iterable[WorkUnit], arms: Sequence[EncoderArm], settings: ExtractSettings, advance: Advance
) -> Iterator[tuple[WorkUnit, Arrays]]:
    """An `Engine` on the cluster at RAY_ADDRESS, or on this machine.

    GPUs and cores that others use are waited for. Raises UserError if Ray is not installed, has none of them, or loses
    all workers.
    """
    ray = connected()
    kind = "GPU" if settings.device.type == "cuda" else "CPU"
    count = int(ray.cluster_resources().get(kind, 0))
    if not count:
        raise UserError(f"--engine ray (TRAJPROBE_ENGINE): the cluster has no {kind}; take another --device")
    needs = {f"num_{kind.lower()}s": 1}
    shared = ray.put(arms), ray.put(settings)
    actor = ray.remote(**needs)(ArmWorker)
    workers = [actor.remote(*shared) for _ in range(count)]
    try:
        yield from Dispatcher(ray, workers).run(units, arms, advance)
    finally:
        for worker in workers:
            ray.kill(worker)


class Dispatcher:
    """Hands units to workers and takes results back; a unit whose worker is lost is handed out again."""

    def __init__(self, ray: Any, workers: Sequence[Any]) -> None:
        self._ray = ray
        self._starting = {worker.ready.remote(): worker for worker in workers}
        self._load: dict[Any, int] = {}  # worker that runs -> units that it has
        self._running: dict[Any, tuple[int, Any]] = {}  # reference of a result -> number of its unit, worker
        self._held: dict[int, WorkUnit] = {}  # by number: not yielded yet
        self._waiting: deque[int] = deque()  # not handed out
        self._done: dict[int, Arrays] = {}

    def run(
        self, units: Iterable[WorkUnit], arms: Sequence[EncoderArm], advance: Advance
    ) -> Iterator[tuple[WorkUnit, Arrays]]:
        """Yield every unit with its arrays, in order. Raises what a worker raises, and UserError if all are lost."""
        numbered = enumerate(units)
        while True:
            for number, unit in islice(numbered, self._room()):
                self._held[number] = unit
                if unit.stored is None:
                    self._waiting.append(number)
                else:
                    self._done[number] = unit.stored
            self._hand_out()
            if not self._held:
                return
            oldest = next(iter(self._held))
            if oldest in self._done:
                unit = self._held.pop(oldest)
                advance(unit.count, arms[unit.arm].name)
                yield unit, self._done.pop(oldest)
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
            unit = self._held[number]
            self._running[worker.encode.remote(unit.arm, unit.clips)] = number, worker
            self._load[worker] += 1

    def _collect(self) -> None:
        """Wait for one result, or for a worker to start."""
        if not self._load and not self._starting:
            raise UserError(
                "all workers of Ray were lost, most likely for want of memory; finished shards are kept: run again"
            )
        (reference,), _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
        if worker := self._starting.pop(reference, None):
            with suppress(self._ray.exceptions.RayError):  # one that never started has no shards to lose
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
                log.warning("a worker of Ray was lost; its shards go to the other %d", len(self._load))
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
