"""The probe: multinomial logistic regression with an L2 penalty that inner folds choose.

Features are standardised with the mean and standard deviation of the training part. No column is divided by less than
the median deviation of those that vary: a column that is nearly constant in the training part would else be blown up
to hundreds of deviations where a test item differs in it. (The control `pixels` of the default study, many of which
hardly any clip touches: accuracy 77.3 % and log loss 0.68; with the bound 80.3 % and 0.54.) Then features are rotated
to the principal axes of the training part, of which there are at most as many as rows. A rotation changes neither an
L2-penalised linear model nor Euclidean distances, and it makes wide features (thousands of columns, hundreds of rows)
as cheap as narrow ones. Sums are in float64, in blocks of rows that bound the memory.

The penalty is the one with the smallest log loss over the inner folds. On a hundred rows accuracy is a step function
with many ties; log loss uses every probability, and it also keeps the probabilities calibrated, on which calibration
and description lengths depend. Among equals the strongest penalty wins. Penalties are tried from strong to weak until
the loss has risen RISES times in a row: what follows is overfitting, where fits take longest.

Penalties are per item: the loss is the mean over the training items plus l2 / 2 * |coefficients|^2. scikit-learn's C
is 1 / (l2 * items), and 2 / (l2 * items) for two classes, which it fits as one column.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.probe.folds import Split
from trajprobe.probe.solver import Problems, minimise

CONSTANT = 1e-7  # a column whose deviation is below this share of its size varies by float32 rounding only
NEGLIGIBLE = 1e-10  # an axis whose energy is below this share of the largest is rounding
ROWS = 4096  # rows that are converted to float64 at once


@dataclass(frozen=True)
class PrincipalAxes:
    """x -> (x - mean) @ projection, (D,) -> (r,), fitted on training rows.

    mean: (D,) float64. projection: (D, r) float64. energy: (r,) sums of squares of the training rows, ascending.
    """

    mean: np.ndarray
    projection: np.ndarray
    energy: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, r) float32."""
        rows = np.empty((len(features), len(self.energy)), np.float32)
        for block in _blocks(len(features)):
            rows[block] = (features[block] - self.mean) @ self.projection
        return rows


def fit_principal_axes(features: np.ndarray) -> PrincipalAxes:
    """The axes of (N, D) finite features. A column that does not vary is in none of them.

    The eigenvectors are those of the smaller of the two products of the features with themselves, D x D or N x N.
    """
    n, width = features.shape
    mean = np.zeros(width)
    for block in _blocks(n):
        mean += features[block].sum(axis=0, dtype=np.float64)
    mean /= n
    variance, largest = np.zeros(width), np.zeros(width)
    for block in _blocks(n):
        variance += ((features[block] - mean) ** 2).sum(axis=0)
        np.maximum(largest, np.abs(features[block]).max(axis=0), out=largest)
    deviation = np.sqrt(variance / n)
    varies = deviation > CONSTANT * largest
    least = float(np.median(deviation[varies])) if varies.any() else 1.0
    scale = np.where(varies, 1 / np.maximum(deviation, least), 0)
    if width < n:
        scatter = np.zeros((width, width))
        for block in _blocks(n):
            standard = (features[block] - mean) * scale
            scatter += standard.T @ standard
        energy, axes = np.linalg.eigh(scatter)
    else:
        standard = (features - mean) * scale
        energy, left = np.linalg.eigh(standard @ standard.T)
    kept = energy > NEGLIGIBLE * max(energy[-1], 1e-300)
    energy = energy[kept]
    axes = axes[:, kept] if width < n else standard.T @ (left[:, kept] / np.sqrt(energy))
    return PrincipalAxes(mean, scale[:, None] * axes, energy)


def _blocks(n: int) -> list[slice]:
    return [slice(first, min(first + ROWS, n)) for first in range(0, n, ROWS)]


FORESIGHT = 0.75  # share of the last step along the path that the next one is expected to take
FITTING = 1e-6  # tolerance of the loss of a model that is kept
CHOOSING = 1e-5  # while penalties are compared, and in split halves, whose scores are only compared
AMPLE = 30  # rows for each column, of which a training part varies along any axis nearly as they all do
RISES = 3  # of the inner loss in a row, after which no weaker penalty is tried
COEFFICIENTS = 2**21  # that are fitted at once, which bounds the memory of the solver's history


