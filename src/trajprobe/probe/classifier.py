"""The probe as a scikit-learn classifier, and the base class of classifiers that choose something by inner folds.

The stages that probe thousands of times call `logistic.fit_logistic` on integer labels; `LogisticProbe` adds the
interface. scikit-learn takes a second to import, so this module is imported only where an estimator is needed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import check_cv
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from trajprobe.probe.folds import Split
from trajprobe.probe.logistic import fit_logistic

L2_GRID = (1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4)


class InnerFoldClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A classifier that chooses a hyperparameter by inner folds of the rows it is fitted on.

    `cv` is what scikit-learn accepts: a number of stratified folds, a splitter, or an iterable of (train, test)
    positions; an empty one leaves nothing to choose by. Subclasses implement `_fit` and `_scores` on integer labels.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Fit to X (n, D) finite and y (n,) labels of any type. groups: (n,), handed to the splitter.

        Raises ValueError if X or y is not such an array, or y has a single class.
        """
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64], ensure_min_samples=2)
        # Whole numbers and text are classes; the check would only warn that few rows have many of them.
        if np.asarray(y).dtype.kind in "fO":
            check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs at least two classes, got 1 class")
        folds = check_cv(self.cv, codes, classifier=True)
        self._fit(
            X, codes, [(np.asarray(train), np.asarray(test)) for train, test in folds.split(X, y, groups)]
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(m, D) -> (m,) labels."""
        scores = self._validated_scores(X)
        return self.classes_[scores.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """(m, D) -> (m, K) probabilities, in the order of `classes_`."""
        return self._probabilities(self._validated_scores(X))

    def _validated_scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._scores(validate_data(self, X, dtype=[np.float32, np.float64], reset=False))

    @abstractmethod
    def _fit(self, X: np.ndarray, y: np.ndarray, inner: Sequence[Split]) -> None:
        """Fit to X (n, D) and y (n,) integers from 0; inner: (train, test) positions."""

    @abstractmethod
    def _scores(self, X: np.ndarray) -> np.ndarray:
        """(m, K) scores of the classes, of which the largest is predicted."""

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        return scores / scores.sum(axis=1, keepdims=True)


class LogisticProbe(InnerFoldClassifier):
    """Multinomial logistic regression on standardised features, with an L2 penalty chosen by log loss on inner folds.

    l2_grid: penalties per item, in any order; without inner folds the geometric middle of its ends is taken. See
    `probe.logistic` for the criterion and the relation to scikit-learn's C.

    Attributes after fit: classes_; l2_, the chosen penalty; inner_loss_, the mean log loss on the inner folds of each
    penalty tried, from the strongest on.
    """

    def __init__(self, l2_grid: Iterable[float] = L2_GRID, cv: Any = 4) -> None:
        self.l2_grid = l2_grid
        self.cv = cv

    def _fit(self, X: np.ndarray, y: np.ndarray, inner: Sequence[Split]) -> None:
        l2_grid = np.sort(np.asarray(self.l2_grid, float))[::-1]
        if l2_grid.ndim != 1 or not len(l2_grid) or not (np.isfinite(l2_grid) & (l2_grid > 0)).all():
            raise ValueError(f"l2_grid must hold positive finite penalties, got {self.l2_grid!r}")
        self._fitted = fit_logistic(X, y, len(self.classes_), inner, l2_grid)
        self.l2_, self.inner_loss_ = self._fitted.l2, self._fitted.inner_loss

    def _scores(self, X: np.ndarray) -> np.ndarray:
        return self._fitted.probabilities(X)

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        return scores  # which sum to one already
