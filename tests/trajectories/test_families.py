"""The families against closed forms: curvature and torsion, conic sections, differential equations, variances,
exponents. Random families are held to their theory over many paths, within five standard errors or more."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose

from trajprobe.trajectories.synthetic import motions
from trajprobe.trajectories.synthetic.families import FAMILIES

U = np.linspace(0, 1, 2001)
STEP = U[1]
TURN = 2 * np.pi


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def derivative(path: np.ndarray) -> np.ndarray:
    return np.gradient(path, STEP, axis=0, edge_order=2)


def inner(values: np.ndarray) -> np.ndarray:
    return values[10:-10]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_finite_paths_with_an_extent(name: str) -> None:
    for seed, points in product(range(20), (2, 3, 50)):
        path = FAMILIES[name].sample(rng(seed), points)
        assert path.shape == (points, 3)
        assert np.isfinite(path).all()
        assert np.ptp(path, axis=0).max() > 0


def test_there_are_the_default_families_and_at_least_ten_more() -> None:
    assert {"linear", "circular", "helical", "parabolic"} < set(FAMILIES)
    assert len(FAMILIES) >= 14
    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.equation
        assert all(low < high for low, high in family.ranges.values())


@pytest.mark.parametrize(
    "name", ["linear", "circular", "parabolic", "zigzag", "spiral", "bouncing", "kepler_orbit"]
)
def test_plane_families_lie_in_the_vertical_plane(name: str) -> None:
    assert not FAMILIES[name].sample(rng(), 40)[:, 1].any()


def test_linear_is_straight_at_constant_speed() -> None:
    path = motions.linear(U, rng(), heading=0.3)
    steps = np.diff(path, axis=0)
    assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-12)
    assert_allclose(np.arctan2(path[-1, 2], path[-1, 0]), 0.3 * TURN - TURN * (0.3 > 0.5), atol=1e-12)


def test_circular_keeps_its_distance_and_its_angular_speed() -> None:
    path = motions.circular(U, rng(), turns=1.2, start=0.1)
    assert_allclose(np.hypot(path[:, 0], path[:, 2]), 1, atol=1e-12)
    angle = np.unwrap(np.arctan2(path[:, 2], path[:, 0]))
    assert_allclose(np.abs(np.diff(angle)), 1.2 * TURN * STEP, atol=1e-12)


def test_both_directions_occur() -> None:
    turned = [
        np.diff(np.unwrap(np.arctan2(*motions.circular(U, rng(s), turns=1, start=0)[:, [2, 0]].T)))[0]
        for s in range(40)
    ]
    assert 8 < sum(step > 0 for step in turned) < 32


def test_helical_has_constant_curvature_and_torsion() -> None:
    rise = 0.5 / TURN
    path = motions.helical(U, rng(), turns=2.0, pitch=0.5, start=0.2)
    first = derivative(path)
    second = derivative(first)
    third = derivative(second)
    across = np.cross(first, second)
    curvature = np.linalg.norm(across, axis=1) / np.linalg.norm(first, axis=1) ** 3
    torsion = (across * third).sum(1) / (across**2).sum(1)
    assert_allclose(inner(curvature), 1 / (1 + rise**2), rtol=1e-4)
    assert_allclose(np.abs(inner(torsion)), rise / (1 + rise**2), rtol=1e-4)


def test_parabolic_falls_with_constant_acceleration() -> None:
    path = motions.parabolic(U, rng(), height=1.5, apex=0.2)
    fit = np.polyfit(path[:, 0], path[:, 2], 2)
    assert_allclose(fit, [-1.5, 0.6, -0.06], atol=1e-10)
    assert_allclose(np.diff(path[:, 2], 2), np.diff(path[:, 2], 2)[0], atol=1e-10)
    assert_allclose(np.abs(np.diff(path[:, 0])), 2 * STEP, atol=1e-12)


def test_sinusoidal_solves_the_wave_equation() -> None:
    z = motions.sinusoidal(U, rng(), cycles=3.0, amplitude=0.3, start=0.15)[:, 2]
    assert_allclose(inner(derivative(derivative(z))), inner(-((3 * TURN) ** 2) * z), atol=0.02)
    assert_allclose(z.max(), 0.3, rtol=1e-4)


def test_zigzag_has_two_slopes_and_its_corners() -> None:
    z = motions.zigzag(U, rng(), cycles=3.0, amplitude=0.2, start=0.15)[:, 2]
    slopes = np.diff(z) / STEP
    steep = np.abs(slopes)[np.abs(np.abs(slopes) - 4 * 3 * 0.2) < 1e-9]
    assert len(steep) >= len(slopes) - 6
    assert np.sum(np.diff(np.sign(slopes)) != 0) == 6
    assert np.abs(z).max() <= 0.2


def test_spiral_grows_evenly_with_its_angle() -> None:
    path = motions.spiral(U, rng(3), turns=3.0, inner=0.1, start=0.4)
    radius = np.hypot(path[:, 0], path[:, 2])
    angle = np.unwrap(np.arctan2(path[:, 2], path[:, 0]))
    slope, _ = np.polyfit(angle, radius, 1)
    assert_allclose(np.polyval(np.polyfit(angle, radius, 1), angle), radius, atol=1e-10)
    assert_allclose(abs(slope), 0.9 / (3 * TURN), rtol=1e-10)
    assert_allclose(sorted([radius[0], radius[-1]]), [0.1, 1], atol=1e-12)


def test_lissajous_holds_two_frequencies_only() -> None:
    seen = set()
    for seed in range(40):
        path = motions.lissajous(np.linspace(0, 1, 65), rng(seed), delay=0.1, start=0.3)[:-1]
        power = np.abs(np.fft.rfft(path, axis=0)) ** 2
        peaks = power.argmax(axis=0)
        assert_allclose(power[peaks[[0, 2]], [0, 2]], power.sum(axis=0)[[0, 2]], rtol=1e-9)
        seen.add((int(peaks[0]), int(peaks[2])))
    assert seen == {(1, 3), (2, 3), (3, 4), (3, 5)}


def test_figure_eight_is_bernoullis_lemniscate() -> None:
    x, _, z = motions.figure_eight(U, rng(), turns=1.0, start=0.2).T
    assert_allclose((x**2 + z**2) ** 2, x**2 - z**2, atol=1e-12)


def test_cycloid_rolls_without_slipping() -> None:
    path = motions.cycloid(U, rng(), turns=2.0, arm=1.0, start=0.0)
    length = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
    assert_allclose(length, 2 * 8, rtol=1e-5)  # Wren 1658: eight radii a turn
    assert_allclose(np.ptp(path[:, 2]), 2, rtol=1e-6)


def test_damped_oscillation_solves_its_equation() -> None:
    decay, pulse = 3.0, 4.0 * TURN
    z = motions.damped_oscillation(U, rng(), cycles=4.0, decay=decay, amplitude=0.5, start=0.1)[:, 2]
    rest = derivative(derivative(z)) + 2 * decay * derivative(z) + (decay**2 + pulse**2) * z
    assert np.abs(inner(rest)).max() < 1e-3 * pulse**2


def test_bouncing_loses_speed_at_each_bounce_and_falls_evenly_between() -> None:
    path = motions.bouncing(np.linspace(0, 1, 40001), rng(), restitution=0.7, bounces=3.4, span=2.0)
    z = path[:, 2]
    assert z.min() > -1e-6
    peaks = [z[0], *z[1:-1][(z[1:-1] > z[:-2]) & (z[1:-1] >= z[2:])]]
    assert_allclose(peaks, [0.7 ** (2 * k) for k in range(4)], atol=1e-6)
    duration = 1 + 2 * sum(0.7**k for k in (1, 2, 3))
    falls = np.diff(z, 2) / (duration / 40000) ** 2
    assert_allclose(np.median(falls), -2, rtol=1e-4)
    assert np.sum(np.abs(falls + 2) > 0.01) <= 6  # two samples at each of three bounces
    assert_allclose(np.abs(path[-1, 0]), 2.0)


def test_kepler_orbit_sweeps_equal_areas_on_an_ellipse() -> None:
    eccentricity = 0.85
    x, _, z = motions.kepler_orbit(U, rng(), turns=1.3, eccentricity=eccentricity, start=0.4).T
    assert_allclose((x + eccentricity) ** 2 + z**2 / (1 - eccentricity**2), 1, atol=1e-12)
    areas = np.abs(x * derivative(z) - z * derivative(x)) / 2
    assert_allclose(areas[20:-20], np.pi * np.sqrt(1 - eccentricity**2) * 1.3, rtol=2e-3)


def test_random_walk_spreads_linearly_in_time() -> None:
    source = rng(1)
    ends = np.array([motions.random_walk(U[:65], source)[[16, 64]] for _ in range(3000)])
    assert_allclose((ends**2).mean(axis=(0, 2)), [16, 64], rtol=0.06)


def test_ornstein_uhlenbeck_is_stationary_and_forgets_exponentially() -> None:
    source = rng(2)
    paths = np.array([motions.ornstein_uhlenbeck(U[:41], source, relaxations=20.0) for _ in range(4000)])
    assert_allclose((paths**2).mean(axis=(0, 2))[[0, 20, 40]], 1, rtol=0.06)
    for lag in (1, 3):
        assert_allclose((paths[:, lag:] * paths[:, :-lag]).mean(), np.exp(-20 * lag / 40), atol=0.01)


def test_levy_flight_has_its_tail() -> None:
    path = motions.levy_flight(np.linspace(0, 1, 200_001), rng(3), exponent=1.5)
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert_allclose(lengths.min(), 1, rtol=1e-4)
    assert_allclose(1 / np.log(lengths).mean(), 1.5, rtol=0.012)  # the Hill estimator over all of them


def test_run_and_tumble_keeps_its_speed_and_turns_as_often_as_it_should() -> None:
    source = rng(4)
    turns = []
    for _ in range(400):
        steps = np.diff(motions.run_and_tumble(U[:101], source, tumbles=8.0), axis=0)
        assert_allclose(np.linalg.norm(steps, axis=1), 1, atol=1e-9)
        turns.append(np.sum(np.abs(np.diff(steps, axis=0)).max(axis=1) > 1e-9))
    assert_allclose(np.mean(turns), 99 * (1 - np.exp(-8 / 100)), atol=0.75)


def test_fractional_brownian_spreads_as_its_exponent_says() -> None:
    source = rng(5)
    paths = np.array([motions.fractional_brownian(U[:33], source, hurst=0.25) for _ in range(4000)])
    for lag in (1, 4, 16):
        moved = paths[:, lag:] - paths[:, :-lag]
        assert_allclose((moved**2).mean(), lag**0.5, rtol=0.04)
