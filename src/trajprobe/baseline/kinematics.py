"""`kinematics`: what a student of motion would measure on a path, as numbers for the probe.

All are the same whatever the position and the orientation of the path, and of the camera. With `scale_free` lengths are
in units of the path's radius of gyration, so that its size tells nothing; times stay in seconds. Statistics of speed,
curvature and the like are quantiles over time: a mean of a curvature is the property of its largest value. Lengths are
taken within strokes: nothing is measured while the pen is lifted.

Sizes with long tails enter as log(1 + x), signed ones as asinh(x), because the probe is linear.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline.derivatives import motion_within, step_vectors, stroke_parts, weighted_quantiles
from trajprobe.baseline.probed import probe_features
from trajprobe.baseline.task import BASELINE, Outcome, Task
from trajprobe.core.costs import stopwatch

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the quantiles
HARMONICS = 6  # of the spectrum, each by itself; what is above is one number
LAG_SHARE = 4  # the largest lag of the mean squared displacement is this share of the path


def probe_kinematics(task: Task) -> Outcome:
    """The outcome of `kinematics`."""
    settings, paths = task.settings.kinematics, task.paths()
    clock = stopwatch("cpu")
    start = clock()
    rows, names = kinematics(paths.times, paths.points, paths.strokes, settings.window, settings.scale_free)
    seconds = (clock() - start) / len(rows)
    return probe_features(task, rows, Arm(task.name, BASELINE), seconds, {"features": names})


def kinematics(
    times: Sequence[np.ndarray],
    points: Sequence[np.ndarray],
    strokes: Sequence[np.ndarray] | None,
    window: int,
    scale_free: bool,
) -> tuple[np.ndarray, list[str]]:
    """(N, F) float32 features and their F names, for N paths as in a `TrajectorySet`.

    window: points that each derivative is fitted to. Raises nothing: a path of two points, or one that never moves, has
    features as well.
    """
    rows = [
        describe(time, path, None if strokes is None else strokes[index], window, scale_free)
        for index, (time, path) in enumerate(zip(times, points, strict=True))
    ]
    return np.array([list(row.values()) for row in rows], np.float32), list(rows[0])


def describe(
    times: np.ndarray, points: np.ndarray, strokes: np.ndarray | None, window: int, scale_free: bool
) -> dict[str, float]:
    """The features of one path (P, d), by name. Where a formula is not defined (0 / 0) the feature is 0."""
    path = points.astype(np.float64)
    path -= path.mean(axis=0)
    radius = float(np.sqrt((path**2).sum(axis=1).mean()))
    if scale_free and radius > 0:
        path, radius = path / radius, 1.0
    parts = stroke_parts(strokes, len(path))
    features = {
        **_shape(times, path, radius, parts),
        **_local(times, path, window, parts),
        **_turning(path, parts),
        **_spectrum(times, path),
        "msd_exponent": msd_exponent(times, path),
    }
    return features | {"strokes": float(len(parts))} if strokes is not None else features


def _shape(
    times: np.ndarray, path: np.ndarray, radius: float, parts: Sequence[np.ndarray]
) -> dict[str, float]:
    """Duration; lengths; and the extent along the principal axes.

    straightness: distance between the ends over the length of the path (Batschelet, Circular Statistics in Biology,
    1981, section 12.2). radius: root mean square distance from the centre, the radius of gyration. extent_i: square
    roots of the eigenvalues of the gyration tensor, largest first, as shares of the radius. anisotropy: for eigenvalues
    l_i in d dimensions, sum_i<j (l_i - l_j)^2 / ((d - 1) (sum_i l_i)^2), 1 for a line and 0 for a ball (Rudnick &
    Gaspari, J. Physics A 19, 1986).
    """
    length = float(np.linalg.norm(step_vectors(path, parts), axis=1).sum())
    ends = float(np.linalg.norm(path[-1] - path[0]))
    eigenvalues = np.maximum(np.linalg.eigvalsh(path.T @ path / len(path))[::-1], 0)
    total, dimensions = eigenvalues.sum(), len(eigenvalues)
    spread = sum((one - other) ** 2 for i, one in enumerate(eigenvalues) for other in eigenvalues[:i])
    return {
        "duration": float(np.log1p(times[-1] - times[0])),
        "length": float(np.log1p(length)),
        "displacement": float(np.log1p(ends)),
        "straightness": _over(ends, length),
        "radius": float(np.log1p(radius)),
        "length_per_radius": float(np.log1p(_over(length, radius))),
        **{
            f"extent_{axis}": _over(float(np.sqrt(value)), float(np.sqrt(total)))
            for axis, value in enumerate(eigenvalues, start=1)
        },
        "anisotropy": _over(float(spread), float((dimensions - 1) * total**2)),
    }


def _local(times: np.ndarray, path: np.ndarray, window: int, parts: Sequence[np.ndarray]) -> dict[str, float]:
    """Quantiles over time of what `Motion` gives, and how uneven the speed is (its deviation over its mean)."""
    motion = motion_within(times, path, window, parts)
    speed, weight = motion.speed, motion.weight / motion.weight.sum()
    mean = float(weight @ speed)
    sizes = {"speed": speed, "normal_acceleration": motion.normal, "curvature": motion.curvature}
    signed = {"tangential_acceleration": motion.tangential}
    if path.shape[1] == 3:
        signed["torsion"] = motion.torsion
        sizes["absolute_torsion"] = np.abs(motion.torsion)
    features = {"speed_variation": _over(float(np.sqrt(weight @ (speed - mean) ** 2)), mean)}
    for kind, transform in ((sizes, np.log1p), (signed, np.arcsinh)):
        for name, values in kind.items():
            for level, value in zip(LEVELS, weighted_quantiles(values, weight, LEVELS), strict=True):
                features[f"{name}_{100 * level:.0f}"] = float(transform(value))
    return features


def _turning(path: np.ndarray, parts: Sequence[np.ndarray]) -> dict[str, float]:
    """Angles between successive steps: mean cosine (the persistence of a correlated random walk: Kareiva & Shigesada,
    Oecologia 56, 1983), quantiles, and their sum. In 2-D also the turns to the left minus those to the right, in turns.
    """
    cosines, signed = [np.ones(0)], [np.zeros(0)]
    for part in parts:
        steps = np.diff(path[part], axis=0)
        steps = steps[np.linalg.norm(steps, axis=1) > 0]
        units = steps / np.linalg.norm(steps, axis=1)[:, None]
        cosines.append(np.clip((units[1:] * units[:-1]).sum(axis=1), -1, 1))
        if path.shape[1] == 2:
            cross = units[:-1, 0] * units[1:, 1] - units[:-1, 1] * units[1:, 0]
            signed.append(np.arctan2(cross, cosines[-1]))
    cosine = np.concatenate(cosines)
    angles = np.arccos(cosine) if len(cosine) else np.zeros(1)
    features = {
        "persistence": float(cosine.mean()) if len(cosine) else 1.0,
        "total_turning": float(np.log1p(angles.sum())),
    }
    quantiles = weighted_quantiles(angles, np.ones(len(angles)), LEVELS)
    features |= {f"turning_{100 * level:.0f}": float(q) for level, q in zip(LEVELS, quantiles, strict=True)}
    if path.shape[1] == 2:
        features["winding"] = float(np.concatenate(signed).sum() / (2 * np.pi))
    return features


def _spectrum(times: np.ndarray, path: np.ndarray) -> dict[str, float]:
    """Shares of the power at 1, 2, ... cycles per path, and above, and the entropy of the whole distribution.

    The path is resampled evenly over one period, and the power at a frequency is summed over the axes: by Parseval's
    theorem that sum does not depend on how the axes lie. A path that does not end where it began has the spectrum of
    its jump, which falls with the square of the frequency.
    """
    count = 2 * (HARMONICS + 1) if len(times) < 2 * (HARMONICS + 1) else len(times)
    even = times[0] + (times[-1] - times[0]) * np.arange(count) / count
    evenly = np.stack([np.interp(even, times, axis) for axis in path.T], axis=1)
    power = (np.abs(np.fft.rfft(evenly - evenly.mean(axis=0), axis=0)) ** 2).sum(axis=1)[1:]
    share = power / power.sum() if power.sum() > 0 else np.zeros(len(power))
    positive = share[share > 0]
    return {
        **{f"power_{cycle}": float(share[cycle - 1]) for cycle in range(1, HARMONICS + 1)},
        "power_above": float(share[HARMONICS:].sum()),
        "spectral_entropy": float(-(positive * np.log(positive)).sum() / np.log(len(share))),
    }


def msd_exponent(times: np.ndarray, path: np.ndarray) -> float:
    """a in MSD(lag) ~ lag^a: 2 for straight motion at one speed, 1 for Brownian motion, less if it is confined.

    The mean squared displacement over all pairs of a lag (Qian, Sheetz & Elson, Biophysical J. 60, 1991), on as many
    points as the path has, evenly in time. The slope of log MSD against log lag is fitted with weights 1 / lag, since
    the variance of log MSD grows with the lag (their equation 12). 2 for a path of two points, which has one lag, and 0
    for one that never moves.
    """
    even = np.linspace(times[0], times[-1], len(times))
    evenly = np.stack([np.interp(even, times, axis) for axis in path.T], axis=1)
    longest = max(2, len(path) // LAG_SHARE)
    lags = np.unique(np.round(np.geomspace(1, longest, 12)).astype(int))
    lags = lags[lags < len(path)]
    msd = np.array([((evenly[lag:] - evenly[:-lag]) ** 2).sum(axis=1).mean() for lag in lags])
    lags, msd = lags[msd > 0], msd[msd > 0]
    if len(lags) < 2:
        return 2.0 * len(lags)
    x, y, weight = np.log(lags), np.log(msd), 1 / lags
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    return float((weight * x * y).sum() / (weight * x**2).sum())


def _over(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 0.0
