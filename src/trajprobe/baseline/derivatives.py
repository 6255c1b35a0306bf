"""Velocity, acceleration and jerk of a sampled path, and what follows from them: speed, curvature, torsion.

Differences of noisy points are mostly noise, and each further difference multiplies it. So a cubic is fitted by least
squares to the points around each time, and its derivatives are taken (Savitzky & Golay, Analytical Chemistry 36, 1964;
for uneven times, local polynomial regression: Fan & Gijbels, Local Polynomial Modelling and Its Applications, 1996,
chapter 3). On paths that are cubic in time the derivatives are exact. A path of fewer points than a cubic has
coefficients gets the polynomial through all of them; derivatives that it does not have are zero.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEGREE = 3
STRAIGHT = 1e-9  # share of |v| |a| below which |v x a| is rounding: the path has no plane of curvature there
STILL = 1e-12  # share of the path's largest speed below which a curvature is not defined


@dataclass(frozen=True)
class Motion:
    """Derivatives of a path at M of its points.

    velocity, acceleration, jerk: (M, d), per second, squared and cubed. weight: (M,) seconds that a point stands for.
    """

    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray
    weight: np.ndarray

    @property
    def speed(self) -> np.ndarray:
        """(M,) |v|."""
        return np.linalg.norm(self.velocity, axis=1)

    @property
    def tangential(self) -> np.ndarray:
        """(M,) v . a / |v|, the rate at which the speed changes; 0 where the path stands still."""
        return _ratio((self.velocity * self.acceleration).sum(axis=1), self.speed)

    @property
    def normal(self) -> np.ndarray:
        """(M,) |v x a| / |v|, the acceleration across the path: curvature times squared speed."""
        return _ratio(self._cross(), self.speed)

    @property
    def curvature(self) -> np.ndarray:
        """(M,) |v x a| / |v|^3, one over the radius of the circle that fits the path best; 0 where it stands still.

        do Carmo, Differential Geometry of Curves and Surfaces, 1976, section 1-5, exercise 12, in 3-D. In any number of
        dimensions |v x a|^2 = |v|^2 |a|^2 - (v . a)^2.
        """
        still = self.speed <= STILL * max(self.speed.max(initial=0), 1e-300)
        return np.where(still, 0.0, _ratio(self._cross(), self.speed**3))

    @property
    def torsion(self) -> np.ndarray:
        """(M,) det(v, a, j) / |v x a|^2 of a path in 3-D (same source): how fast it leaves its plane.

        Positive for a right-handed helix. 0 in 2-D, and where the path is straight.
        """
        if self.velocity.shape[1] != 3:
            return np.zeros(len(self.velocity))
        volume = np.linalg.det(np.stack([self.velocity, self.acceleration, self.jerk], axis=1))
        cross = self._cross()
        straight = cross <= STRAIGHT * self.speed * np.linalg.norm(self.acceleration, axis=1)
        return np.where(straight, 0.0, _ratio(volume, cross**2))

    def _cross(self) -> np.ndarray:
        v2, a2 = (self.velocity**2).sum(axis=1), (self.acceleration**2).sum(axis=1)
        va = (self.velocity * self.acceleration).sum(axis=1)
        return np.sqrt(np.maximum(v2 * a2 - va**2, 0))


def differentiate(times: np.ndarray, points: np.ndarray, window: int) -> Motion:
    """The derivatives at every point of one stroke, from the `window` points around it (fewer if it has fewer).

    times: (P,) seconds, strictly increasing; points: (P, d) float64; P >= 2.
    """
    count, width = points.shape[0], min(window, len(points))
    degree = min(DEGREE, width - 1)
    first = np.clip(np.arange(count) - width // 2, 0, count - width)
    rows = first[:, None] + np.arange(width)
    offsets = times[rows] - times[:, None]
    reach = np.abs(offsets).max(axis=1)
    powers = (offsets / reach[:, None])[..., None] ** np.arange(degree + 1)
    fitted = np.linalg.pinv(powers) @ points[rows]  # (P, degree + 1, d)

    def derivative(order: int) -> np.ndarray:
        if order > degree:
            return np.zeros_like(points)
        return math.factorial(order) * fitted[:, order] / reach[:, None] ** order

    gaps = np.diff(times)
    weight = (np.append(gaps, 0) + np.append(0, gaps)) / 2
    return Motion(derivative(1), derivative(2), derivative(3), weight)


def stroke_parts(strokes: np.ndarray | None, count: int) -> list[np.ndarray]:
    """The positions of each stroke's points. strokes: (P,) their numbers; None if all `count` points are one stroke."""
    numbers = np.zeros(count, int) if strokes is None else strokes
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers)]


def step_vectors(points: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """(M, d) the steps from point to point of a path (P, d), within its strokes `parts`."""
    return np.concatenate([np.diff(points[part], axis=0) for part in parts])


def motion_within(times: np.ndarray, points: np.ndarray, window: int, parts: Sequence[np.ndarray]) -> Motion:
    """The motion at the points of all strokes `parts` with two points or more, each differentiated by itself.

    Without such a stroke, one point that stands still.
    """
    motions = [differentiate(times[part], points[part], window) for part in parts if len(part) > 1]
    if not motions:
        nothing = np.zeros((1, points.shape[1]))
        return Motion(nothing, nothing, nothing, np.ones(1))
    return Motion(
        *(
            np.concatenate([getattr(motion, name) for motion in motions])
            for name in ("velocity", "acceleration", "jerk", "weight")
        )
    )


def weighted_quantiles(values: np.ndarray, weight: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The smallest value that is reached for at least each share of the time: (M,), (M,), (Q,) -> (Q,)."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    return values[order][np.minimum(np.searchsorted(share, np.array(levels) * share[-1]), len(values) - 1)]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
