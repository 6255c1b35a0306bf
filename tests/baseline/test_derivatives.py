"""Derivatives, curvature and torsion against closed forms: a helix, a circle, cubics, a straight line; and that they
are properties of the path, whatever its position and orientation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trajprobe.baseline.derivatives import differentiate, weighted_quantiles

SECONDS = np.linspace(0, 3, 400)


def helix(radius: float, rise: float, rate: float, times: np.ndarray = SECONDS) -> np.ndarray:
    """(P, 3): right-handed for a positive rise, in lengths per radian."""
    angle = rate * times
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), rise * angle], axis=1)


@pytest.mark.parametrize("rise", [0.7, -0.7, 0.0])
def test_a_helix_has_its_curvature_torsion_speed_and_no_tangential_acceleration(rise: float) -> None:
    radius, rate = 2.0, 3.0
    motion = differentiate(SECONDS, helix(radius, rise, rate), 9)
    inside = slice(5, -5)  # at its ends a window is one-sided
    size = radius**2 + rise**2
    assert motion.speed[inside] == pytest.approx(rate * size**0.5, rel=1e-4)
    assert motion.curvature[inside] == pytest.approx(radius / size, rel=1e-3)
    assert motion.torsion[inside] == pytest.approx(rise / size, rel=1e-2, abs=1e-6)
    assert motion.normal[inside] == pytest.approx(rate**2 * radius, rel=1e-3)
    assert motion.tangential[inside] == pytest.approx(0, abs=1e-2)


def test_cubics_are_differentiated_exactly_at_uneven_times() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.1, 1, 30))
    first, second, third, fourth = rng.normal(size=(4, 2))
    column = times[:, None]
    points = first + second * column + third * column**2 + fourth * column**3
    motion = differentiate(times, points, 7)
    assert motion.velocity == pytest.approx(second + 2 * third * column + 3 * fourth * column**2, rel=1e-6)
    assert motion.acceleration == pytest.approx(2 * third + 6 * fourth * column, rel=1e-6)
    assert motion.jerk == pytest.approx(np.broadcast_to(6 * fourth, points.shape), rel=1e-5)


def test_a_parabola_has_the_curvature_of_its_graph() -> None:
    x = np.linspace(-1, 1, 50)
    motion = differentiate(x, np.stack([x, 1.5 * x**2], axis=1), 9)
    assert motion.curvature == pytest.approx(3 / (1 + 9 * x**2) ** 1.5, rel=1e-8)
    assert (motion.torsion == 0).all()


def test_a_straight_line_has_neither_curvature_nor_torsion() -> None:
    times = np.linspace(0, 1, 20)
    motion = differentiate(times, np.outer(times, [3.0, 4.0, 12.0]), 9)
    assert motion.speed == pytest.approx(13)
    assert motion.curvature == pytest.approx(0, abs=1e-9)
    assert motion.torsion == pytest.approx(0, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 9))
def test_speed_curvature_and_torsion_do_not_depend_on_position_and_orientation(
    seed: int, count: int, window: int
) -> None:
    rng = np.random.default_rng(seed)
    times, points = np.cumsum(rng.uniform(0.5, 1, count)), rng.normal(size=(count, 3))
    turned = points @ Rotation.random(rng=seed).as_matrix().T + rng.normal(size=3)
    one, other = differentiate(times, points, window), differentiate(times, turned, window)
    for name in ("speed", "tangential", "normal", "curvature", "torsion"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4, abs=1e-6), name
        assert np.isfinite(getattr(one, name)).all()


def test_the_weights_are_the_seconds_of_the_path() -> None:
    times = np.array([0.0, 1.0, 4.0, 5.0])
    motion = differentiate(times, np.zeros((4, 2)), 9)
    assert motion.weight == pytest.approx([0.5, 2.0, 2.0, 0.5])


def test_quantiles_are_over_time() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 8.0, 1.0])
    assert weighted_quantiles(values, weight, [0.1, 0.5, 0.85, 0.95]).tolist() == [1, 1, 2, 3]
