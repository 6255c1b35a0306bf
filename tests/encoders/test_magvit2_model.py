"""Open-MAGVIT2's encoder against what the original implementation computed from a checkpoint of the same structure
(latents, the map before the final norm, codes; averaged and raw weights; 1, 5 and 17 frames), against the names and
shapes of the published checkpoint, and against itself in float64 on drawn clips, in both memory orders, whatever the
number of threads and the batch. Its convolution is scipy's, its group norm torch's."""

import copy
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.signal import correlate

from trajprobe.checkpoints.tensors import read_tensors
from trajprobe.core.schema import load
from trajprobe.encoders.open_magvit2.network import (
    Architecture,
    CausalConv3d,
    GroupNorm,
    Magvit2Encoder,
    codes,
)
from trajprobe.params import Params
from trajprobe.render.rendering import render_clip
from trajprobe.trajectories.synthetic.families import FAMILIES
from trajprobe.trajectories.synthetic.sampling import sample_item

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "reference" / "open_magvit2"
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
def test_the_original_computes_the_same(frames: int, averaged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's own group norm, which the original uses. It ran in channels-last order, so that its latents carry
    that norm's error (1.4e-3, 0.7e-3 and 4.3e-3 of a float64 run for 1, 5 and 17 frames; 0, 3 and 8 codes differ)."""
    with np.load(REFERENCE / "video_tiny_reference.npz") as saved:
        reference = {name: saved[name] for name in saved.files if name.endswith(f"_T{frames}")}
    video = (torch.from_numpy(reference[f"video_T{frames}"]).float() / 127.5 - 1).permute(0, 4, 1, 2, 3)
    model = tiny(averaged)
    layers = ["mid", "latent"]
    with torch.inference_mode(), monkeypatch.context() as original:
        ours = model.maps(video, layers) if averaged else {}
        original.setattr(GroupNorm, "forward", torch.nn.GroupNorm.forward)
        maps = model.maps(video, layers)
        double = model.double().maps(video.double(), layers) if averaged else {}
    kind = "ema" if averaged else "raw"
    assert relative_error(maps["latent"], reference[f"latent_{kind}_T{frames}"]) <= 1e-5
    if averaged:
        assert relative_error(maps["mid"], reference[f"pre_norm_out_ema_T{frames}"]) <= 1e-5
        assert np.array_equal(codes(maps["latent"]).numpy(), reference[f"codes_ema_T{frames}"])
        assert torch.equal(codes(ours["latent"]), codes(double["latent"]))
        for layer in layers:
            assert relative_error(ours[layer], double[layer].numpy()) <= 1e-5


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


def test_drawn_clips_against_float64() -> None:
    """Clips as the product draws them: mostly one flat colour, where sums lose most. Measured: at most 3.1e-6 in
    channels-last order and 1.8e-6 in torch's usual one; torch's own group norm is off by 7e-3 in the first."""
    torch.manual_seed(0)
    assert_exact(Magvit2Encoder(TINY), drawn(4, 5), threads=(1, 2), batches=(1, 4))


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_long_drawn_clips_against_float64(count: int) -> None:
    """Measured: at most 2.8e-6, where torch's own group norm is off by 2e-3 for a clip alone and 3e-2 for four."""
    torch.manual_seed(0)
    assert_exact(
        Magvit2Encoder(TINY), drawn(count, 17), threads=(2,) if count == 1 else (1, 2), batches=(count,)
    )


@pytest.mark.slow
@pytest.mark.parametrize("frames", [5, 17])
def test_drawn_clips_against_float64_at_full_size(frames: int) -> None:
    """Measured for 5 frames: 7.3e-6 in channels-last order, 3.1e-6 in torch's usual one; most of it is due to the
    convolutions."""
    torch.manual_seed(0)
    assert_exact(Magvit2Encoder(PUBLISHED), drawn(1, frames), threads=(2,), batches=(1,))


def drawn(count: int, frames: int) -> torch.Tensor:
    """(count, 3, frames, 128, 128) float32 in [-1, 1]: paths of the default families, drawn as params.yaml says."""
    params = load(Params, ROOT / "params.yaml")
    render = params.render.model_copy(update={"frames": frames})
    names = params.synthesis.families
    clips = []
    for index in range(count):
        times, points = sample_item(FAMILIES[names[index % len(names)]], index, params.synthesis)
        clips.append(render_clip(points, times, render, index))
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def assert_exact(
    model: Magvit2Encoder, videos: torch.Tensor, threads: Sequence[int], batches: Sequence[int]
) -> None:
    """In either memory order, on each number of threads and in each size of batch, the maps of every clip are within
    1e-5 of a float64 run with torch's own group norm, and the codes are equal."""
    layers = ["mid", "latent"]
    model.requires_grad_(False)
    with torch.inference_mode(), pytest.MonkeyPatch.context() as original:
        original.setattr(GroupNorm, "forward", torch.nn.GroupNorm.forward)
        expected = copy.deepcopy(model).double().maps(videos.double(), layers)
    before = torch.get_num_threads()
    try:
        for order, count, batch in product(
            (torch.channels_last_3d, torch.contiguous_format), threads, batches
        ):
            torch.set_num_threads(count)
            with torch.inference_mode():
                found = in_order(model, order).maps(videos[:batch].contiguous(memory_format=order), layers)
            for layer in layers:
                for ours, theirs in zip(
                    found[layer], expected[layer], strict=False
                ):  # of a part of the clips
                    assert relative_error(ours, theirs.numpy()) <= 1e-5, (layer, order, count, batch)
            assert torch.equal(codes(found["latent"]), codes(expected["latent"][:batch])), (
                order,
                count,
                batch,
            )
    finally:
        torch.set_num_threads(before)


def in_order(model: Magvit2Encoder, order: torch.memory_format) -> Magvit2Encoder:
    """The model itself, with its convolutions' weights in this memory order."""
    for parameter in model.parameters():
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=order)
    return model


@pytest.mark.parametrize("order", [torch.channels_last_3d, torch.contiguous_format])
def test_the_group_norm_and_its_gradients_are_torchs_in_float64(order: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (3 + torch.randn(2, 6, 3, 4, 5, generator=generator)).contiguous(memory_format=order).requires_grad_()
    norm, theirs = GroupNorm(3, 6, eps=1e-6), torch.nn.GroupNorm(3, 6, eps=1e-6).double()
    with torch.no_grad():
        norm.weight.copy_(torch.rand(6, generator=generator))
        norm.bias.copy_(torch.rand(6, generator=generator))
    theirs.load_state_dict(norm.state_dict())
    doubled = x.detach().double().contiguous().requires_grad_()
    expected = theirs(doubled)
    pull = torch.randn(x.shape, generator=generator)
    np.testing.assert_allclose(norm(x).detach(), expected.detach(), atol=1e-5)
    (norm(x) * pull).sum().backward()
    (expected * pull.double()).sum().backward()
    for ours, true in ((x, doubled), (norm.weight, theirs.weight), (norm.bias, theirs.bias)):
        assert ours.grad is not None
        assert true.grad is not None
        np.testing.assert_allclose(ours.grad, true.grad, atol=2e-5)
