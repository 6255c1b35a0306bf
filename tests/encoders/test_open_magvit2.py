"""The family `open_magvit2`: its layers against the bare model, code statistics against counting them one by one,
its weights file held to the card's architecture, and its random arm."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.encoders.open_magvit2.network import Magvit2Encoder

CPU = torch.device("cpu")
LAYERS = ["down.0", "down.1", "mid", "latent", "codes"]


def card(**changes: object) -> EncoderCard:
    content = {
        "name": "small",
        "summary": "a small one",
        "family": "open_magvit2",
        "architecture": {
            "channels": 4,
            "multipliers": [1, 2],
            "res_blocks": 1,
            "latent_channels": 3,
            "groups": 2,
        },
        "weights": {"file": "small.ckpt"},
        "training": "none",
        "licence": "Apache-2.0",
        "input": {"frames": "4k+1", "size": 16, "scale": "x/127.5 - 1"},
        "features": {"layer": "mid", "pooling": "mean"},
    }
    return validate(EncoderCard, {**content, **changes}, "card")


def clips(count: int = 3, frames: int = 5) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (count, frames, 32, 32, 3), dtype=np.uint8)
    )


def test_layers_are_the_models_maps_channels_last() -> None:
    encoder = open_magvit2.initialise(card(), Path("unused"), 0, CPU)
    assert list(encoder.layers) == LAYERS
    with torch.inference_mode():
        found = encoder.encode(clips(), LAYERS)
        small = torch.nn.functional.avg_pool3d(clips().permute(0, 4, 1, 2, 3).float(), (1, 2, 2)) / 127.5 - 1
        expected = encoder.model.maps(small.contiguous(memory_format=torch.channels_last_3d), LAYERS)
    for layer in ("down.0", "down.1", "mid", "latent"):
        np.testing.assert_allclose(found[layer].grid, expected[layer].permute(0, 2, 3, 4, 1), atol=2e-5)
    assert found["mid"].grid.shape == (3, 5, 8, 8, 8)
    assert list(encoder.encode(clips(), ["codes"])) == ["codes"]


def test_code_statistics_are_counts() -> None:
    encoder = open_magvit2.initialise(card(), Path("unused"), 0, CPU)
    maps = encoder.encode(clips(), ["latent", "codes"])
    latent, statistics = maps["latent"].grid.numpy(), maps["codes"].grid.numpy()
    histogram, transitions = np.split(statistics.mean(axis=(1, 2, 3)), 2, axis=-1)
    for clip in range(3):
        for channel in range(3):
            bits = latent[clip, ..., channel] > 0
            changes = sum(int((before != after).sum()) for before, after in pairwise(bits))
            assert histogram[clip, channel] == pytest.approx(bits.sum() / bits.size)
            assert transitions[clip, channel] == pytest.approx(changes / bits.size)
    assert 0 < histogram.mean() < 1
    assert transitions.sum() > 0


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    encoder = open_magvit2.initialise(card(), Path("unused"), 0, CPU)
    together = encoder.encode(clips(), ["mid"])["mid"].grid
    alone = encoder.encode(clips()[1:2], ["mid"])["mid"].grid
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)


def test_random_initialisations_are_torchs_and_follow_the_seed() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (
        open_magvit2.initialise(card(), Path("unused"), seed, CPU).model for seed in (7, 7, 8)
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(7)
    expected = Magvit2Encoder(open_magvit2.architecture(card()))
    for name, tensor in expected.state_dict().items():
        assert torch.equal(first.state_dict()[name], tensor)
        assert torch.equal(again.state_dict()[name], tensor)
    assert not torch.equal(first.conv_in.conv_1.weight, other.conv_in.conv_1.weight)
    # Kaiming-uniform with a = sqrt(5): uniform within 1 / sqrt(fan-in).
    weight = first.mid_block[0].conv1.conv_1.weight
    bound = (8 * 27) ** -0.5
    assert weight.abs().max() <= bound
    assert float(weight.std()) == pytest.approx(bound / 3**0.5, rel=0.05)


def test_weights_come_back_from_the_file(tmp_path: Path) -> None:
    model = Magvit2Encoder(open_magvit2.architecture(card()))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        tmp_path / open_magvit2.FILE,
    )
    loaded = open_magvit2.load(card(), tmp_path, CPU).model
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


@pytest.mark.parametrize("fault", ["missing", "unexpected", "misshapen"])
def test_weights_that_do_not_fit_are_named(fault: str, tmp_path: Path) -> None:
    tensors = {
        k: v.contiguous() for k, v in Magvit2Encoder(open_magvit2.architecture(card())).state_dict().items()
    }
    match fault:
        case "missing":
            del tensors["mid_block.0.norm1.bias"]
        case "unexpected":
            tensors["mid_block.1.norm1.bias"] = torch.zeros(8)
        case "misshapen":
            tensors["mid_block.0.norm1.bias"] = torch.zeros(4)
    save_file(tensors, tmp_path / open_magvit2.FILE)
    with pytest.raises(
        UserError, match=r"1 tensors are missing, unexpected or misshapen .*mid_block.[01].norm1.bias"
    ):
        open_magvit2.load(card(), tmp_path, CPU)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fetch the weights again"):
        open_magvit2.load(card(), tmp_path, CPU)
    (tmp_path / open_magvit2.FILE).write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(UserError, match="fetch the weights again"):
        open_magvit2.load(card(), tmp_path, CPU)


def test_lengths_other_than_4k_plus_1_are_refused_or_resampled() -> None:
    encoder = open_magvit2.initialise(card(), Path("unused"), 0, CPU)
    with pytest.raises(UserError, match="clips have 4 frames"):
        encoder.encode(clips(1, 4), ["mid"])
    resampling = card(input={"frames": "4k+1", "fit": "resample", "size": 16, "scale": "x/127.5 - 1"})
    resampled = (
        open_magvit2.initialise(resampling, Path("unused"), 0, CPU).encode(clips(1, 4), ["mid"])["mid"].grid
    )
    by_hand = encoder.encode(clips(1, 4)[:, [0, 1, 2, 2, 3]], ["mid"])["mid"].grid
    assert torch.equal(resampled, by_hand)


def test_an_impossible_architecture_is_one_line() -> None:
    wrong = card(architecture={"channels": 4, "multipliers": [1, 2], "res_block": 1, "latent_channels": 3})
    with pytest.raises(
        UserError, match="card of small: architecture: unknown key res_block; did you mean res_blocks"
    ):
        open_magvit2.initialise(wrong, Path("unused"), 0, CPU)
