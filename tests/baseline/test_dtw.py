"""Warped distances against the recursion written out cell by cell, and nearest neighbours against published accuracies:
0.872 on Libras with the UEA split (arXiv 1811.00075, DTW_D), 97.74 % on pendigits (UCI, k = 1)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from made_baselines import MIRROR, read_libras
from trajprobe.baseline.dtw import NearestNeighbour, resample, warping_distances

needs_mirror = pytest.mark.skipif(not MIRROR.is_dir(), reason="the data is not in ../shared/mirror")


def recursion(one: np.ndarray, other: np.ndarray, band: int) -> float:
    length = one.shape[1]
    table = np.full((length + 1, length + 1), np.inf)
    table[0, 0] = 0
    for i in range(length):
        for j in range(length):
            if abs(i - j) <= band:
                cost = ((one[:, i] - other[:, j]) ** 2).sum()
                table[i + 1, j + 1] = cost + min(table[i, j + 1], table[i + 1, j], table[i, j])
    return float(table[length, length])


@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 9),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.15, 0.5, 0.9, 1.0]),
)
def test_distances_are_those_of_the_recursion(seed: int, length: int, axes: int, window: float) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(3, axes, length)), rng.normal(size=(2, axes, length))
    band = int(window * (length - 1))
    expected = [[recursion(a, b, band) for b in other] for a in one]
    assert warping_distances(one, other, window) == pytest.approx(np.array(expected), rel=1e-5)


def test_without_a_window_they_are_squared_euclidean_and_blocks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    series = np.random.default_rng(0).normal(size=(30, 2, 6))
    euclidean = ((series[:, None] - series[None]) ** 2).sum(axis=(2, 3))
    assert warping_distances(series, series, 0.0) == pytest.approx(euclidean, rel=1e-5, abs=1e-6)
    whole = warping_distances(series, series, 1.0)
    monkeypatch.setattr("trajprobe.baseline.dtw.PAIRS", 100)
    assert np.array_equal(warping_distances(series, series, 1.0), whole)


def test_a_delayed_copy_is_near_and_a_path_is_resampled_evenly_in_time() -> None:
    times = [np.array([0.0, 1.0, 4.0]), np.array([0.0, 3.0, 4.0])]
    points = [np.array([[0, 0], [1, 1], [4, 0]], np.float32), np.array([[0, 0], [3, 3], [4, 4]], np.float32)]
    series = resample(times, points, 5)
    assert series.shape == (2, 2, 5)
    assert series[0] == pytest.approx(np.array([[0, 1, 2, 3, 4], [0, 1, 2 / 3, 1 / 3, 0]]))
    assert series[1] == pytest.approx(np.tile(np.arange(5.0), (2, 1)))
    pulse = np.zeros((2, 1, 20))
    pulse[0, 0, 5] = pulse[1, 0, 9] = 1
    assert warping_distances(pulse[:1], pulse[1:], 1.0)[0, 0] == 0
    assert warping_distances(pulse[:1], pulse[1:], 0.1)[0, 0] > 0


def accuracy(
    train: np.ndarray, train_y: np.ndarray, test: np.ndarray, test_y: np.ndarray, window: float
) -> float:
    """Of the nearest neighbour, as the learner of the stage classifies."""
    y = np.concatenate([train_y, test_y])
    distances = np.zeros((len(y), len(y)), np.float32)
    distances[len(train) :, : len(train)] = warping_distances(test, train, window)
    learner = NearestNeighbour(distances, y, np.arange(len(y)), int(y.max()) + 1)
    every = np.arange(len(y))
    fit = learner.fit(every[: len(train)], every[len(train) :], [], 0)
    return float((fit.probability.argmax(axis=1) == test_y).mean())


def within_binomial_error(found: float, published: float, count: int) -> bool:
    low, high = binom.interval(0.95, count, published)
    return bool(low <= round(found * count) <= high)


@needs_mirror
@pytest.mark.parametrize("relative", [False, True])
def test_libras_has_the_published_accuracy(relative: bool) -> None:
    """relative: to the first point, as the trajectories of this project are."""
    paths, y, test = read_libras()
    if relative:
        paths = paths - paths[:, :, :1]
    assert (len(paths[~test]), len(paths[test])) == (180, 180)
    found = accuracy(paths[~test], y[~test], paths[test], y[test], 1.0)
    assert within_binomial_error(found, 0.872, 180), found


@needs_mirror
def test_pendigits_has_the_published_accuracy_of_the_nearest_neighbour() -> None:
    texts = [(MIRROR / f"pendigits.{name}").read_text().replace(",", " ") for name in ("tra", "tes")]
    parts = [np.loadtxt(text.splitlines()) for text in texts]
    (train, train_y), (test, test_y) = (
        (part[:, :-1].reshape(-1, 8, 2).transpose(0, 2, 1), part[:, -1].astype(int)) for part in parts
    )
    assert (len(train), len(test)) == (7494, 3498)
    nearest = warping_distances(test, train, 0.0).argmin(axis=1)
    assert round((train_y[nearest] == test_y).mean(), 4) == 0.9774
