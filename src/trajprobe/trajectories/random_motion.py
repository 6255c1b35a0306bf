"""Random motion in three dimensions: every step is drawn.

The functions have the form of those in `curves.py`: phase u (P,), generator, the drawn values by name; (P, 3) out.
"""

import numpy as np


def random_walk(u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brownian motion: independent Gaussian steps."""
    return _summed(rng.standard_normal((len(u) - 1, 3)))


def ornstein_uhlenbeck(u: np.ndarray, rng: np.random.Generator, *, relaxations: float) -> np.ndarray:
    """Diffusion in a harmonic trap, from equilibrium; relaxations: duration over relaxation time.

    Sampled by its exact transition (Gillespie, Phys. Rev. E 54, 2084, 1996), so any step is right; variance 1.
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
    """Straight runs at constant speed, a new direction at every tumble, as bacteria swim (Berg & Brown 1972).

    Tumbles are a Poisson process, seen at the samples; tumbles: their mean number.
    """
    steps = len(u) - 1
    tumbled = rng.random(steps) < 1 - np.exp(-tumbles / steps)
    return _summed(_directions(rng, steps + 1)[np.cumsum(tumbled)])


def fractional_brownian(u: np.ndarray, rng: np.random.Generator, *, hurst: float) -> np.ndarray:
    """Fractional Brownian motion: Gaussian steps with memory, mean square displacement growing as time^(2 hurst).

    Exact, by circulant embedding of the steps' covariance (Davies & Harte, Biometrika 74, 95, 1987).
    """
    lags = np.arange(len(u), dtype=np.float64)
    covariance = 0.5 * ((lags + 1) ** (2 * hurst) - 2 * lags ** (2 * hurst) + np.abs(lags - 1) ** (2 * hurst))
    circle = np.concatenate([covariance, covariance[-2:0:-1]])
    power = np.maximum(np.fft.fft(circle).real, 0)  # never negative for this covariance but for rounding
    spectrum = rng.standard_normal((2, len(circle), 3))
    waves = np.sqrt(power / len(circle))[:, None] * (spectrum[0] + 1j * spectrum[1])
    return _summed(np.fft.fft(waves, axis=0).real[: len(u) - 1])


def _summed(steps: np.ndarray) -> np.ndarray:
    """(P-1, 3) steps as (P, 3) positions from the origin."""
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)])


def _directions(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 3) unit vectors, uniform on the sphere."""
    vectors = rng.standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
