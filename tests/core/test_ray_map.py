"""Work on Ray: order, bounds, losses and errors with a Ray that is pretended; a real one is in test_ray_cluster.py."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trajprobe.core.errors import UserError
from trajprobe.core.ray_map import AHEAD, PER_WORKER, Dispatcher, ray_map

COUNT = 40


class LostError(Exception):
    """In the place of ray.exceptions.RayError."""


class TaskError(LostError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Reference:
    def __init__(self, worker: "Worker", job: int) -> None:
        self.worker, self.job = worker, job


class Worker:
    """Doubles a number. Of what it is given after the first `lifetime` jobs nothing comes back."""

    def __init__(self, lifetime: int = COUNT) -> None:
        self.lifetime = lifetime
        self.given = self.has = self.most = 0
        self.do = SimpleNamespace(remote=self._do)
        self.ready = SimpleNamespace(remote=lambda: Reference(self, -1 if lifetime < 0 else 0))

    def _do(self, job: int) -> Reference:
        self.given, self.has = self.given + 1, self.has + 1
        self.most = max(self.most, self.has)
        return Reference(self, job if self.given <= self.lifetime else -1)


def pretended_ray(seed: int) -> Any:
    """Results become ready in any order. The job -1 is lost, the job -2 a mistake of the user's."""
    rng = np.random.default_rng(seed)

    def wait(references: list[Reference], num_returns: int) -> tuple[list[Reference], list[Reference]]:
        return [references[rng.integers(len(references))]], []

    def get(reference: Reference) -> int:
        reference.worker.has -= 1
        if reference.job == -1:
            raise LostError
        if reference.job == -2:
            raise TaskError(UserError("not finite"))
        return 2 * reference.job

    return SimpleNamespace(
        wait=wait, get=get, exceptions=SimpleNamespace(RayError=LostError, RayTaskError=TaskError)
    )


def dispatcher(workers: list[Worker], seed: int = 0) -> Dispatcher[int, int]:
    """Every third result is known."""
    return Dispatcher(pretended_ray(seed), workers, lambda job: 2 * job if job % 3 == 2 else None)


@pytest.mark.parametrize(
    "lifetimes", [[COUNT], [COUNT] * 4, [3, COUNT], [0, 5, 2, COUNT], [9, 9, 20, 9], [-1, COUNT, -1]]
)
def test_results_come_in_order_whatever_is_lost_and_few_are_ahead(
    lifetimes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    workers, taken = [Worker(lifetime) for lifetime in lifetimes], []

    def jobs() -> Iterator[int]:
        for job in range(COUNT):
            taken.append(job)
            yield job

    found = []
    for job, result in dispatcher(workers, len(lifetimes)).run(jobs()):
        assert (job, result) == (len(found), 2 * len(found))
        assert len(taken) <= job + (PER_WORKER + AHEAD) * len(workers)
        found.append(job)
    assert found == list(range(COUNT))
    assert all(worker.most <= PER_WORKER for worker in workers)
    assert sum(worker.given for worker in workers) >= COUNT * 2 // 3
    lost = sum(worker.given > worker.lifetime >= 0 for worker in workers)
    assert len([line for line in caplog.messages if "a worker of Ray was lost" in line]) == lost


def test_when_all_are_lost_it_is_one_line() -> None:
    with pytest.raises(UserError, match="all workers of Ray were lost"):
        list(dispatcher([Worker(2), Worker(3)]).run(range(COUNT)))


def test_the_error_of_a_worker_is_the_users() -> None:
    with pytest.raises(UserError, match=r"^not finite$"):
        list(dispatcher([Worker()]).run(range(-2, 5)))


def test_without_ray_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs the package ray; run `pip install"):
        list(ray_map(abs, [1]))
