"""`dtw`: the nearest neighbour under dynamic time warping, the yardstick of time-series classification.

Nothing is trained and nothing chosen: the window is a parameter. (Bagnall et al., The UEA multivariate time series
classification archive, arXiv 1811.00075, 2018, publish its accuracy as DTW_D.)

A nearest neighbour names a class and no probability. It gets the share of training items that their own nearest
neighbour, of another group, classifies correctly; the other classes share the rest. Among neighbours at one distance
the first is taken.

A classifier of time series sees the coordinates as they were recorded, relative to the first point, at even times. It
sees neither orientation nor size removed: these may be what distinguishes the classes. Pen-up jumps are steps like any
other.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline.learner import Fit, Learner, train_everywhere
from trajprobe.baseline.task import BASELINE, Outcome, Task
from trajprobe.core.costs import stopwatch
from trajprobe.core.progress import progress
from trajprobe.probe.folds import Split

PAIRS = 2**14  # of series that are compared at once, which bounds the memory
ROWS = 64  # of the table of distances between two reports of progress
ABOVE_CHANCE = 1e-3  # by which the named class is more probable than the others, at the least


def resample(times: Sequence[np.ndarray], points: Sequence[np.ndarray], count: int) -> np.ndarray:
    """(N, d, count) float64: each path (P, d), linear between its points, at `count` even times from start to end."""
    series = np.empty((len(points), points[0].shape[1], count))
    for own, time, path in zip(series, times, points, strict=True):
        even = np.linspace(time[0], time[-1], count)
        own[:] = [np.interp(even, time, axis) for axis in path.astype(np.float64).T]
    return series


def warping_distances(one: np.ndarray, other: np.ndarray, window: float) -> np.ndarray:
    """(n, m) float32 distances between series (n, d, T) and (m, d, T) under dynamic time warping.

    The sum of squared distances between matched points, over the best match that goes forwards in both series and joins
    their ends (Sakoe & Chiba, IEEE Trans. Acoustics, Speech and Signal Processing 26, 1978), the same match for all
    axes (DTW_D of Shokoohi-Yekta et al., Data Mining and Knowledge Discovery 31, 2017). Points that are farther apart
    than `window`, a share of the length, are not matched (their band); a window of 0 gives squared Euclidean distances.

    For pairs in blocks, one anti-diagonal of the table of costs at a time: D[i, j] = cost[i, j] + min(D[i-1, j],
    D[i, j-1], D[i-1, j-1]) needs the two diagonals before it alone, so all pairs and cells of one are computed at once.
    """
    length = one.shape[2]
    band = int(np.floor(window * (length - 1)))
    distances = np.empty((len(one), len(other)), np.float32)
    step = max(1, PAIRS // len(other))
    for start in range(0, len(one), step):
        distances[start : start + step] = _block(one[start : start + step], other, length, band)
    return distances


def _block(one: np.ndarray, other: np.ndarray, length: int, band: int) -> np.ndarray:
    """As above, for as many pairs as fit into memory. Diagonals are indexed by i; index 0 of each stands for i = -1."""
    one, other = one.astype(np.float32), other.astype(np.float32)
    shape = (length + 1, len(one), len(other))
    before = np.full(shape, np.inf, np.float32)  # diagonal i + j = s - 2
    last = np.full(shape, np.inf, np.float32)  # diagonal i + j = s - 1
    before[0] = 0  # D[-1, -1], on the diagonal -2
    for diagonal in range(2 * length - 1):
        low, high = max(0, diagonal - length + 1), min(length - 1, diagonal)
        low, high = max(low, -(-(diagonal - band) // 2)), min(high, (diagonal + band) // 2)
        now = np.full(shape, np.inf, np.float32)
        for i in range(low, high + 1):
            cost = _squared(one[:, :, i], other[:, :, diagonal - i])
            # D[i, j-1] and D[i-1, j] are on the last diagonal, D[i-1, j-1] on the one before.
            cost += np.minimum(np.minimum(last[i + 1], last[i]), before[i])
            now[i + 1] = cost
        before, last = last, now
    return last[length]


def _squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, d), (m, d) -> (n, m) squared distances."""
    total = np.zeros((len(one), len(other)), np.float32)
    for axis in range(one.shape[1]):
        difference = np.subtract.outer(one[:, axis], other[:, axis])
        difference *= difference
        total += difference
    return total


class NearestNeighbour(Learner):
    """distances: (N, N) float32. seconds: of one distance. numbers: that a training item is."""

    def __init__(
        self,
        distances: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        seconds: float = 0.0,
        numbers: int = 0,
    ) -> None:
        self.distances, self.y, self.groups, self.n_classes = distances, y, groups, n_classes
        self.seconds, self.numbers = seconds, numbers

    def fit(self, train: np.ndarray, test: np.ndarray, inner: Sequence[Split], seed: int) -> Fit:
        nearest = train[self.distances[np.ix_(test, train)].argmin(axis=1)]
        others = self.distances[np.ix_(train, train)]
        others[self.groups[train][:, None] == self.groups[train]] = np.inf
        correct = np.count_nonzero(self.y[train[others.argmin(axis=1)]] == self.y[train])
        # Laplace's rule of succession, so that no class is impossible.
        named = max((correct + 1) / (len(train) + 2), 1 / self.n_classes + ABOVE_CHANCE)
        probability = np.full((len(test), self.n_classes), (1 - named) / (self.n_classes - 1))
        probability[np.arange(len(test)), self.y[nearest]] = named
        numbers = len(train) * self.numbers
        return Fit(
            probability.astype(np.float32),
            training_seconds=self.seconds * len(train) ** 2,
            inference_seconds=self.seconds * len(train),
            parameters=numbers,
            bytes=4 * numbers,
        )


def nearest_warped(task: Task) -> Outcome:
    """The outcome of `dtw`. All N^2 distances are in memory: 4 bytes each."""
    settings = task.settings.dtw
    paths = task.paths()
    series = resample(paths.times, paths.points, settings.points)
    clock = stopwatch("cpu")
    start = clock()
    rows = []
    with progress("baseline dtw: distances", len(series), "items") as advance:
        for first in range(0, len(series), ROWS):
            rows.append(warping_distances(series[first : first + ROWS], series, settings.window))
            advance(len(rows[-1]))
    seconds = (clock() - start) / len(series) ** 2
    learner = NearestNeighbour(
        np.concatenate(rows), task.inputs.y, task.groups, task.n_classes, seconds, series[0].size
    )
    arms, halves = [Arm(task.name, BASELINE)], len(task.inputs.split_halves)
    return train_everywhere(
        task, [learner], arms, halves, {"points": settings.points, "window": settings.window}
    )
