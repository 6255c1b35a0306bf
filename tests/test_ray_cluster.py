"""A real Ray cluster of several nodes on this machine, some of which are killed midway: bytes of clips and features."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.schema import load
from trajprobe.extract import extraction
from trajprobe.extract.extraction import ExtractSettings, encode_in_turn, extract_shards
from trajprobe.extract.ray_engine import encode_on_ray
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.params import Params
from trajprobe.render import rendering
from trajprobe.render.rendering import render_batches

ROOT = Path(__file__).parents[1]
MINI = ROOT / "models/magvit2_mini"


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_with_any_workers_and_if_a_node_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Noisy clips of random walks, and two arms of the embedded encoder; the driver's node has no core to work on."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine starves its workers
    monkeypatch.setattr(extraction, "SHARD", 2)
    monkeypatch.setattr(rendering, "BATCH_BYTES", 3 * 5 * 32 * 32 * 3)
    walks = np.random.default_rng(1).normal(size=(31, 12, 3)).cumsum(axis=1)
    drawing = load(Params, ROOT / "params.yaml").render.model_copy(update={"size": 32, "noise": 5.0})

    def drawn(engine: str) -> Iterator[bytes]:
        for batch in render_batches(walks, [np.arange(12.0)] * 31, drawing, workers=1, engine=engine):
            yield batch.tobytes()

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
    drawn_alone = list(drawn("local"))
    assert len(drawn_alone) == 11
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
            assert list(drawn("ray")) == drawn_alone
        killed = gathered("killed", encode_on_ray)
        found = [next(killed) for _ in range(3)]
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        assert found + list(killed) == alone
        killed = drawn("ray")
        found = [next(killed)]
        cluster.remove_node(sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False)
        assert found + list(killed) == drawn_alone
    finally:
        ray.shutdown()
        cluster.shutdown()
