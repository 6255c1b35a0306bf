"""Order sensitivity against closed forms, and against what is known of the architectures that the cards name.

A bag of frames is insensitive, a difference of ends is not, and the ratios can be counted by hand. Of each card of the
Hub a tiny model is measured: its arms are sensitive but for the random arms of ViViT and TimeSformer, whose time
embeddings are zero at first.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_hub
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.artifacts.features import is_blind, is_confounded
from trajprobe.encoders import resnet
from trajprobe.encoders.protocol import Encoder
from trajprobe.encoders.transformers import encoder as hub_vision
from trajprobe.extract.extraction import EncoderArm, ExtractSettings
from trajprobe.extract.order_sensitivity import disordered, measure_order_sensitivity, order_ratios
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.fetch.stage import fetch

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
# At the headline layer and pooling.
INSENSITIVE = {"vivit_k400": ["random"], "timesformer_k400": ["random"]}


def clips(count: int = 8, frames: int = 6, size: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)


def test_disorders() -> None:
    shown = clips(frames=9)
    made = disordered(shown, 2)
    np.testing.assert_array_equal(made["reversed"][:, 3], shown[:, 5])
    assert (made["static"] == shown[:, 4:5]).all()
    for clip, original in zip(made["shuffled"], shown, strict=True):
        # Pairs of frames stay together, each is somewhere, the odd frame stays at the end.
        pairs = [clip[i : i + 2].tobytes() for i in range(0, 8, 2)]
        before = [original[i : i + 2].tobytes() for i in range(0, 8, 2)]
        assert sorted(pairs) == sorted(before)
        assert pairs != before
        np.testing.assert_array_equal(clip[8], original[8])
    assert all(clip.dtype == np.uint8 and clip.shape == shown.shape for clip in made.values())
    np.testing.assert_array_equal(disordered(shown, 8)["shuffled"], shown)  # one tubelet has no order


def test_closed_forms() -> None:
    """Clip i shows the value i + t in frame t, so that every distance can be counted."""
    frames = 5
    shown = (np.arange(8)[:, None] + np.arange(frames))[:, :, None, None, None].astype(np.uint8)
    shown = np.ascontiguousarray(np.broadcast_to(shown, (8, frames, 2, 2, 3)))

    def encode(batch: np.ndarray) -> Mapping[str, np.ndarray]:
        course = batch.astype(np.float64).mean(axis=(2, 3, 4))
        return {
            "bag": course.mean(axis=1, keepdims=True),
            "last": course[:, -1:],
            "nothing": np.ones((len(batch), 3)),
        }

    made = order_ratios(encode, shown, 1)
    spread = np.median([j - i for i in range(8) for j in range(i + 1, 8)])
    assert made["bag"] == {"shuffled": 0.0, "reversed": 0.0, "static": 0.0}  # the mean of 0..4 is its middle
    assert made["last"]["reversed"] == pytest.approx(4 / spread)
    assert made["last"]["static"] == pytest.approx(2 / spread)
    assert made["last"]["shuffled"] > 0
    assert made["nothing"] == {"shuffled": 0.0, "reversed": 0.0, "static": 0.0}
    assert is_blind(made["bag"])
    assert is_confounded(pretrained=made["last"], random=made["bag"])
    assert not is_confounded(pretrained=made["bag"], random=made["bag"])
    assert not is_confounded(pretrained=made["last"], random=made["last"])
    assert (
        order_ratios(encode, shown[:1], 1)["last"]["reversed"] == 0.0
    )  # one clip has no distance to another
    json.dumps(made)


def measured(
    card: EncoderCard, encoder: Encoder, cache: ShardCache, name: str
) -> dict[str, dict[str, float]]:
    layers, poolings = card.features.layer, [*card.features.pooling, "mean"]
    settings = ExtractSettings(layers, list(dict.fromkeys(poolings)), {"card": card.name}, CPU, batch=8)
    arm = EncoderArm(name, {"arm": name}, lambda: encoder)
    return measure_order_sensitivity(arm, clips(5, 5, 40), card.input, settings, cache)


@pytest.mark.parametrize("name", sorted(tiny_hub.MODELS))
def test_the_arms_of_each_card(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made = tiny_hub.tiny(
        load_encoder_card(name), {"file": str(tiny_hub.publish(name, tmp_path / "published"))}
    )
    folder = tmp_path / "weights"
    folder.mkdir()
    fetch(made, folder)
    cache = ShardCache(tmp_path / "cache")
    arms = {
        "pretrained": measured(made, hub_vision.load(made, folder, CPU), cache, "pretrained"),
        "random": measured(made, hub_vision.initialise(made, folder, 0, CPU), cache, "random"),
    }
    headline = f"{made.features.layer[0]}/{made.features.pooling[0]}"
    found = [arm for arm, ratios in arms.items() if is_blind(ratios[headline])]
    assert found == INSENSITIVE.get(name, [])
    if made.input.frames == "any":  # image models under a mean
        assert all(is_blind(ratios[f"{made.features.layer[0]}/mean"]) for ratios in arms.values())
    if name == "timesformer_k400":  # the first initialisation stands for all
        other = measured(made, hub_vision.initialise(made, folder, 1, CPU), cache, "random 1")
        assert is_blind(other[headline])
        assert is_confounded(arms["pretrained"][headline], arms["random"][headline])
    if name == "vivit_k400":  # motion within its tubelets is visible all the same
        assert arms["random"][headline]["static"] > 0.01


def test_the_ratios_are_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made = load_encoder_card("cifar_resnet20")
    encoder = resnet.initialise(made, tmp_path, 0, CPU)
    encoder.calibrate(torch.from_numpy(clips(4, 5, 40)))
    cache = ShardCache(tmp_path / "cache")
    first = measured(made, encoder, cache, "random")
    assert first["penultimate/mean"]["shuffled"] < 1e-4
    assert first["penultimate/per_frame"]["shuffled"] > 0.1
    monkeypatch.setattr(encoder, "encode", None)
    assert measured(made, encoder, cache, "random") == first
