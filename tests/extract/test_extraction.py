"""Extraction against encoding all clips at once, with a cache that is empty, half full, damaged or of another width;
and what must change a shard's key."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from trajprobe.core.errors import UserError
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.extract import extraction
from trajprobe.extract.extraction import EncoderArm, ExtractSettings, extract_shards
from trajprobe.extract.shard_cache import ShardCache

CPU = torch.device("cpu")
SETTINGS = ExtractSettings(["frames", "colours"], ["mean", "per_frame"], {"family": "test"}, CPU, batch=3)


class Colours:
    """An encoder that is easy to predict: `colours` are the pixels over 255, `frames` their sum over colours."""

    layers = ("frames", "colours")

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.batches: list[int] = []

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        self.batches.append(len(clips))
        colours = self.factor * clips.float() / 255
        maps = {"colours": FeatureMap(colours), "frames": FeatureMap(colours.sum(-1, keepdim=True))}
        return {layer: maps[layer] for layer in layers}


@pytest.fixture
def clips(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    monkeypatch.setattr(extraction, "SHARD", 4)
    return np.random.default_rng(0).integers(0, 256, (10, 2, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    return ShardCache(tmp_path / "cache")


def nothing(amount: float = 1, note: str = "") -> None:
    pass


def gathered(
    clips: np.ndarray, arms: Sequence[EncoderArm], cache: ShardCache, settings: ExtractSettings = SETTINGS
) -> list[dict[str, np.ndarray]]:
    """Per arm, all rows of each representation, put where extract says they belong."""
    rows: list[dict[str, np.ndarray]] = [{} for _ in arms]
    for index, start, arrays in extract_shards(clips, arms, settings, cache, nothing):
        for name, array in arrays.items():
            whole = rows[index].setdefault(name, np.full((len(clips), array.shape[1]), np.nan, np.float32))
            whole[start : start + len(array)] = array
    return rows


def arm(encoder: Colours, **identity: object) -> EncoderArm:
    return EncoderArm("an arm", identity or {"factor": encoder.factor}, lambda: encoder)


def never() -> Colours:
    raise AssertionError("the model was built although every shard was there")


def test_shards_together_are_the_whole(clips: np.ndarray, cache: ShardCache) -> None:
    found = gathered(clips, [arm(Colours()), arm(Colours(2.0))], cache)
    scaled = clips.astype(np.float64) / 255
    for rows, factor in zip(found, (1.0, 2.0), strict=True):
        assert sorted(rows) == ["colours/mean", "colours/per_frame", "frames/mean", "frames/per_frame"]
        np.testing.assert_allclose(rows["colours/mean"], factor * scaled.mean(axis=(1, 2, 3)), atol=1e-5)
        expected = factor * scaled.sum(-1).mean(axis=(2, 3))
        np.testing.assert_allclose(rows["frames/per_frame"], expected, atol=1e-5)


def test_nothing_is_computed_twice(clips: np.ndarray, cache: ShardCache) -> None:
    encoder = Colours()
    first = gathered(clips, [arm(encoder)], cache)
    assert encoder.batches == [3, 1, 3, 1, 2]
    again = gathered(clips, [EncoderArm("an arm", {"factor": 1.0}, never)], cache)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0])


def test_a_killed_run_resumes_at_the_first_missing_shard(clips: np.ndarray, cache: ShardCache) -> None:
    interrupted = extract_shards(clips, [arm(Colours())], SETTINGS, cache, nothing)
    next(interrupted)
    next(interrupted)
    interrupted.close()
    encoder = Colours()
    gathered(clips, [arm(encoder)], cache)
    assert encoder.batches == [2]


def test_a_damaged_shard_is_rebuilt_and_only_that_one(clips: np.ndarray, cache: ShardCache) -> None:
    first = gathered(clips, [arm(Colours())], cache)
    path = sorted(Path(cache.place).glob("*/*.shard"))[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    encoder = Colours()
    again = gathered(clips, [arm(encoder)], cache)
    assert sum(encoder.batches) in (2, 4)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0])


def test_a_shard_with_other_rows_than_the_clips_have_is_rebuilt(clips: np.ndarray, cache: ShardCache) -> None:
    """A defect of an earlier version may have written it under the very same key."""
    first = gathered(clips, [arm(Colours())], cache)
    path = sorted(Path(cache.place).glob("*/*.shard"))[0]
    names = [f"{layer}/{pooling}" for layer in SETTINGS.layers for pooling in SETTINGS.poolings]
    cache.put(path.stem, dict.fromkeys(names, np.zeros((1, 3), np.float32)))
    again = gathered(clips, [arm(Colours())], cache)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0])


def test_a_forged_shard_of_another_width_is_one_line(clips: np.ndarray, cache: ShardCache) -> None:
    """Only the encoder knows the width, so that a shard by itself cannot be seen to be wrong."""
    gathered(clips, [arm(Colours())], cache)
    path = sorted(Path(cache.place).glob("*/*.shard"))[0]
    arrays = load(path.read_bytes()[32:])
    cache.put(path.stem, {name: array[:, :-1] for name, array in arrays.items()})
    with pytest.raises(UserError, match=r"have \d+ numbers and \d+;.*cache prune --limit 0"):
        gathered(clips, [arm(Colours())], cache)


def test_identities_are_in_the_key(clips: np.ndarray, cache: ShardCache) -> None:
    gathered(clips, [arm(Colours())], cache)
    settings = replace(SETTINGS, identity={"family": "test", "preprocessing": {"size": 64}})
    for changed, number in ((settings, 1), (SETTINGS, 2)):
        encoder = Colours()
        gathered(clips, [arm(encoder, number=number)], cache, changed)
        assert sum(encoder.batches) == 10


def test_one_changed_pixel_costs_one_shard(clips: np.ndarray, cache: ShardCache) -> None:
    gathered(clips, [arm(Colours())], cache)
    changed = clips.copy()
    changed[5, 0, 0, 0, 0] ^= 1
    encoder = Colours()
    rows = gathered(changed, [arm(encoder)], cache)
    assert sum(encoder.batches) == 4
    np.testing.assert_allclose(rows[0]["colours/mean"], changed.mean(axis=(1, 2, 3)) / 255, atol=1e-5)


def test_progress_counts_every_clip_once(clips: np.ndarray, cache: ShardCache) -> None:
    for encoder in (Colours(), Colours()):  # computed, then from the cache
        amounts: list[float] = []

        def advance(amount: float = 1, note: str = "", amounts: list[float] = amounts) -> None:
            amounts.append(amount)

        list(extract_shards(clips, [arm(encoder)], SETTINGS, cache, advance))
        assert sum(amounts) == 10


def test_an_unknown_layer_is_refused(clips: np.ndarray, cache: ShardCache) -> None:
    with pytest.raises(UserError, match="no layer 'colour'; did you mean colours"):
        gathered(clips, [arm(Colours())], cache, replace(SETTINGS, layers=["colour"]))


def test_features_that_are_not_finite_are_refused(clips: np.ndarray, cache: ShardCache) -> None:
    with pytest.raises(
        UserError, match="frames/mean: the features of the arm 'an arm' contain NaN or infinity"
    ):
        gathered(clips, [arm(Colours(float("inf")), broken=True)], cache)
    assert list(Path(cache.place).glob("*/*.shard")) == []
