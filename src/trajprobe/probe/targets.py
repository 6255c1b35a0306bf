"""What a probe learns: classes by logistic regression, or numbers by ridge regression.

Both have one face, so that folds, split halves and processes are the same for either. A held-out item of a class counts
with whether it is classified correctly. Held-out numbers count together, with the coefficient of determination
    R^2 = 1 - sum_i (y_i - p_i)^2 / sum_i (y_i - mean of y)^2,
whose mean is that of the tested items themselves: 1 at best, 0 for features that say nothing, and below for worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from trajprobe.artifacts.predictions import Score, class_sums
from trajprobe.probe.folds import Fold, Split, is_numeric
from trajprobe.probe.logistic import FittedLogistic, fit_logistic, predict_folds
from trajprobe.probe.ridge import FittedRidge, fit_ridge, predict_split


class Target(Protocol):
    """What is learned of N items.

    counted: how many figures of each score there are in a half.
    """

    @property
    def counted(self) -> int: ...

    def fit(self, rows: np.ndarray, fold: Fold, l2_grid: np.ndarray) -> Any:
        """A model of the training part of `fold`, with its `l2` that the inner folds chose. rows: (N, D)."""

    def predict(self, model: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) predictions and (m, K) probabilities of other rows (m, D)."""

    def half_scores(
        self, rows: np.ndarray, l2: float, items: np.ndarray, folds: Sequence[Split]
    ) -> dict[Score, np.ndarray]:
        """By score, (counted,) float64 sums over the tested items of a half.

        rows: (N, D); folds: positions in `items`.
        """

    def half_sizes(self, items: np.ndarray, folds: Sequence[Split]) -> np.ndarray:
        """(counted,) how many items these are."""


@dataclass(frozen=True)
class Classes:
    """(N,) integers below n_classes; a figure for each class."""

    y: np.ndarray
    n_classes: int

    @property
    def counted(self) -> int:
        return self.n_classes

    def fit(self, rows: np.ndarray, fold: Fold, l2_grid: np.ndarray) -> FittedLogistic:
        return fit_logistic(rows[fold.train], self.y[fold.train], self.n_classes, fold.inner, l2_grid)

    def predict(self, model: FittedLogistic, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probability = model.probabilities(rows)
        return probability.argmax(axis=1), probability

    def half_scores(
        self, rows: np.ndarray, l2: float, items: np.ndarray, folds: Sequence[Split]
    ) -> dict[Score, np.ndarray]:
        probability = predict_folds(rows[items], self.y[items], self.n_classes, folds, l2)
        return class_sums(np.concatenate(probability), self.y[_tested(items, folds)])

    def half_sizes(self, items: np.ndarray, folds: Sequence[Split]) -> np.ndarray:
        return np.bincount(self.y[_tested(items, folds)], minlength=self.n_classes)


@dataclass(frozen=True)
class Numbers:
    """(N,) float64; one figure, R^2 times the number of items."""

    y: np.ndarray

    @property
    def counted(self) -> int:
        return 1

    def fit(self, rows: np.ndarray, fold: Fold, l2_grid: np.ndarray) -> FittedRidge:
        return fit_ridge(rows[fold.train], self.y[fold.train], fold.inner, l2_grid)

    def predict(self, model: FittedRidge, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return model.predict(rows), np.zeros((len(rows), 0), np.float32)

    def half_scores(
        self, rows: np.ndarray, l2: float, items: np.ndarray, folds: Sequence[Split]
    ) -> dict[Score, np.ndarray]:
        tested = self.y[_tested(items, folds)]
        predicted = [
            predict_split(rows, self.y[:, None], [slice(0, 1)], (items[train], items[test]), np.array([l2]))[
                :, 0
            ]
            for train, test in folds
        ]
        unexplained = ((tested - np.concatenate(predicted)) ** 2).mean() / tested.var()
        return {"r2": np.array([len(tested) * (1 - unexplained)])}

    def half_sizes(self, items: np.ndarray, folds: Sequence[Split]) -> np.ndarray:
        return np.array([len(_tested(items, folds))])


def target_of(y: np.ndarray, n_classes: int) -> Target:
    """y: (N,) integers below `n_classes`, or float64 numbers."""
    return Numbers(y) if is_numeric(y) else Classes(y, n_classes)


def _tested(items: np.ndarray, folds: Sequence[Split]) -> np.ndarray:
    return items[np.concatenate([test for _, test in folds])]
