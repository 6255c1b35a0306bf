"""The motions of the families: curves with a formula, then random motions, of which every step is drawn.

Each function takes the phase u, (P,) float64 from 0 to 1 in even steps of time; a generator, for what is drawn beyond
the ranges in `families.py` (a direction, a ratio, the steps); and the family's parameters by name. It returns (P, 3)
float64 in arbitrary units, as the sampling centres and scales every path. z is up; plane curves lie in the x-z plane.
"""

from typing import Final

import numpy as np

TURN: Final = 2 * np.pi


def linear(u: np.ndarray, rng: np.random.Generator, *, heading: float) -> np.ndarray:
    """A straight line at constant speed."""
    return _plane(u * np.cos(TURN * heading), u * np.sin(TURN * heading))


def circular(u: np.ndarray, rng: np.random.Generator, *, turns: float, start: float) -> np.ndarray:
    """Uniform motion on a circle, in either direction."""
    angle = TURN * (start + _either(rng) * turns * u)
    return _plane(np.cos(angle), np.sin(angle))


def helical(
    u: np.ndarray, rng: np.random.Generator, *, turns: float, pitch: float, start: float
) -> np.ndarray:
    """Uniform motion on a circular helix of either handedness. pitch: rise per turn, in radii."""
    angle = TURN * (start + _either(rng) * turns * u)
    return np.stack([np.cos(angle), np.sin(angle), _either(rng) * pitch * turns * u], axis=1)


def parabolic(u: np.ndarray, rng: np.random.Generator, *, height: float, apex: float) -> np.ndarray:
    """A throw without drag: constant horizontal speed, constant downward acceleration. height, apex: in half widths."""
    x = _either(rng) * (2 * u - 1)
    return _plane(x, -height * (x - apex) ** 2)


def sinusoidal(
    u: np.ndarray, rng: np.random.Generator, *, cycles: float, amplitude: float, start: float
) -> np.ndarray:
    """A sine wave along a line. amplitude: in lengths of the line."""
    return _plane(_either(rng) * u, amplitude * np.sin(TURN * (start + cycles * u)))


def zigzag(
    u: np.ndarray, rng: np.random.Generator, *, cycles: float, amplitude: float, start: float
) -> np.ndarray:
    """A triangle wave along a line. amplitude: in lengths of the line."""
    wave = 4 * np.abs((start + cycles * u) % 1 - 0.5) - 1
    return _plane(_either(rng) * u, amplitude * wave)


def spiral(
    u: np.ndarray, rng: np.random.Generator, *, turns: float, inner: float, start: float
) -> np.ndarray:
    """Archimedes' spiral, inwards or outwards, in either direction. inner: smallest radius over largest."""
    radius = inner + (1 - inner) * (u if rng.integers(2) else 1 - u)
    angle = TURN * (start + _either(rng) * turns * u)
    return _plane(radius * np.cos(angle), radius * np.sin(angle))


def lissajous(u: np.ndarray, rng: np.random.Generator, *, delay: float, start: float) -> np.ndarray:
    """Two perpendicular sines with frequency ratio 1:3, 2:3, 3:4 or 3:5, over one period."""
    across, up = ((1, 3), (2, 3), (3, 4), (3, 5))[rng.integers(4)]
    angle = TURN * (start + _either(rng) * u)
    return _plane(np.sin(across * angle + TURN * delay), np.sin(up * angle))


def figure_eight(u: np.ndarray, rng: np.random.Generator, *, turns: float, start: float) -> np.ndarray:
    """Bernoulli's lemniscate."""
    angle = TURN * (start + _either(rng) * turns * u)
    reach = 1 + np.sin(angle) ** 2
    return _plane(np.cos(angle) / reach, np.sin(angle) * np.cos(angle) / reach)


def cycloid(u: np.ndarray, rng: np.random.Generator, *, turns: float, arm: float, start: float) -> np.ndarray:
    """A point on (arm = 1), inside or outside a wheel that rolls without slipping. arm: in radii of the wheel."""
    angle = TURN * (start + turns * u)
    return _plane(_either(rng) * (angle - arm * np.sin(angle)), -arm * np.cos(angle))


def damped_oscillation(
    u: np.ndarray, rng: np.random.Generator, *, cycles: float, decay: float, amplitude: float, start: float
) -> np.ndarray:
    """A damped oscillator recorded on a moving strip. decay: in 1/duration. amplitude: in lengths of the strip."""
    return _plane(_either(rng) * u, amplitude * np.exp(-decay * u) * np.cos(TURN * (start + cycles * u)))


