"""Extraction against encoding all clips at once, with a cache that is empty, half full, damaged or shared; and what
must change a shard's key."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trajprobe.encoders.protocol import FeatureMap
from trajprobe.errors import UserError
from trajprobe.features import extraction
from trajprobe.features.cache import ShardCache
from trajprobe.features.extraction import (
    Arm,
    Settings,
    calibrated,
    chosen,
    clips_digest,
    code_digest,
    extract,
    some_clips,
    weights_digest,
)

CPU = torch.device("cpu")
SETTINGS = Settings(["frames", "colours"], ["mean", "per_frame"], {"family": "test"}, CPU, batch=3)


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


class Normalised(Colours):
    def calibrate(self, clips: torch.Tensor) -> None:
        self.factor = 1 / float(clips.float().mean())


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
    clips: np.ndarray, arms: Sequence[Arm], cache: ShardCache, settings: Settings = SETTINGS
) -> list[dict[str, np.ndarray]]:
    """Per arm, all rows of each representation, put where extract says they belong."""
    rows: list[dict[str, np.ndarray]] = [{} for _ in arms]
    for index, start, arrays in extract(clips, arms, settings, cache, nothing):
        for name, array in arrays.items():
            whole = rows[index].setdefault(name, np.full((len(clips), array.shape[1]), np.nan, np.float32))
            whole[start : start + len(array)] = array
    return rows


def arm(encoder: Colours, **identity: object) -> Arm:
    return Arm("an arm", identity or {"factor": encoder.factor}, lambda: encoder)


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
    again = gathered(clips, [Arm("an arm", {"factor": 1.0}, never)], cache)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0])


def test_a_killed_run_goes_on_where_it_was(clips: np.ndarray, cache: ShardCache) -> None:
    interrupted = extract(clips, [arm(Colours())], SETTINGS, cache, nothing)
    next(interrupted)
    next(interrupted)
    interrupted.close()
    encoder = Colours()
    gathered(clips, [arm(encoder)], cache)
    assert encoder.batches == [2]


def test_a_damaged_shard_is_rebuilt_and_only_that_one(clips: np.ndarray, cache: ShardCache) -> None:
    first = gathered(clips, [arm(Colours())], cache)
    path = sorted(cache.folder.glob("*/*.shard"))[1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    encoder = Colours()
    again = gathered(clips, [arm(encoder)], cache)
    assert sum(encoder.batches) in (2, 4)
    assert all(np.array_equal(first[0][name], again[0][name]) for name in first[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: replace(settings, layers=["frames"]),
        lambda settings: replace(settings, identity={"family": "test", "preprocessing": {"size": 64}}),
    ],
)
def test_what_decides_the_features_is_in_the_key(
    change: Callable[[Settings], Settings], clips: np.ndarray, cache: ShardCache
) -> None:
    settings = change(SETTINGS)
    settings = replace(settings, identity={**settings.identity, "layers": list(settings.layers)})
    gathered(clips, [arm(Colours())], cache)
    encoder = Colours()
    gathered(clips, [arm(encoder)], cache, settings)
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
    for encoder in (Colours(), Colours()):  # computed, then out of the cache
        told: list[float] = []

        def advance(amount: float = 1, note: str = "", told: list[float] = told) -> None:
            told.append(amount)

        list(extract(clips, [arm(encoder)], SETTINGS, cache, advance))
        assert sum(told) == 10


def test_an_unknown_layer_is_told(clips: np.ndarray, cache: ShardCache) -> None:
    with pytest.raises(UserError, match="no layer 'colour'; did you mean colours"):
        gathered(clips, [arm(Colours())], cache, replace(SETTINGS, layers=["colour"]))


def test_features_that_are_not_finite_are_refused(clips: np.ndarray, cache: ShardCache) -> None:
    with pytest.raises(UserError, match="frames/mean: the an arm encoder gave NaN or infinite features"):
        gathered(clips, [arm(Colours(float("inf")), broken=True)], cache)
    assert list(cache.folder.glob("*/*.shard")) == []


def test_only_encoders_that_need_it_are_calibrated(clips: np.ndarray) -> None:
    plain = calibrated(Colours, clips, CPU)()
    normalised = calibrated(Normalised, clips, CPU)()
    assert plain.factor == 1.0
    assert normalised.factor == pytest.approx(1 / clips.mean())


def test_some_clips_are_evenly_spaced(clips: np.ndarray) -> None:
    assert np.array_equal(some_clips(clips, 3), clips[[0, 3, 6]])
    assert np.array_equal(some_clips(clips, 99), clips)


def test_card_stands_for_what_the_card_says() -> None:
    assert chosen(["card"], ["mid", "latent"]) == ["mid", "latent"]
    assert chosen(["codes", "card", "mid"], ["mid", "latent"]) == ["codes", "mid", "latent"]


def test_digests(clips: np.ndarray, tmp_path: Path) -> None:
    assert clips_digest(clips) != clips_digest(clips.reshape(10, 4, 2, 4, 3))
    assert clips_digest(clips) == clips_digest(np.asfortranarray(clips))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.safetensors").write_bytes(b"tensors")
    before = weights_digest(tmp_path)
    (tmp_path / "provenance.json").write_text("{}")
    assert weights_digest(tmp_path) == before
    (tmp_path / "sub" / "a.safetensors").write_bytes(b"tensorz")
    assert weights_digest(tmp_path) != before
    assert code_digest() == code_digest()
