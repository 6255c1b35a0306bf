"""Ridge regression of several targets at once, with a penalty for each that inner folds choose.

Features are standardised and rotated to their principal axes as the probe does it (`probe.logistic`), where the columns
are orthogonal. So all penalties and all targets follow from one decomposition: for centred targets y, n rows z and
the energy e_j of axis j, the coefficients that minimise
    sum_i (y_i - z_i b)^2 / n + l2 |b|^2
are b_j = (z^T y)_j / (e_j + n l2) (Hoerl & Kennard, Ridge regression, Technometrics 12, 1970; Hastie, Tibshirani &
Friedman, The Elements of Statistical Learning, 2009, section 3.4.1). Penalties are per item, as in the probe.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.probe.folds import Fold, Split
from trajprobe.probe.logistic import fit_principal_axes


def predict_ridge(
    features: np.ndarray, targets: np.ndarray, blocks: Sequence[slice], fold: Fold, l2_grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(m, T) float64 predictions for the m tested items of `fold`, and the penalties (F,) that its inner folds chose.

    features: (N, D) finite. targets: (N, T). blocks: F ranges of columns of `targets`, each of which shares a penalty.
    l2_grid: from strong to weak; a block gets the one with the least squared error, of equals the strongest.
    """
    rows, known = features[fold.train], targets[fold.train]
    errors = np.zeros((len(l2_grid), targets.shape[1]))
    for train, test in fold.inner:
        errors += ((ridge_path(rows[train], known[train], rows[test], l2_grid) - known[test]) ** 2).sum(
            axis=1
        )
    chosen = np.array([l2_grid[errors[:, block].sum(axis=1).argmin()] for block in blocks])
    return predict_split(features, targets, blocks, (fold.train, fold.test), chosen), chosen


def predict_split(
    features: np.ndarray, targets: np.ndarray, blocks: Sequence[slice], split: Split, l2: np.ndarray
) -> np.ndarray:
    """(m, T) float64 predictions for the tested items of a split. l2: (F,) the penalty of each block."""
    train, test = split
    path = ridge_path(features[train], targets[train], features[test], l2)
    return np.concatenate([path[at, :, block] for at, block in enumerate(blocks)], axis=1)


def ridge_path(rows: np.ndarray, targets: np.ndarray, tested: np.ndarray, l2_grid: np.ndarray) -> np.ndarray:
    """(S, m, T) float64 predictions for `tested` (m, D) at S penalties, after rows (n, D) with targets (n, T)."""
    axes = fit_principal_axes(rows)
    mean = targets.mean(axis=0)
    products = axes.apply(rows).T.astype(np.float64) @ (targets - mean)
    shrunk = products / (axes.energy[None, :, None] + len(rows) * l2_grid[:, None, None])
    return np.asarray(axes.apply(tested).astype(np.float64) @ shrunk + mean)
