"""How often clips are read, by counting: once for all arms if they fit, and always ahead of the encoder."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from trajprobe.encoders.protocol import FeatureMap
from trajprobe.extract import extraction
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, extract_shards
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.extract.work_units import ShardReader

COUNT, SIZE = 10, 4
MADE = np.random.default_rng(0).integers(0, 256, (COUNT, 2, 4, 4, 3), dtype=np.uint8)
SHARD_BYTES = SIZE * MADE[0].nbytes
CPU = torch.device("cpu")


class CountedClips:
    """Clips that count how often each of them is read."""

    def __init__(self) -> None:
        self.shape = MADE.shape
        self.reads = np.zeros(COUNT, int)

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.reads[rows] += 1
        return MADE[rows].copy()


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_the_first_shards_are_read_once(kept: int) -> None:
    clips = CountedClips()
    reader = ShardReader(clips, SIZE, kept * SHARD_BYTES)  # type: ignore[arg-type]
    assert [reader.rows(number) for number in range(len(reader))] == [slice(0, 4), slice(4, 8), slice(8, 10)]
    for _ in range(10):
        for number in range(3):
            assert np.array_equal(reader.read(number), MADE[reader.rows(number)])
    expected = np.where(np.arange(COUNT) < kept * SIZE, 1, 10)
    assert clips.reads.tolist() == expected.tolist()


class Waiting:
    """An encoder that goes on only after the next shard was asked for: it can if reading is ahead of it."""

    layers = ("pixels",)

    def __init__(self, read: Event) -> None:
        self.read = read

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        assert self.read.wait(timeout=30)
        self.read.clear()
        return {"pixels": FeatureMap(clips.float())}


def test_an_extraction_reads_ahead_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "SHARD", SIZE)
    clips, read, asked = CountedClips(), Event(), 0
    plain = ShardReader.read

    def signalled(reader: ShardReader, number: int) -> np.ndarray:
        nonlocal asked
        asked += 1
        if asked > 3 + 1:  # the digests, and the very first shard, which nothing can be ahead of
            read.set()
        return plain(reader, number)

    monkeypatch.setattr(ShardReader, "read", signalled)
    settings = ExtractSettings(["pixels"], ["mean"], {}, CPU, batch=8)
    arms = [EncoderArm(name, {"arm": name}, lambda: Waiting(read)) for name in ("a", "b")]
    shards = extract_shards(clips, arms, settings, ShardCache(tmp_path), lambda amount=1, note="": None)  # type: ignore[arg-type]
    for taken, (arm, start, arrays) in enumerate(shards, start=1):
        np.testing.assert_allclose(
            arrays["pixels/mean"], MADE[start : start + SIZE].mean((1, 2, 3)), rtol=1e-5
        )
        assert (arm, start) == divmod((taken - 1) * SIZE, 3 * SIZE)
        if taken == 5:
            read.set()  # nothing comes after the last
    assert clips.reads.tolist() == [1] * COUNT
