"""Kinematic features against closed forms: exponents of Brownian and ballistic motion, spectra of circles, shapes of
lines and balls; their invariances; and paths of two points, strokes, and paths that never move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trajprobe.baseline.kinematics import describe, kinematics, msd_exponent

SECONDS = np.linspace(0, 2, 200)


def features(
    points: np.ndarray, times: np.ndarray | None = None, scale_free: bool = False
) -> dict[str, float]:
    times = np.arange(len(points), dtype=float) if times is None else times
    return describe(times, np.asarray(points, np.float32), None, 9, scale_free)


def circle(turns: float, radius: float = 1.0) -> np.ndarray:
    angle = 2 * np.pi * turns * np.linspace(0, 1, len(SECONDS))
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def test_straight_motion_is_ballistic_and_brownian_motion_is_diffusive() -> None:
    line = np.outer(SECONDS, [1.0, -2.0, 3.0])
    assert msd_exponent(SECONDS, line) == pytest.approx(2, abs=1e-9)
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.normal(size=(40, 3000, 3)), axis=1)
    exponents = [msd_exponent(np.arange(3000.0), walk) for walk in walks]
    error = np.std(exponents, ddof=1) / 40**0.5
    assert error < 0.02
    assert np.mean(exponents) == pytest.approx(1, abs=3 * error)


def test_points_drawn_afresh_have_the_exponent_zero() -> None:
    rng = np.random.default_rng(1)
    exponents = [msd_exponent(np.arange(500.0), rng.normal(size=(500, 3))) for _ in range(20)]
    assert np.mean(exponents) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_all_power_of_a_circle_is_at_its_number_of_turns(turns: int) -> None:
    found = features(circle(turns), SECONDS)
    assert found[f"power_{turns}"] == pytest.approx(1, abs=2e-3)
    assert found["winding"] == pytest.approx(turns, rel=0.02)
    assert found["total_turning"] == pytest.approx(np.log1p(2 * np.pi * turns), rel=0.02)
    assert found["straightness"] == pytest.approx(0, abs=1e-6)


def test_a_circle_has_its_radius_length_curvature_and_equal_extents() -> None:
    found = features(circle(1, radius=3), SECONDS)
    assert found["length"] == pytest.approx(np.log1p(6 * np.pi), rel=1e-3)
    assert found["curvature_50"] == pytest.approx(np.log1p(1 / 3), rel=3e-3)  # a cubic over 16 degrees
    assert found["speed_50"] == pytest.approx(np.log1p(3 * np.pi), rel=1e-3)
    assert found["speed_variation"] == pytest.approx(0, abs=1e-3)
    assert found["extent_1"] == pytest.approx(0.5**0.5, rel=1e-2)
    assert found["anisotropy"] == pytest.approx(0, abs=1e-3)


def test_a_straight_line_is_straight_and_has_one_extent() -> None:
    found = features(np.outer(SECONDS, [3.0, 0.0, 4.0]), SECONDS)
    assert found["straightness"] == pytest.approx(1)
    assert found["persistence"] == pytest.approx(1)
    assert found["anisotropy"] == pytest.approx(1)
    assert found["extent_1"] == pytest.approx(1)
    assert found["duration"] == pytest.approx(np.log1p(2))
    assert found["displacement"] == pytest.approx(np.log1p(10))
    assert found["length"] == pytest.approx(np.log1p(10))
    assert found["radius"] == pytest.approx(np.log1p(10 / 12**0.5), rel=1e-2)  # of a uniform distribution


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_no_feature_depends_on_position_and_orientation(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    times, points = np.cumsum(rng.uniform(0.5, 1, count)), rng.normal(size=(count, 3))
    turned = points @ Rotation.random(rng=seed).as_matrix().T + rng.normal(size=3)
    one, other = (describe(times, path, None, 9, False) for path in (points, turned))
    assert one.keys() == other.keys()
    assert np.isfinite(list(one.values())).all()
    assert list(one.values()) == pytest.approx(list(other.values()), rel=1e-4, abs=1e-4)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_scale_free_features_do_not_depend_on_the_size(seed: int, scale: float) -> None:
    points = np.random.default_rng(seed).normal(size=(20, 2)).cumsum(axis=0)
    one, other = (features(path, scale_free=True) for path in (points, scale * points))
    assert list(one.values()) == pytest.approx(list(other.values()), rel=1e-3, abs=1e-3)
    assert features(points)["length"] != pytest.approx(features(3 * points)["length"])


def test_between_strokes_nothing_is_measured() -> None:
    times, line = np.arange(12.0), np.outer(np.arange(12.0), [1.0, 0.0]).astype(np.float32)
    lifted = line.copy()
    lifted[6:] += [0, 50]
    strokes = np.repeat([0, 1], 6).astype(np.int32)
    found = describe(times, lifted, strokes, 9, False)
    assert found["length"] == pytest.approx(np.log1p(10))
    assert found["speed_90"] == pytest.approx(np.log1p(1))
    assert found["total_turning"] == 0
    assert found["strokes"] == 2
    single = describe(times, lifted, np.repeat([0, 1], [11, 1]).astype(np.int32), 9, False)
    assert np.isfinite(list(single.values())).all()


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_shortest_paths_and_those_that_never_move_have_features(dimensions: int, count: int) -> None:
    times = np.arange(float(count))
    line = np.outer(times, np.ones(dimensions)).astype(np.float32)
    rows, names = kinematics([times] * 2, [line, np.zeros_like(line)], None, 9, False)
    assert rows.shape == (2, len(names))
    assert len(set(names)) == len(names)
    assert np.isfinite(rows).all()
    by_name = dict(zip(names, rows[0], strict=True))
    assert by_name["speed_50"] == pytest.approx(np.log1p(dimensions**0.5))
    assert by_name["msd_exponent"] == pytest.approx(2)
