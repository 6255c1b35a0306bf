"""Distractors do what their kind says, lie beneath the path, and noise has the moments of a clipped Gaussian."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from trajprobe.render.clutter import NOISE_MEAN, NOISE_SD, RADII, add_noise, draw_backgrounds, noise_clip
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import render_clip

Section = Callable[..., RenderParams]
BLACK = {"background": "#000000"}


def ink(pictures: np.ndarray) -> np.ndarray:
    return pictures.max(axis=-1) > 0


def middle(mask: np.ndarray) -> np.ndarray:
    return np.array([(side.min() + side.max()) / 2 for side in np.nonzero(mask)])


def test_without_clutter_there_is_only_the_background(section: Section) -> None:
    frames = draw_backgrounds(section(background="#0a141e"), np.random.default_rng(0))
    assert frames.shape == (5, 128, 128, 3)
    assert (frames == (10, 20, 30)).all()


def test_static_distractors_stay(section: Section) -> None:
    frames = draw_backgrounds(section(static=5, **BLACK), np.random.default_rng(1))
    assert ink(frames[0]).any()
    np.testing.assert_array_equal(frames, np.broadcast_to(frames[0], frames.shape))


def test_a_moving_distractor_goes_straight_at_constant_speed_or_bounces(section: Section) -> None:
    straight = 0
    for seed in range(20):
        render = section(moving=1, shapes=["circle"], frames=9, size=256, **BLACK)
        frames = draw_backgrounds(render, np.random.default_rng(seed))
        masks = ink(frames)
        edges = np.concatenate([masks[:, [0, -1]].any(axis=(1, 2)), masks[:, :, [0, -1]].any(axis=(1, 2))])
        assert masks.any(axis=(1, 2)).all()  # it never leaves
        steps = np.diff([middle(mask) for mask in masks], axis=0)
        if not edges.any() and np.abs(steps - steps[0]).max() < 1.5:
            straight += 1
            assert 0.4 * 256 - 2 <= np.linalg.norm(steps.sum(axis=0)) <= 256
    assert straight >= 4


def test_a_transient_distractor_is_there_for_up_to_half_of_the_frames(section: Section) -> None:
    lengths = []
    for seed in range(60):
        frames = draw_backgrounds(section(transient=1, frames=8, **BLACK), np.random.default_rng(seed))
        there = np.flatnonzero(ink(frames).any(axis=(1, 2)))
        lengths.append(len(there))
        np.testing.assert_array_equal(there, np.arange(there[0], there[0] + len(there)))
        np.testing.assert_array_equal(frames[there[0]], frames[there[-1]])
    assert set(lengths) == {1, 2, 3, 4}


def test_a_clip_of_one_frame_can_have_all_kinds(section: Section) -> None:
    frames = draw_backgrounds(
        section(frames=1, static=1, moving=1, transient=1, **BLACK), np.random.default_rng(0)
    )
    assert ink(frames).any()


# Share of the circumscribed disc that each shape fills, from its geometry.
@pytest.mark.parametrize(
    ("shape", "share"),
    [
        ("circle", 1.0),
        ("square", 2 / np.pi),
        ("triangle", 3 * np.sqrt(3) / 4 / np.pi),
        ("cross", (2 * 1.9 * 0.6 - 0.6**2) / np.pi),
        ("ring", 1 - 0.55**2),
    ],
)
def test_each_shape_has_its_area(section: Section, shape: str, share: float) -> None:
    sizes = []
    for seed in range(30):
        (frame,) = draw_backgrounds(
            section(static=1, shapes=[shape], size=512, frames=1, **BLACK), np.random.default_rng(seed)
        )
        mask = ink(frame)
        if mask[[0, -1]].any() or mask[:, [0, -1]].any():
            continue  # cut off by the border
        area = (frame / frame.max(axis=(0, 1))).mean(axis=2).sum()
        sizes.append(np.sqrt(area / share / np.pi) / 512)
    assert len(sizes) > 15
    assert 0.99 * RADII[0] < min(sizes) < 0.04
    assert 0.06 < max(sizes) < 1.02 * RADII[1]


def test_distractors_lie_beneath_the_path(section: Section) -> None:
    points, times = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0])
    plain = render_clip(points, times, section(), 0)
    busy = render_clip(points, times, section(static=40, moving=20, transient=20), 0)
    full = (plain == (0x3B, 0x82, 0xF6)).all(axis=-1) | (plain == (0xF9, 0x73, 0x16)).all(axis=-1)
    assert full.sum() > 300
    np.testing.assert_array_equal(busy[full], plain[full])
    assert (busy != plain).any(axis=-1).mean() > 0.2


def test_colours_are_muted_towards_the_background(section: Section) -> None:
    for background in ("#000000", "#ffffff"):
        frames = draw_backgrounds(section(static=60, background=background), np.random.default_rng(0))
        away = np.abs(frames.astype(int) - int(background[1:3], 16))
        assert 20 < away.max() < 128


def test_noise_has_the_moments_of_a_clipped_gaussian(section: Section) -> None:
    clip = noise_clip(section(size=256), np.random.default_rng(0))
    assert clip.shape == (5, 256, 256, 3)
    low, high = (np.array([-0.5, 255.5]) - NOISE_MEAN) / NOISE_SD
    beyond = 2 * stats.norm.cdf(low)
    inside = stats.truncnorm(low, high)
    variance = (1 - beyond) * inside.var() * NOISE_SD**2 + beyond * 127.5**2
    assert clip.mean() == pytest.approx(NOISE_MEAN, abs=0.3)
    assert clip.std() == pytest.approx(np.sqrt(variance), rel=0.005)
    assert np.mean((clip == 0) | (clip == 255)) == pytest.approx(beyond, abs=0.004)
    flat = clip.reshape(5, -1) - clip.mean()
    assert np.abs(np.corrcoef(flat) - np.eye(5)).max() < 0.01  # frames are independent


@pytest.mark.parametrize("sd", [0.5, 5.0, 20.0])
def test_pixel_noise_is_centred_with_the_asked_for_deviation(sd: float) -> None:
    clip = np.full((5, 128, 128, 3), 128, np.uint8)
    difference = add_noise(clip, sd, np.random.default_rng(0)).astype(int) - 128
    assert difference.mean() == pytest.approx(0, abs=0.005 * sd + 0.002)
    assert difference.std() == pytest.approx(np.sqrt(sd**2 + 1 / 12), rel=0.02)  # rounding adds 1/12
    assert (clip == 128).all()


def test_pixel_noise_is_clipped_not_wrapped() -> None:
    for level in (0, 255):
        noisy = add_noise(np.full((2, 64, 64, 3), level, np.uint8), 10.0, np.random.default_rng(0))
        assert np.abs(noisy.astype(int) - level).max() < 70
        assert np.mean(noisy == level) == pytest.approx(0.5, abs=0.04)