def bouncing(
    u: np.ndarray, rng: np.random.Generator, *, restitution: float, bounces: float, span: float
) -> np.ndarray:
    """A ball dropped while moving sideways; a bounce keeps `restitution` of its speed. span: width in drop heights.

    Time runs in units of the first fall, so the k-th arc lasts 2 r^k and rises to r^(2k).
    """
    arcs = np.arange(1, int(bounces) + 1)
    halves = restitution**arcs  # half the duration of each arc
    landings = 1 + np.concatenate([[0.0], 2 * np.cumsum(halves)])
    clock = landings[-1] * u
    arc = np.clip(np.searchsorted(landings, clock, side="right"), 0, len(arcs))
    peak_at = np.concatenate([[0.0], landings[:-1] + halves])[arc]
    peak = np.concatenate([[1.0], halves**2])[arc]
    return _plane(_either(rng) * span * u, peak - (clock - peak_at) ** 2)


def kepler_orbit(
    u: np.ndarray, rng: np.random.Generator, *, turns: float, eccentricity: float, start: float
) -> np.ndarray:
    """A body on an ellipse around its focus, by Kepler's equation, which Newton's method solves."""
    mean = TURN * (start + _either(rng) * turns * u)
    anomaly = mean + eccentricity * np.sin(mean)
    for _ in range(8):  # converges quadratically: double precision for eccentricities up to 0.9
        anomaly -= (anomaly - eccentricity * np.sin(anomaly) - mean) / (1 - eccentricity * np.cos(anomaly))
    return _plane(np.cos(anomaly) - eccentricity, np.sqrt(1 - eccentricity**2) * np.sin(anomaly))


def random_walk(u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brownian motion: independent Gaussian steps."""
    return _summed(rng.standard_normal((len(u) - 1, 3)))


def ornstein_uhlenbeck(u: np.ndarray, rng: np.random.Generator, *, relaxations: float) -> np.ndarray:
    """Diffusion in a harmonic trap, from equilibrium, with variance 1. relaxations: duration over relaxation time.

    Sampled by its exact transition, valid for any step size (Gillespie, Phys. Rev. E 54, 2084, 1996).
    """
    kept = np.exp(-relaxations / (len(u) - 1))
    path = rng.standard_normal((len(u), 3))
    path[1:] *= np.sqrt(1 - kept**2)
    for step in range(1, len(u)):
        path[step] += kept * path[step - 1]
    return path


def levy_flight(u: np.ndarray, rng: np.random.Generator, *, exponent: float) -> np.ndarray:
    """Steps in all directions with Pareto lengths, P(length > s) = s^-exponent for s > 1."""
    lengths = (1 - rng.random(len(u) - 1)) ** (-1 / exponent)
    return _summed(lengths[:, None] * _directions(rng, len(u) - 1))


def run_and_tumble(u: np.ndarray, rng: np.random.Generator, *, tumbles: float) -> np.ndarray:
    """Straight runs at constant speed with a new direction at every tumble, as bacteria swim (Berg & Brown 1972).

    Tumbles are a Poisson process, observed at the samples. tumbles: their mean number.
    """
    steps = len(u) - 1
    tumbled = rng.random(steps) < 1 - np.exp(-tumbles / steps)
    return _summed(_directions(rng, steps + 1)[np.cumsum(tumbled)])


def fractional_brownian(u: np.ndarray, rng: np.random.Generator, *, hurst: float) -> np.ndarray:
    """Fractional Brownian motion: correlated Gaussian steps, mean square displacement ~ time^(2 hurst).

    Exact, by circulant embedding of the covariance of the steps (Davies & Harte, Biometrika 74, 95, 1987).
    """
    lags = np.arange(len(u), dtype=np.float64)
    covariance = 0.5 * ((lags + 1) ** (2 * hurst) - 2 * lags ** (2 * hurst) + np.abs(lags - 1) ** (2 * hurst))
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    power = np.maximum(np.fft.fft(circle).real, 0)  # negative only by rounding
    spectrum = rng.standard_normal((2, len(circle), 3))
    waves = np.sqrt(power / len(circle))[:, None] * (spectrum[0] + 1j * spectrum[1])
    return _summed(np.fft.fft(waves, axis=0).real[: len(u) - 1])


def _plane(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.stack([x, np.zeros_like(x), z], axis=1)


def _either(rng: np.random.Generator) -> int:
    """-1 or 1, with equal probability."""
    return 2 * int(rng.integers(2)) - 1


def _summed(steps: np.ndarray) -> np.ndarray:
    """(P-1, 3) steps -> (P, 3) positions from the origin."""
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) unit vectors, uniform on the sphere."""
    vectors = rng.standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
