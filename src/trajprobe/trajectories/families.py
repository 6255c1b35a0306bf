"""The families of synthetic paths: name, equation, and the ranges from which each path's numbers are drawn.

u runs from 0 to 1 over the duration of a path. Angles are in turns. All numbers are drawn uniformly from their
range; +- is drawn as a coin is tossed. Sizes do not matter, only shapes: every path is scaled to radius 1. Ranges of
related families overlap (the turns of a circle and of a helix), so that the mere amount of line does not tell them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from trajprobe.trajectories import curves, random_motion

Range = tuple[float, float]
ANY_ANGLE: Range = (0.0, 1.0)


@dataclass(frozen=True)
class Family:
    """A kind of motion. ranges: the drawn numbers; curve: phase (P,), generator, drawn numbers -> (P, 3)."""

    name: str
    equation: str
    ranges: Mapping[str, Range]
    curve: Callable[..., np.ndarray]

    def sample(self, rng: np.random.Generator, points: int) -> np.ndarray:
        """One path: (points, 3) float64, evenly spaced in time, in units of its own. points: at least 2."""
        drawn = {name: rng.uniform(low, high) for name, (low, high) in self.ranges.items()}
        return self.curve(np.linspace(0.0, 1.0, points), rng, **drawn)


_FAMILIES = (
    Family("linear", "(x, z) = u (cos heading, sin heading)", {"heading": ANY_ANGLE}, curves.linear),
    Family(
        "circular",
        "(x, z) = (cos a, sin a), a = start +- turns u",
        {"turns": (0.6, 2.0), "start": ANY_ANGLE},
        curves.circular,
    ),
    Family(
        "helical",
        "(x, y, z) = (cos a, sin a, +- pitch turns u), a = start +- turns u",
        {"turns": (1.0, 2.5), "pitch": (0.2, 1.0), "start": ANY_ANGLE},
        curves.helical,
    ),
    Family(
        "parabolic",
        "x = +-(2 u - 1), z = -height (x - apex)^2",
        {"height": (0.8, 2.5), "apex": (-0.4, 0.4)},
        curves.parabolic,
    ),
    Family(
        "sinusoidal",
        "x = +-u, z = amplitude sin(start + cycles u)",
        {"cycles": (1.5, 4.0), "amplitude": (0.1, 0.35), "start": ANY_ANGLE},
        curves.sinusoidal,
    ),
    Family(
        "zigzag",
        "x = +-u, z = amplitude triangle(start + cycles u)",
        {"cycles": (1.5, 4.0), "amplitude": (0.1, 0.35), "start": ANY_ANGLE},
        curves.zigzag,
    ),
    Family(
        "spiral",
        "(x, z) = r (cos a, sin a), a = start +- turns u, r from inner to 1 or from 1 to inner, even in u",
        {"turns": (2.0, 4.0), "inner": (0.05, 0.3), "start": ANY_ANGLE},
        curves.spiral,
    ),
    Family(
        "lissajous",
        "x = sin(m a + delay), z = sin(n a), a = start +- u, m:n one of 1:3, 2:3, 3:4, 3:5",
        {"delay": (0.05, 0.2), "start": ANY_ANGLE},
        curves.lissajous,
    ),
    Family(
        "figure_eight",
        "(x, z) = (cos a, sin a cos a) / (1 + sin^2 a), a = start +- turns u",
        {"turns": (0.9, 1.3), "start": ANY_ANGLE},
        curves.figure_eight,
    ),
    Family(
        "cycloid",
        "x = +-(a - arm sin a), z = -arm cos a, a = start + turns u",
        {"turns": (2.0, 4.0), "arm": (0.6, 1.6), "start": ANY_ANGLE},
        curves.cycloid,
    ),
    Family(
        "damped_oscillation",
        "x = +-u, z = amplitude exp(-decay u) cos(start + cycles u)",
        {"cycles": (3.0, 6.0), "decay": (2.0, 4.0), "amplitude": (0.3, 0.6), "start": ANY_ANGLE},
        curves.damped_oscillation,
    ),
    Family(
        "bouncing",
        "x = +-span u, z = restitution^(2k) - (t - t_k)^2, t_k the middle of arc k = 0 ... floor(bounces)",
        {"restitution": (0.6, 0.85), "bounces": (2.0, 5.0), "span": (1.0, 3.0)},
        curves.bouncing,
    ),
    Family(
        "kepler_orbit",
        "(x, z) = (cos E - e, sqrt(1 - e^2) sin E), E - e sin E = start +- turns u, e = eccentricity",
        {"turns": (0.8, 1.3), "eccentricity": (0.5, 0.85), "start": ANY_ANGLE},
        curves.kepler_orbit,
    ),
    Family("random_walk", "steps ~ N(0, 1) in x, y and z", {}, random_motion.random_walk),
    Family(
        "ornstein_uhlenbeck",
        "dX = -relaxations X du + sqrt(2 relaxations) dW (confined diffusion), from its equilibrium N(0, 1)",
        {"relaxations": (10.0, 40.0)},
        random_motion.ornstein_uhlenbeck,
    ),
    Family(
        "levy_flight",
        "steps in uniform directions, P(length > s) = s^-exponent",
        {"exponent": (1.2, 1.8)},
        random_motion.levy_flight,
    ),
    Family(
        "run_and_tumble",
        "constant speed, a new uniform direction at each event of a Poisson process of mean number tumbles",
        {"tumbles": (4.0, 10.0)},
        random_motion.run_and_tumble,
    ),
    Family(
        "fractional_brownian",
        "Gaussian, <|X(u) - X(v)|^2> ~ |u - v|^(2 hurst) (subdiffusion)",
        {"hurst": (0.15, 0.35)},
        random_motion.fractional_brownian,
    ),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}
