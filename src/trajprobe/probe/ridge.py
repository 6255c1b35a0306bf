"""Ridge regression of several targets at once, with a penalty for each that inner folds choose.

Features are standardised and rotated to their principal axes as the probe does it (`probe.logistic`), where the columns
are orthogonal. So all penalties and all targets follow from one decomposition: for centred targets y, n rows z and
the energy e_j of axis j, the coefficients that minimise
    sum_i (y_i - z_i b)^2 / n + l2 |b|^2
are b_j = (z^T y)_j / (e_j + n l2) (Hoerl & Kennard, Ridge regression, Technometrics 12, 1970; Hastie, Tibshirani &
Friedman, The Elements of Statistical Learning, 2009, section 3.4.1). Penalties are per item, as in the probe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.probe.folds import Fold, Split
from trajprobe.probe.logistic import PrincipalAxes, fit_principal_axes


@dataclass(frozen=True)
class FittedRidge:
    """A fitted model of one target. l2: the chosen penalty. coefficients: (r,) float64 on the principal axes."""

    l2: float
    axes: PrincipalAxes
    coefficients: np.ndarray
    intercept: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,) float64."""
        return np.asarray(self.axes.apply(features).astype(np.float64) @ self.coefficients + self.intercept)


def fit_ridge(
    features: np.ndarray, y: np.ndarray, inner: Sequence[Split], l2_grid: np.ndarray
) -> FittedRidge:
    """Choose among `l2_grid` (strong to weak) by the inner folds, and fit all rows with the chosen penalty.

    features: (N, D) finite, y: (N,). inner: (train, test) positions.
    """
    targets = y[:, None]
    l2 = choose_l2(features, targets, [slice(0, 1)], inner, l2_grid)
    axes, coefficients, intercept = _fit_path(features, targets, l2)
    return FittedRidge(float(l2[0]), axes, coefficients[0, :, 0], float(intercept[0]))


def predict_ridge(
    features: np.ndarray, targets: np.ndarray, blocks: Sequence[slice], fold: Fold, l2_grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(m, T) float64 predictions for the m tested items of `fold`, and the penalties (F,) that its inner folds chose.

    features: (N, D) finite. targets: (N, T). blocks: F ranges of columns of `targets`, each of which shares a penalty.
    l2_grid: from strong to weak; a block gets the one with the least squared error, of equals the strongest.
    """
    chosen = choose_l2(features[fold.train], targets[fold.train], blocks, fold.inner, l2_grid)
    return predict_split(features, targets, blocks, (fold.train, fold.test), chosen), chosen


def choose_l2(
    features: np.ndarray,
    targets: np.ndarray,
    blocks: Sequence[slice],
    inner: Sequence[Split],
    l2_grid: np.ndarray,
) -> np.ndarray:
    """(F,) the penalty with the least squared error on the tested rows of the inner folds, for each of F blocks."""
    errors = np.zeros((len(l2_grid), targets.shape[1]))
    for train, test in inner:
        predicted = ridge_path(features[train], targets[train], features[test], l2_grid)
        errors += ((predicted - targets[test]) ** 2).sum(axis=1)
    return np.array([l2_grid[errors[:, block].sum(axis=1).argmin()] for block in blocks])


def predict_split(
    features: np.ndarray, targets: np.ndarray, blocks: Sequence[slice], split: Split, l2: np.ndarray
) -> np.ndarray:
    """(m, T) float64 predictions for the tested items of a split. l2: (F,) the penalty of each block."""
    train, test = split
    path = ridge_path(features[train], targets[train], features[test], l2)
    return np.concatenate([path[at, :, block] for at, block in enumerate(blocks)], axis=1)


def ridge_path(rows: np.ndarray, targets: np.ndarray, tested: np.ndarray, l2_grid: np.ndarray) -> np.ndarray:
    """(S, m, T) float64 predictions for `tested` (m, D) at S penalties, after rows (n, D) with targets (n, T)."""
    axes, coefficients, intercept = _fit_path(rows, targets, l2_grid)
    return np.asarray(axes.apply(tested).astype(np.float64) @ coefficients + intercept)


def _fit_path(
    rows: np.ndarray, targets: np.ndarray, l2_grid: np.ndarray
) -> tuple[PrincipalAxes, np.ndarray, np.ndarray]:
    """The axes, (S, r, T) coefficients on them at S penalties, and (T,) intercepts, which are not penalised."""
    axes = fit_principal_axes(rows)
    mean = targets.mean(axis=0)
    products = axes.apply(rows).T.astype(np.float64) @ (targets - mean)
    return axes, products / (axes.energy[None, :, None] + len(rows) * l2_grid[:, None, None]), mean
