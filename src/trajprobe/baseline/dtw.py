"""`dtw`: the nearest neighbour under dynamic time warping, the yardstick of time-series classification.

Nothing is trained and nothing chosen: the window is a parameter. (Bagnall et al., The UEA multivariate time series
classification archive, arXiv 1811.00075, 2018, publish its accuracy as DTW_D.)

A nearest neighbour names a class and no probability. It gets the share of training items that their own nearest
neighbour, of another group, classifies correctly; the other classes share the rest. Among neighbours at one distance
the first is taken.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline.costs import stopwatch
from trajprobe.baseline.learner import Fit, Learner, train_everywhere
from trajprobe.baseline.series import resample, warping_distances
from trajprobe.baseline.task import BASELINE, Outcome, Task
from trajprobe.core.progress import progress
from trajprobe.probe.folds import Split

ROWS = 64  # of the table of distances between two reports of progress
ABOVE_CHANCE = 1e-3  # by which the named class is more probable than the others, at the least


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
    series = resample(task.trajectories.times, task.trajectories.points, settings.points)
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