@dataclass(frozen=True)
class FittedLogistic:
    """A fitted model. l2: the chosen penalty. inner_loss: (S,) mean log loss on the inner folds of each penalty tried.

    coefficients: (r + 1, K) float32 on the principal axes, the intercept last.
    """

    l2: float
    inner_loss: np.ndarray
    axes: PrincipalAxes
    coefficients: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K) float32, rows summing to one."""
        return np.exp(_log_softmax(_logits(self.axes.apply(features), self.coefficients))).astype(np.float32)


def make_l2_grid(low: float, high: float, count: int) -> np.ndarray:
    """(count,) penalties from the strongest to the weakest, evenly spaced on a logarithmic scale."""
    return np.geomspace(high, low, count) if count > 1 else np.array([high])


def fit_logistic(
    features: np.ndarray, y: np.ndarray, n_classes: int, inner: Sequence[Split], l2_grid: np.ndarray
) -> FittedLogistic:
    """Choose among `l2_grid` (strong to weak) by the inner folds, and fit all rows with the chosen penalty.

    features: (N, D) finite, y: (N,) integers. Without inner folds the penalty is the middle of the grid.
    """
    axes = fit_principal_axes(features)
    rows = axes.apply(features)
    chosen, start = np.sqrt(l2_grid[:1] * l2_grid[-1:]), None
    inner_loss = np.zeros(0)
    if len(inner):
        path, inner_loss = _inner_path(rows, axes.energy, y, n_classes, inner, l2_grid)
        best = int(np.argmin(inner_loss))
        chosen, start = l2_grid[best : best + 1], path[..., best].mean(axis=0)[..., None]
    everything = [np.arange(len(rows))]
    fitted = _minimise(rows, axes.energy, y, n_classes, everything, chosen, FITTING, start)
    return FittedLogistic(float(chosen[0]), inner_loss, axes, fitted[..., 0, 0])


def predict_folds(
    features: np.ndarray, y: np.ndarray, n_classes: int, folds: Sequence[Split], l2: float
) -> list[np.ndarray]:
    """(m, K) float64 probabilities of the test part of each fold: a model of one penalty, fitted on its training part.

    features: (N, D) finite, y: (N,) integers. Folds are fitted in one batch, on the axes of all rows, if these are
    AMPLE; else each on its own. On the axes of all rows the first step of a wide model would fit the training part
    along axes of hardly any energy, and end before a weak penalty counts.
    """
    ample = len(features) >= AMPLE * features.shape[1]
    predicted = []
    for batch in [folds] if ample else [[fold] for fold in folds]:
        known = np.unique(np.concatenate([train for train, _ in batch]))
        axes = fit_principal_axes(features[known])
        rows = axes.apply(features[known])
        trains = [np.searchsorted(known, train) for train, _ in batch]
        fitted = _minimise(rows, axes.energy, y[known], n_classes, trains, np.array([l2]), CHOOSING)
        for at, (_, test) in enumerate(batch):
            predicted.append(np.exp(_log_softmax(_logits(axes.apply(features[test]), fitted[..., at, 0]))))
    return predicted


def _inner_path(
    rows: np.ndarray,
    energy: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    inner: Sequence[Split],
    l2_grid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (F, r + 1, K, S) of each inner fold at each penalty tried, and their mean test loss (S,).

    Strong penalties take a few iterations each and are solved in one batch. Weak ones take dozens: they follow two
    at a time, each starting where the path of the coefficients is heading, which saves half of the work.
    """
    trains = [train for train, _ in inner]
    shape = (rows.shape[1] + 1, n_classes, len(inner))
    path = np.empty((*shape, len(l2_grid)), np.float32)
    losses = np.empty(len(l2_grid))
    batch = max(1, COEFFICIENTS // math.prod(shape))
    done = 0
    while done < len(l2_grid) and not _only_rises(losses[:done]):
        count = min(batch, len(l2_grid) // 2 if done == 0 else 2, len(l2_grid) - done) or 1
        new = slice(done, done + count)
        start = None
        if done >= 2:
            heading = FORESIGHT * (path[..., done - 1] - path[..., done - 2])
            start = path[..., done - 1, None] + heading[..., None] * np.arange(1, count + 1)
        path[..., new] = _minimise(rows, energy, y, n_classes, trains, l2_grid[new], CHOOSING, start)
        losses[new] = np.mean(
            [_test_losses(rows, y, test, path[:, :, fold, new]) for fold, (_, test) in enumerate(inner)],
            axis=0,
        )
        done += count
    return np.moveaxis(path[..., :done], 2, 0), losses[:done]


def _minimise(
    rows: np.ndarray,
    energy: np.ndarray,
    y: np.ndarray,
    n_classes: int,
    trains: Sequence[np.ndarray],
    l2_grid: np.ndarray,
    tolerance: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """(r + 1, K, F, S) float32 coefficients on the rows of each of F training parts at each of S penalties.

    start: of the same shape, (r + 1, K, F * S) in all; by default that of the solver.
    """
    counts = np.stack([np.bincount(train, minlength=len(rows)) for train in trains], axis=1)
    weights = counts.astype(np.float32) / counts.sum(axis=0, dtype=np.float32)
    subset = np.repeat(np.arange(len(trains)), len(l2_grid))
    penalties = np.tile(l2_grid, len(trains))
    if start is not None:
        start = start.reshape(*start.shape[:2], -1)
    problems = Problems(rows, energy, y, n_classes, weights, subset, penalties, tolerance)
    return minimise(problems, start).reshape(rows.shape[1] + 1, n_classes, len(trains), len(l2_grid))


def _only_rises(losses: np.ndarray) -> bool:
    return len(losses) > RISES and bool(np.all(np.diff(losses[-RISES - 1 :]) > 0))


def _test_losses(rows: np.ndarray, y: np.ndarray, test: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """(S,) mean log loss of the tested rows under the coefficients (r + 1, K, S)."""
    truth = np.arange(len(test)), y[test]
    each = [_log_softmax(_logits(rows[test], fitted[..., at]))[truth] for at in range(fitted.shape[-1])]
    return -np.mean(each, axis=1)


def _logits(rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return rows @ coefficients[:-1] + coefficients[-1]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
