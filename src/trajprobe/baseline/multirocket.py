"""`multirocket`: random convolutions of the coordinates and of their differences, and the probe on what they give.

MultiRocket (Tan, Dempster, Bergmeir & Webb, Data Mining and Knowledge Discovery 36, 2022) is among the most accurate
classifiers of time series, and the fastest of these. The transform is that of the library sktime. Its biases are
quantiles of convolutions of training items, so it is fitted on training parts alone. The classifier is the probe of
the encoders in place of a ridge classifier, which gives no probabilities.

In a split half the transform is fitted on all items of the half, of which it uses no label, and the penalty is chosen
on the training part of its first fold: only the variance between halves is needed of it.

aeon, which has a combination with another transform (MultiRocketHydra), cannot be installed beside the NumPy that this
project was tested with.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from trajprobe.artifacts.predictions import Arm, Score
from trajprobe.baseline import dtw
from trajprobe.baseline.dtw import resample
from trajprobe.baseline.learner import Fit, Learner, array_digest, source_digests, train_everywhere
from trajprobe.baseline.task import BASELINE, Outcome, Task, require
from trajprobe.core.costs import stopwatch
from trajprobe.probe import logistic, solver
from trajprobe.probe.folds import Split
from trajprobe.probe.held_out import Half
from trajprobe.probe.logistic import fit_logistic
from trajprobe.probe.targets import Classes


class MultiRocketProbe(Learner):
    """series: (N, d, T) float64. l2_grid: of the probe, from strong to weak."""

    def __init__(
        self,
        series: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        kernels: int,
        l2_grid: np.ndarray,
        inner_folds: int,
    ) -> None:
        self.series, self.y, self.groups, self.n_classes = series, y, groups, n_classes
        self.kernels, self.l2_grid, self.inner_folds = kernels, l2_grid, inner_folds
        own = source_digests(__file__, dtw.__file__, logistic.__file__, solver.__file__)
        self.identity = {
            "multirocket": kernels,
            "series": array_digest(series),
            "l2_grid": l2_grid.tolist(),
            "inner_folds": inner_folds,
            "code": own,
            "libraries": [version("sktime"), version("numba"), np.__version__],
        }

    def fit(self, train: np.ndarray, test: np.ndarray, inner: Sequence[Split], seed: int) -> Fit:
        clock = stopwatch(self.device)
        start = clock()
        transform = self._fit_transform(train, seed)
        rows = self._rows(transform, train)
        model = fit_logistic(rows, self.y[train], self.n_classes, inner, self.l2_grid)
        trained = clock()
        probability = model.probabilities(self._rows(transform, test))
        tested = clock()
        numbers = [np.asarray(part).size for part in (*transform.parameter, *transform.parameter1)]
        parameters = sum(numbers) + (rows.shape[1] + 1) * self.n_classes
        return Fit(probability, trained - start, (tested - trained) / len(test), parameters, 4 * parameters)

    def half_scores(self, half: Half, seed: int) -> dict[Score, np.ndarray]:
        rows, y = self._rows(self._fit_transform(half.items, seed), half.items), self.y[half.items]
        first = half.folds[0][0]
        inner = self._inner(half.items[first], [seed])
        l2 = fit_logistic(rows[first], y[first], self.n_classes, inner, self.l2_grid).l2
        return Classes(y, self.n_classes).half_scores(rows, l2, np.arange(len(y)), half.folds)

    def _fit_transform(self, items: np.ndarray, seed: int) -> Any:
        from sktime.transformations.rocket import MultiRocketMultivariate

        # It seeds the global generator of NumPy, on which nothing here depends.
        transform = MultiRocketMultivariate(num_kernels=self.kernels, random_state=seed, n_jobs=1)
        return transform.fit(self.series[items])

    def _rows(self, transform: Any, items: np.ndarray) -> np.ndarray:
        return np.asarray(transform.transform(self.series[items]), np.float32)


def random_convolutions(task: Task) -> Outcome:
    """The outcome of `multirocket`. Raises UserError if the extra `series` is not installed."""
    require("multirocket", "series", "sktime", "numba")
    settings, paths = task.settings.multirocket, task.paths()
    learner = MultiRocketProbe(
        resample(paths.times, paths.points, settings.points),
        task.inputs.y,
        task.groups,
        task.n_classes,
        settings.kernels,
        task.inputs.l2_grid,
        Learner.inner_folds,
    )
    arms, halves = [Arm(task.name, BASELINE)], len(task.inputs.split_halves)
    return train_everywhere(
        task, [learner], arms, halves, {"kernels": settings.kernels, "points": settings.points}
    )
