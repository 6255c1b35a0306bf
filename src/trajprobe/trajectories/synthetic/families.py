"""The families of synthetic paths: name, equation, and the ranges from which the parameters of a path are drawn.

u runs from 0 to 1 over the duration of a path. Angles are in turns. Parameters are drawn uniformly from their range;
each sign +- is drawn with probability 1/2. Only shapes matter, as every path is scaled to radius 1. Ranges of related
families overlap (the turns of a circle and of a helix), so that the length of a path does not give its class away.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from trajprobe.trajectories.synthetic import motions

ANY_ANGLE = (0.0, 1.0)


@dataclass(frozen=True)
class MotionFamily:
    """A kind of motion. ranges: [low, high] of each parameter. motion: a function of `motions.py`."""

    name: str
    equation: str
    ranges: Mapping[str, tuple[float, float]]
    motion: Callable[..., np.ndarray]

    def sample(self, rng: np.random.Generator, points: int) -> np.ndarray:
        """One path, (points, 3) float64, evenly spaced in time, in arbitrary units. points: at least 2."""
        drawn = {name: rng.uniform(low, high) for name, (low, high) in self.ranges.items()}
        return self.motion(np.linspace(0.0, 1.0, points), rng, **drawn)


_FAMILIES = (
    MotionFamily("linear", "(x, z) = u (cos heading, sin heading)", {"heading": ANY_ANGLE}, motions.linear),
    MotionFamily(
        "circular",
        "(x, z) = (cos a, sin a), a = start +- turns u",
        {"turns": (0.6, 2.0), "start": ANY_ANGLE},
        motions.circular,
    ),
    MotionFamily(
        "helical",
        "(x, y, z) = (cos a, sin a, +- pitch turns u), a = start +- turns u",
        {"turns": (1.0, 2.5), "pitch": (0.2, 1.0), "start": ANY_ANGLE},
        motions.helical,
    ),
    MotionFamily(
        "parabolic",
        "x = +-(2 u - 1), z = -height (x - apex)^2",
        {"height": (0.8, 2.5), "apex": (-0.4, 0.4)},
        motions.parabolic,
    ),
    MotionFamily(
        "sinusoidal",
        "x = +-u, z = amplitude sin(start + cycles u)",
        {"cycles": (1.5, 4.0), "amplitude": (0.1, 0.35), "start": ANY_ANGLE},
        motions.sinusoidal,
    ),
    MotionFamily(
        "zigzag",
        "x = +-u, z = amplitude triangle(start + cycles u)",
        {"cycles": (1.5, 4.0), "amplitude": (0.1, 0.35), "start": ANY_ANGLE},
        motions.zigzag,
    ),
    MotionFamily(
        "spiral",
        "(x, z) = r (cos a, sin a), a = start +- turns u, r from inner to 1 or from 1 to inner, even in u",
        {"turns": (2.0, 4.0), "inner": (0.05, 0.3), "start": ANY_ANGLE},
        motions.spiral,
    ),
    MotionFamily(
        "lissajous",
        "x = sin(m a + delay), z = sin(n a), a = start +- u, m:n one of 1:3, 2:3, 3:4, 3:5",
        {"delay": (0.05, 0.2), "start": ANY_ANGLE},
        motions.lissajous,
    ),
    MotionFamily(
        "figure_eight",
        "(x, z) = (cos a, sin a cos a) / (1 + sin^2 a), a = start +- turns u",
        {"turns": (0.9, 1.3), "start": ANY_ANGLE},
        motions.figure_eight,
    ),
    MotionFamily(
        "cycloid",
        "x = +-(a - arm sin a), z = -arm cos a, a = start + turns u",
        {"turns": (2.0, 4.0), "arm": (0.6, 1.6), "start": ANY_ANGLE},
        motions.cycloid,
    ),
    MotionFamily(
        "damped_oscillation",
        "x = +-u, z = amplitude exp(-decay u) cos(start + cycles u)",
        {"cycles": (3.0, 6.0), "decay": (2.0, 4.0), "amplitude": (0.3, 0.6), "start": ANY_ANGLE},
        motions.damped_oscillation,
    ),
    MotionFamily(
        "bouncing",
        "x = +-span u, z = restitution^(2k) - (t - t_k)^2, t_k the middle of arc k = 0 ... floor(bounces)",
        {"restitution": (0.6, 0.85), "bounces": (2.0, 5.0), "span": (1.0, 3.0)},
        motions.bouncing,
    ),
    MotionFamily(
        "kepler_orbit",
        "(x, z) = (cos E - e, sqrt(1 - e^2) sin E), E - e sin E = start +- turns u, e = eccentricity",
        {"turns": (0.8, 1.3), "eccentricity": (0.5, 0.85), "start": ANY_ANGLE},
        motions.kepler_orbit,
    ),
    MotionFamily("random_walk", "steps ~ N(0, 1) in x, y and z", {}, motions.random_walk),
    MotionFamily(
        "ornstein_uhlenbeck",
        "dX = -relaxations X du + sqrt(2 relaxations) dW (confined diffusion), from its equilibrium N(0, 1)",
        {"relaxations": (10.0, 40.0)},
        motions.ornstein_uhlenbeck,
    ),
    MotionFamily(
        "levy_flight",
        "steps in uniform directions, P(length > s) = s^-exponent",
        {"exponent": (1.2, 1.8)},
        motions.levy_flight,
    ),
    MotionFamily(
        "run_and_tumble",
        "constant speed, a new uniform direction at each event of a Poisson process of mean number tumbles",
        {"tumbles": (4.0, 10.0)},
        motions.run_and_tumble,
    ),
    MotionFamily(
        "fractional_brownian",
        "Gaussian, <|X(u) - X(v)|^2> ~ |u - v|^(2 hurst) (subdiffusion)",
        {"hurst": (0.15, 0.35)},
        motions.fractional_brownian,
    ),
)
FAMILIES: dict[str, MotionFamily] = {family.name: family for family in _FAMILIES}
