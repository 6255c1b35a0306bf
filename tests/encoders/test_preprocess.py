"""Preprocessing against numpy: area averages, scales, and (hypothesis) the frames shown of a clip of any length."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.artifacts.encoder_card import Input
from trajprobe.core.errors import UserError
from trajprobe.encoders.preprocess import frame_indices, prepare


def expecting(
    frames: int | str = "any", fit: str = "refuse", size: int = 16, scale: str = "x/127.5 - 1"
) -> Input:
    return Input(frames=frames, fit=fit, size=size, scale=scale)


def clips(count: int = 2, frames: int = 3, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)


def test_pictures_are_area_averaged_and_scaled() -> None:
    shown = clips()
    found = prepare(torch.from_numpy(shown), expecting(size=8))
    areas = shown.astype(np.float64).reshape(2, 3, 8, 4, 8, 4, 3).mean(axis=(3, 5))
    expected = (areas / 127.5 - 1).transpose(0, 1, 4, 2, 3)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_the_right_size_is_left_alone() -> None:
    shown = clips(size=16)
    found = prepare(torch.from_numpy(shown), expecting(size=16)).numpy()
    np.testing.assert_allclose((found + 1) * 127.5, shown.transpose(0, 1, 4, 2, 3), atol=1e-4)


@pytest.mark.parametrize("size", [12, 20, 48])
def test_other_sizes_keep_the_mean_and_a_flat_picture(size: int) -> None:
    flat = np.full((1, 1, 32, 32, 3), 200, np.uint8)
    np.testing.assert_allclose(
        prepare(torch.from_numpy(flat), expecting(size=size)), 200 / 127.5 - 1, atol=1e-5
    )
    shown = clips(1, 1)
    found = prepare(torch.from_numpy(shown), expecting(size=size))
    assert found.shape == (1, 1, 3, size, size)
    assert abs(float(found.mean()) - (shown.mean() / 127.5 - 1)) < 0.02


@given(st.integers(1, 60))
def test_resampling_takes_the_nearest_4k_plus_1(frames: int) -> None:
    indices = frame_indices(frames, expecting("4k+1", "resample"))
    assert len(indices) % 4 == 1
    assert all(abs(len(indices) - frames) <= abs(other - frames) for other in range(1, 80, 4))
    assert indices == sorted(indices)
    assert indices[0] == 0
    assert indices[-1] == frames - 1 or len(indices) == 1
    if frames % 4 == 1:
        assert indices == list(range(frames))


@given(st.integers(1, 40), st.integers(1, 40))
def test_resampling_to_a_number_keeps_the_ends_and_even_steps(frames: int, wanted: int) -> None:
    indices = frame_indices(frames, expecting(wanted, "resample"))
    assert len(indices) == wanted
    assert min(indices) == 0
    assert max(indices) == (frames - 1 if wanted > 1 or frames == 1 else 0)
    steps = np.diff(indices)
    assert steps.size == 0 or steps.max() - steps.min() <= 1


@pytest.mark.parametrize("frames", [2, 3, 4, 6, 7, 8])
def test_other_lengths_are_refused_with_a_remedy(frames: int) -> None:
    wanted = {2: 1, 3: 5, 4: 5, 6: 5, 7: 9, 8: 9}[frames]
    with pytest.raises(
        UserError, match=f"clips have {frames} frames.*takes 4k.1: set render.frames to {wanted}"
    ):
        prepare(torch.from_numpy(clips(1, frames)), expecting("4k+1"))


def test_pictures_must_be_square() -> None:
    with pytest.raises(UserError, match="square, got 16 x 32"):
        prepare(torch.zeros(1, 1, 32, 16, 3, dtype=torch.uint8), expecting())


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(UserError, match=r"unknown scale 'x/127 - 1'; did you mean x/127.5 - 1"):
        prepare(torch.from_numpy(clips()), expecting(scale="x/127 - 1"))
