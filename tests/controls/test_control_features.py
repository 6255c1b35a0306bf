"""The controls against their definitions: invariances of the coordinates, area averages, preserved distances, and
noise that depends on nothing but a name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from scipy.stats import kstest

from trajprobe.controls.control_features import (
    PIXELS_SIDE,
    POINTS,
    coordinates,
    hash_noise,
    pixels,
    random_projection,
)


def a_path(seed: int, dimensions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(5, 60))
    return np.sort(rng.uniform(0, 3, count)) + np.arange(count) * 1e-3, rng.normal(
        size=(count, dimensions)
    ).cumsum(0)


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.integers(2, 3))
def test_coordinates_forget_place_and_scale(seed: int, scale: float, dimensions: int) -> None:
    time, path = a_path(seed, dimensions)
    here, there = (coordinates([time], [points]) for points in (path, scale * path + 7))
    np.testing.assert_allclose(here, there, atol=1e-4)
    as_it_lies = here[0, : POINTS * dimensions].reshape(POINTS, dimensions)
    np.testing.assert_allclose(as_it_lies.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose((as_it_lies**2).sum(axis=1).mean(), 1, rtol=1e-5)


def by_parts(row: np.ndarray, dimensions: int = 3) -> list[np.ndarray]:
    """What is described: the path as it lies, in its own axes, and its distances."""
    lies, turned = row[:-120].reshape(2, POINTS, dimensions)
    return [lies, turned, row[-120:]]


@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_on_one_scale_sizes_keep_their_ratio(seed: int, scale: float) -> None:
    time, path = a_path(seed)
    path = path - path[0]
    small, large = coordinates([time, time], [path, scale * path], one_scale=True)
    for one, other in zip(by_parts(small), by_parts(large), strict=True):
        np.testing.assert_allclose(other, scale * one, rtol=1e-4, atol=1e-4 * scale)
    np.testing.assert_allclose(by_parts(small)[0][0], 0, atol=1e-6)  # all start at one place


def test_on_one_clock_speeds_keep_their_ratio_and_a_path_rests_at_its_end() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0]])
    times = [np.array([0.0, 2.0]), np.array([3.0, 11.0])]
    fast, slow = (
        by_parts(row, 2)[0][:, 0] for row in coordinates(times, [line, line], one_scale=True, one_clock=True)
    )
    np.testing.assert_allclose(slow / slow[-1], np.linspace(0, 1, POINTS), atol=1e-6)
    np.testing.assert_allclose(fast / slow[-1], np.minimum(np.linspace(0, 4, POINTS), 1), atol=1e-6)
    alone = coordinates(times, [line, line])[:, : 2 * POINTS]  # a line's own axis may point either way
    np.testing.assert_array_equal(alone[0], alone[1])  # what is lost otherwise


@given(st.integers(0, 10_000))
def test_the_second_half_forgets_the_rotation_and_the_first_follows_it(seed: int) -> None:
    time, path = a_path(seed)
    rotation = Rotation.random(random_state=seed).as_matrix()
    described = [coordinates([time], [points])[0] for points in (path, path @ rotation.T)]
    np.testing.assert_allclose(described[1][-120:], described[0][-120:], atol=1e-4)
    straight, turned = (row[:-120].reshape(2, POINTS, 3) for row in described)
    np.testing.assert_allclose(turned[0], straight[0] @ rotation.T, atol=1e-4)
    skewness = np.abs((straight[1] ** 3).sum(axis=0))
    stable = skewness > 1e-2  # an axis without skewness may point either way
    np.testing.assert_allclose(turned[1][:, stable], straight[1][:, stable], atol=2e-3)


def test_resampling_is_even_in_time() -> None:
    time = np.array([0.0, 1.0, 10.0])
    path = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 9.0]])  # unit speed along a corner
    found = coordinates([time], [path])[0, : 2 * POINTS].reshape(POINTS, 2)
    steps = np.diff(found, axis=0)
    lengths = np.abs(steps).sum(axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-4)


def test_pixels_are_means_over_areas() -> None:
    clips = np.random.default_rng(0).integers(
        0, 256, (3, 2, 4 * PIXELS_SIDE, 4 * PIXELS_SIDE, 3), dtype=np.uint8
    )
    by_hand = clips.reshape(3, 2, PIXELS_SIDE, 4, PIXELS_SIDE, 4, 3).mean(axis=(3, 5, 6)) / 255
    np.testing.assert_allclose(pixels(clips), by_hand.reshape(3, -1), atol=0.6 / 255)


def test_the_projection_keeps_distances_and_does_not_depend_on_the_batch() -> None:
    clips = np.random.default_rng(1).integers(0, 256, (40, 2, 32, 32, 3), dtype=np.uint8)
    projected = random_projection(clips)
    flat = clips.reshape(40, -1) / 255
    true, kept = (np.linalg.norm(rows[:20] - rows[20:], axis=1) for rows in (flat, projected))
    assert np.abs(kept / true - 1).max() < 0.12  # 4 standard deviations of a chi with 512 degrees of freedom
    np.testing.assert_allclose(random_projection(clips[5:9]), projected[5:9], rtol=1e-4, atol=1e-4)


def test_hash_noise_depends_on_the_name_alone_and_is_normal() -> None:
    names = [f"item {number}" for number in range(200)]
    noise = hash_noise(names)
    np.testing.assert_array_equal(hash_noise(names[::-1])[::-1], noise)
    assert kstest(noise.ravel(), "norm").pvalue > 0.01
    correlations = np.corrcoef(noise)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 6 / np.sqrt(noise.shape[1])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_widths_are_what_the_docstrings_say(dimensions: int) -> None:
    items = [a_path(seed, dimensions) for seed in range(4)]
    assert coordinates(*zip(*items, strict=True)).shape == (4, 2 * POINTS * dimensions + 120)
    assert pixels(np.zeros((2, 5, 64, 64, 3), np.uint8)).shape == (2, 5 * PIXELS_SIDE * PIXELS_SIDE)
