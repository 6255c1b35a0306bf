"""Open-MAGVIT2's encoder against what the original implementation computed from a checkpoint of the same structure
(latents, the map before the final norm, codes; averaged and raw weights; 1, 5 and 17 frames), against the names and
shapes of the published checkpoint, and its convolution against scipy's. The full size runs against itself in float64
(slow)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.signal import correlate

from trajprobe.checkpoints.tensors import read_tensors
from trajprobe.encoders.magvit2_model import Architecture, CausalConv3d, Magvit2Encoder, codes

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "open_magvit2"
PUBLISHED = Architecture(channels=128, multipliers=[1, 2, 2, 4], res_blocks=4, latent_channels=18)
TINY = Architecture(channels=32, multipliers=[1, 2, 2, 4], res_blocks=1, latent_channels=18)

needs_reference = pytest.mark.skipif(not REFERENCE.exists(), reason="the shared reference is not there")


def relative_error(found: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found.numpy() - expected) / np.linalg.norm(expected))


def tiny(averaged: bool) -> Magvit2Encoder:
    model = Magvit2Encoder(TINY)
    names = {f"encoder.{name}": name for name in model.state_dict()}
    if averaged:
        names = {f"model_ema.{theirs.replace('.', '')}": ours for theirs, ours in names.items()}
    tensors = read_tensors(REFERENCE / "video_tiny.ckpt", names)
    model.load_state_dict({names[theirs]: tensor for theirs, tensor in tensors.items()})
    return model


@needs_reference
@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("frames", [1, 5, 17])
def test_the_original_computes_the_same(frames: int, averaged: bool) -> None:
    with np.load(REFERENCE / "video_tiny_reference.npz") as saved:
        reference = {name: saved[name] for name in saved.files if name.endswith(f"_T{frames}")}
    video = torch.from_numpy(reference[f"video_T{frames}"]).float() / 127.5 - 1
    with torch.inference_mode():
        maps = tiny(averaged).maps(video.permute(0, 4, 1, 2, 3), ["mid", "latent"])
    kind = "ema" if averaged else "raw"
    assert relative_error(maps["latent"], reference[f"latent_{kind}_T{frames}"]) <= 1e-5
    if averaged:
        assert relative_error(maps["mid"], reference[f"pre_norm_out_ema_T{frames}"]) <= 1e-5
        assert np.array_equal(codes(maps["latent"]).numpy(), reference[f"codes_ema_T{frames}"])


@needs_reference
def test_the_full_size_has_the_tensors_of_the_published_checkpoint() -> None:
    manifest = json.loads((REFERENCE / "video_128_262144.manifest.json").read_text())
    published = {
        name.removeprefix("encoder."): shape
        for name, shape in manifest.items()
        if name.startswith("encoder.")
    }
    with torch.device("meta"):
        own = {name: list(tensor.shape) for name, tensor in Magvit2Encoder(PUBLISHED).state_dict().items()}
    assert own == published
    assert len(own) == 133
    assert sum(np.prod(shape) for shape in own.values()) == 144_865_298


@pytest.mark.parametrize(
    ("kernel", "stride"), [(3, (1, 1, 1)), (3, (1, 2, 2)), (3, (2, 2, 2)), (1, (1, 1, 1))]
)
def test_convolution_is_scipys_on_padded_input(kernel: int, stride: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    conv = CausalConv3d(2, 3, kernel, stride, bias=True)
    x = torch.randn(1, 2, 5, 8, 6)
    around = kernel // 2
    padded = np.pad(x.numpy()[0], ((0, 0), (kernel - 1, 0), (around, around), (around, around)))
    weight, bias = conv.conv_1.weight.detach().numpy(), conv.conv_1.bias.detach().numpy()
    full = np.stack([correlate(padded, weight[out], mode="valid")[0] + bias[out] for out in range(3)])
    expected = full[:, :: stride[0], :: stride[1], :: stride[2]]
    np.testing.assert_allclose(conv(x).detach().numpy()[0], expected, atol=1e-5)


def test_the_future_does_not_reach_the_past() -> None:
    torch.manual_seed(0)
    conv = CausalConv3d(3, 4, 3, (2, 2, 2))
    x = torch.randn(1, 3, 9, 8, 8)
    later = x.clone()
    later[:, :, 5:] = 0
    assert torch.equal(conv(x)[:, :, :3], conv(later)[:, :, :3])  # they end at frames 0, 2 and 4
    assert not torch.equal(conv(x)[:, :, 3], conv(later)[:, :, 3])


def test_levels_halve_the_picture_and_time_after_the_first() -> None:
    model = Magvit2Encoder(
        Architecture(channels=4, multipliers=[1, 2, 2, 4], res_blocks=1, latent_channels=5, groups=2)
    )
    layers = ["down.0", "down.1", "down.2", "down.3", "mid", "latent"]
    with torch.inference_mode():
        maps = model.maps(torch.zeros(2, 3, 9, 32, 32), layers)
    shapes = [tuple(maps[layer].shape) for layer in layers]
    assert shapes == [
        (2, 4, 9, 32, 32),
        (2, 8, 9, 16, 16),
        (2, 8, 5, 8, 8),
        (2, 16, 3, 4, 4),
        (2, 16, 3, 4, 4),
        (2, 5, 3, 4, 4),
    ]


def test_codes_count_channel_0_as_the_least_bit() -> None:
    latent = torch.tensor([0.5, -1.0, 2.0, 0.0]).reshape(1, 4, 1, 1, 1)
    assert codes(latent).tolist() == [[[[0b0101]]]]


def test_groups_must_divide_the_width() -> None:
    with pytest.raises(ValidationError, match=r"channels \(16\) must be a multiple of groups \(32\)"):
        Architecture(channels=16, multipliers=[1], res_blocks=1, latent_channels=18)


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["noise", "drawn"])
def test_the_full_size_against_itself_in_float64(clip: str) -> None:
    """In torch's usual memory order and in the product's, two clips at a time, as the product shows them.

    Measured on a CPU: 1e-5 in either order for noise; for a drawn clip, whose mean is far from zero, 1.2e-5 and, since
    torch's GroupNorm sums naively in the product's order (and in the published numbers), 3e-4. No code differs.
    """
    torch.manual_seed(0)
    model = Magvit2Encoder(PUBLISHED)
    video = torch.rand(2, 3, 5, 128, 128) * 2 - 1
    if clip == "drawn":
        video = torch.where(torch.rand(2, 1, 5, 128, 128) < 1 / 30, video, torch.tensor(-0.9))
    layers = ["mid", "latent"]
    with torch.inference_mode():
        ours = model.maps(video.contiguous(memory_format=torch.channels_last_3d), layers)
        for parameter in model.parameters():
            parameter.data = parameter.data.contiguous()
        usual = model.maps(video[:1].contiguous(), layers)
        double = model.double().maps(video[:1].double(), layers)
    assert ours["latent"].shape == (2, 18, 2, 16, 16)
    for layer, expected in double.items():
        assert relative_error(usual[layer], expected.numpy()) < 2e-5, layer
        assert relative_error(ours[layer][:1], expected.numpy()) < (1e-3 if clip == "drawn" else 2e-5), layer
    assert torch.equal(codes(ours["latent"][:1]), codes(double["latent"]))
