"""The two shortcuts that are kept for comparison: noise is noise (hypothesis: for any clip, in any batch), and the stem
is a convolution, a ReLU, an average and a projection that all arms share."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch.nn.functional import conv3d, pad

from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.encoders import placeholder
from trajprobe.encoders.open_magvit2 import stem

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
NOWHERE = Path("unused")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def stem_card() -> EncoderCard:
    return load_encoder_card("open_magvit2_stem")


def clips(count: int, seed: int = 0, size: int = 128) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, 5, size, size, 3), dtype=np.uint8)
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_noise_depends_on_the_clip_and_the_arm_alone(seed: int, count: int) -> None:
    card = load_encoder_card("placeholder")
    shown = clips(count, seed, size=4)
    encoder = placeholder.initialise(card, NOWHERE, 3, CPU)
    together = encoder.encode(shown, ["noise"])["noise"].grid
    assert together.shape == (count, 1, 1, 1, 512)
    alone = [encoder.encode(shown[index : index + 1], ["noise"])["noise"].grid for index in range(count)]
    assert torch.equal(together, torch.cat(alone))
    for other in (placeholder.initialise(card, NOWHERE, 4, CPU), placeholder.load(card, NOWHERE, CPU)):
        assert not torch.equal(other.encode(shown, ["noise"])["noise"].grid, together)


def test_noise_is_standard_normal_and_independent() -> None:
    encoder = placeholder.load(load_encoder_card("placeholder"), NOWHERE, CPU)
    black = torch.zeros(200, 1, 2, 2, 3, dtype=torch.uint8)
    black[:, 0, 0, 0, 0] = torch.arange(200)  # nearly the same picture, 200 times
    noise = encoder.encode(black, ["noise"])["noise"].grid.reshape(200, 512).numpy()
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert np.abs(np.corrcoef(noise) - np.eye(200)).max() < 0.25


def test_the_stem_by_hand(stem_card: EncoderCard, tmp_path: Path) -> None:
    weight = torch.randn(128, 3, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    save_file({"conv_in.conv_1.weight": weight}, tmp_path / "encoder.safetensors")
    loaded = stem.load(stem_card, tmp_path, CPU)
    found = loaded.encode(clips(2), ["stem"])["stem"].grid
    video = clips(2).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    average = conv3d(pad(video, (1, 1, 1, 1, 2, 0)), weight).clamp(min=0).double().mean(dim=(2, 3, 4))
    expected = average @ loaded.projection.double()
    assert found.shape == (2, 1, 1, 1, 512)
    np.testing.assert_allclose(found.reshape(2, 512), expected, rtol=1e-3, atol=1e-4)


def test_the_stems_arms_share_the_projection(stem_card: EncoderCard) -> None:
    one, other = (stem.initialise(stem_card, NOWHERE, seed, CPU) for seed in (0, 1))
    assert torch.equal(one.projection, other.projection)
    assert not torch.equal(one.conv_in.conv_1.weight, other.conv_in.conv_1.weight)
    assert list(one.state_dict()) == ["conv_in.conv_1.weight"]
    # It keeps squared lengths in expectation.
    assert float(one.projection.square().sum(1).mean()) == pytest.approx(1.0, abs=0.02)
