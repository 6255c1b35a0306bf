"""The Ray engine: order, bounds, losses and errors with a Ray that is pretended; and a real cluster of several nodes on
this machine, one of which is killed midway (slow)."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import load
from trajprobe.extract import extraction
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, encode_in_turn, extract_shards
from trajprobe.extract.ray_engine import AHEAD, PER_WORKER, Dispatcher, encode_on_ray
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.extract.work_units import WorkUnit

COUNT = 40
MINI = Path(__file__).parents[2] / "models/magvit2_mini"
ARMS = [EncoderArm("an arm", {}, lambda: None)]  # type: ignore[arg-type,return-value]


class LostError(Exception):
    """In the place of ray.exceptions.RayError."""


class TaskError(LostError):
    def __init__(self, cause: Exception) -> None:
        self.cause = cause


class Reference:
    def __init__(self, worker: "Worker", clips: np.ndarray) -> None:
        self.worker, self.clips = worker, clips


class Worker:
    """Doubles its clips. Of what it is given after the first `lifetime` units nothing comes back."""

    def __init__(self, lifetime: int = COUNT) -> None:
        self.lifetime = lifetime
        self.given = self.has = self.most = 0
        self.encode = SimpleNamespace(remote=self._encode)
        self.ready = SimpleNamespace(remote=lambda: Reference(self, np.array([-1 if lifetime < 0 else 0])))

    def _encode(self, arm: int, clips: np.ndarray) -> Reference:
        self.given, self.has = self.given + 1, self.has + 1
        self.most = max(self.most, self.has)
        return Reference(self, clips if self.given <= self.lifetime else np.array([-1]))


def pretended_ray(seed: int) -> Any:
    """Results become ready in any order."""
    rng = np.random.default_rng(seed)

    def wait(references: list[Reference], num_returns: int) -> tuple[list[Reference], list[Reference]]:
        return [references[rng.integers(len(references))]], []

    def get(reference: Reference) -> dict[str, np.ndarray]:
        reference.worker.has -= 1
        if reference.clips[0] == -1:
            raise LostError
        if reference.clips[0] == -2:
            raise TaskError(UserError("not finite"))
        return {"a": 2 * reference.clips}

    return SimpleNamespace(
        wait=wait, get=get, exceptions=SimpleNamespace(RayError=LostError, RayTaskError=TaskError)
    )


def made_units(taken: list[int], values: range = range(COUNT)) -> Iterator[WorkUnit]:
    """Every third is stored; `taken` grows as they are asked for."""
    for number in values:
        taken.append(number)
        row = np.array([number])
        yield WorkUnit(0, number, 1, "", {"a": 2 * row} if number % 3 == 2 else None, row)


@pytest.mark.parametrize(
    "lifetimes", [[COUNT], [COUNT] * 4, [3, COUNT], [0, 5, 2, COUNT], [9, 9, 20, 9], [-1, COUNT, -1]]
)
def test_units_come_in_order_whatever_is_lost_and_few_are_ahead(
    lifetimes: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    workers, taken = [Worker(lifetime) for lifetime in lifetimes], []
    amounts: list[float] = []
    results = Dispatcher(pretended_ray(len(lifetimes)), workers).run(
        made_units(taken), ARMS, lambda amount=1, note="": amounts.append(amount)
    )
    for number, (unit, arrays) in enumerate(results):
        assert (unit.start, arrays["a"].tolist()) == (number, [2 * number])
        assert len(taken) <= number + (PER_WORKER + AHEAD) * len(workers)
    assert len(amounts) == COUNT
    assert all(worker.most <= PER_WORKER for worker in workers)
    lost = sum(worker.given > worker.lifetime >= 0 for worker in workers)
    assert len([line for line in caplog.messages if "a worker of Ray was lost" in line]) == lost


def test_when_all_are_lost_it_is_one_line() -> None:
    run = Dispatcher(pretended_ray(0), [Worker(2), Worker(3)]).run(made_units([]), ARMS, lambda *_: None)
    with pytest.raises(UserError, match="all workers of Ray were lost"):
        list(run)


def test_the_error_of_a_worker_is_the_users() -> None:
    run = Dispatcher(pretended_ray(0), [Worker()]).run(made_units([], range(-2, 5)), ARMS, lambda *_: None)
    with pytest.raises(UserError, match=r"^not finite$"):
        list(run)


def test_without_ray_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="needs the package ray; run `pip install"):
        list(encode_on_ray([], ARMS, ExtractSettings([], [], {}, torch.device("cpu"), 8), lambda *_: None))


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_with_any_workers_and_if_a_node_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two arms of the embedded encoder, as in the stage; the driver's node has no core to work on."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine starves its workers
    monkeypatch.setattr(extraction, "SHARD", 2)
    clips = np.random.default_rng(0).integers(0, 256, (24, 5, 16, 16, 3), dtype=np.uint8)
    card, cpu = load(EncoderCard, MINI / "card.yaml"), torch.device("cpu")
    arms = extraction.encoder_arms(card, MINI, "digest", [0], clips, cpu)
    settings = ExtractSettings(["mid"], ["mean_std"], {}, cpu, batch=2)

    def gathered(name: str, engine: extraction.Engine) -> Iterator[bytes]:
        cache = ShardCache(tmp_path / name)
        for arm, start, arrays in extract_shards(clips, arms, settings, cache, lambda *_, **__: None, engine):  # type: ignore[arg-type]
            yield repr((arm, start)).encode() + arrays["mid/mean_std"].tobytes()

    alone = list(gathered("alone", encode_in_turn))
    assert len(alone) == 24
    memory = {"object_store_memory": 100 * 2**20}
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory}
    )
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        for workers in (1, 2, 4):
            while len(cluster.worker_nodes) < workers:
                cluster.add_node(num_cpus=1, **memory)
            cluster.wait_for_nodes()
            assert list(gathered(f"by {workers}", encode_on_ray)) == alone
        killed = gathered("killed", encode_on_ray)
        found = [next(killed) for _ in range(3)]
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        assert found + list(killed) == alone
    finally:
        ray.shutdown()
        cluster.shutdown()
