"""The probe: multinomial logistic regression with an L2 penalty, whose strength inner folds choose.

Features are standardised with the mean and standard deviation of the training part, then rotated to its principal
axes, of which there are at most as many as rows. A rotation changes neither the model nor its penalty, and makes
wide features (thousands of columns, hundreds of rows) as cheap as narrow ones.

The strength is the one with the least log loss over the inner folds. Accuracy would be the obvious criterion, but on
a hundred rows it is a step function whose ties are broken by luck; log loss uses every probability, and it also keeps
the probabilities honest, which calibration and description lengths are about. Among equals the strongest wins.
Strengths are tried from strong to weak until the loss has risen RISES times in a row: what follows is the slow climb of
overfitting, and it is there that fits take longest.
Strengths are per item: the loss is the mean over the training items plus strength / 2 * |coefficients|^2, which is
scikit-learn's C = 1 / (strength * items), and 2 / (strength * items) for two classes, which it fits as one column.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.probe.solver import Problems, minimise

CONSTANT = 1e-7  # a column that varies less than this share of its size (float32 rounding) carries nothing
NEGLIGIBLE = 1e-10  # share of the largest axis' energy below which an axis is rounding
ROWS = 4096  # rows that are converted to float64 at once
FORESIGHT = 0.75  # share of the last step along the path that the next one is expected to take
CHOOSING = 1e-5  # tolerance of the loss while strengths are compared
PREDICTING = 1e-4  # tolerance of the loss where only the class that is predicted counts
RISES = 3  # of the inner loss in a row, after which weaker strengths are not tried
COEFFICIENTS = 2**21  # that are fitted at once, which bounds the memory of the solver's history


@dataclass(frozen=True)
class Axes:
    """A standardisation and rotation fitted on training rows: x -> (x - mean) @ projection, (D,) -> (r,)."""

    mean: np.ndarray
    projection: np.ndarray
    energy: np.ndarray

    def apply(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, r) float32."""
        rows = np.empty((len(features), len(self.energy)), np.float32)
        for first in range(0, len(features), ROWS):
            part = slice(first, first + ROWS)
            rows[part] = (features[part] - self.mean) @ self.projection
        return rows


@dataclass(frozen=True)
class Probe:
    """A fitted probe. strength: the chosen one; inner_loss: mean held-out log loss of each strength tried, in order."""

    strength: float
    inner_loss: np.ndarray
    axes: Axes
    coefficients: np.ndarray  # (r + 1, K), the intercept last

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, K) float32, rows summing to one."""
        return np.exp(_log_softmax(_logits(self.axes.apply(features), self.coefficients))).astype(np.float32)


def grid(low: float, high: float, count: int) -> np.ndarray:
    """The strengths from the strongest to the weakest, spaced evenly on a logarithmic scale."""
    return np.geomspace(high, low, count) if count > 1 else np.array([high])


def fit(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: Sequence[np.ndarray],
    strengths: np.ndarray,
) -> Probe:
    """Choose among `strengths` (ordered from strong to weak) by the inner folds, and fit all rows with the chosen.

    features: (N, D) finite, codes: (N,); inner: for each inner fold the rows it holds out.
    """
    axes = principal_axes(features)
    rows = axes.apply(features)
    path, inner_loss = _inner_path(rows, axes.energy, codes, n_classes, inner, strengths)
    best = int(np.argmin(inner_loss))
    start = path[..., best].mean(axis=0)[..., None]
    fitted = fit_all(rows, axes.energy, codes, n_classes, strengths[best : best + 1], start)
    return Probe(float(strengths[best]), inner_loss, axes, fitted[:, :, 0])


def fit_folds(
    features: np.ndarray, codes: np.ndarray, n_classes: int, folds: Sequence[np.ndarray], strength: float
) -> list[np.ndarray]:
    """What probes of one strength predict for the rows that each of `folds` holds out, each fitted on all others.

    features: (N, D) finite, codes: (N,). The folds are fitted in one batch, on the axes of all rows.
    """
    axes = principal_axes(features)
    rows = axes.apply(features)
    weights, each = _without(len(rows), folds), np.arange(len(folds))
    penalties = np.full(len(folds), strength)
    fitted = minimise(Problems(rows, axes.energy, codes, n_classes, weights, each, penalties, PREDICTING))
    return [_logits(rows[held], fitted[..., fold]).argmax(axis=1) for fold, held in enumerate(folds)]


def fit_all(
    rows: np.ndarray,
    energy: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    strengths: np.ndarray,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Coefficients (r + 1, K, S) of all rotated `rows` at each strength."""
    weights = np.full((len(rows), 1), 1 / len(rows), np.float32)
    problems = Problems(rows, energy, codes, n_classes, weights, np.zeros(len(strengths), int), strengths)
    return minimise(problems, start)


def principal_axes(features: np.ndarray) -> Axes:
    """Standardise and rotate; columns that do not vary are left out of every axis."""
    n, width = features.shape
    mean = np.zeros(width)
    for part in _parts(n):
        mean += features[part].sum(axis=0, dtype=np.float64)
    mean /= n
    variance, largest = np.zeros(width), np.zeros(width)
    for part in _parts(n):
        variance += ((features[part] - mean) ** 2).sum(axis=0)
        np.maximum(largest, np.abs(features[part]).max(axis=0), out=largest)
    deviation = np.sqrt(variance / n)
    varies = deviation > CONSTANT * largest
    scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0)
    if width < n:
        scatter = np.zeros((width, width))
        for part in _parts(n):
            block = (features[part] - mean) * scale
            scatter += block.T @ block
        energy, axes = np.linalg.eigh(scatter)
    else:
        standard = (features - mean) * scale
        energy, left = np.linalg.eigh(standard @ standard.T)
    kept = energy > NEGLIGIBLE * max(energy[-1], 1e-300)
    energy = energy[kept]
    axes = axes[:, kept] if width < n else standard.T @ (left[:, kept] / np.sqrt(energy))
    return Axes(mean, scale[:, None] * axes, energy)


def _inner_path(
    rows: np.ndarray,
    energy: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: Sequence[np.ndarray],
    strengths: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (F, r + 1, K, S) of each inner fold at each strength tried, and their mean held-out loss (S,).

    Strong penalties take a few iterations each and are solved in one batch. Weak ones take dozens: they follow two
    at a time, each starting where the path of the coefficients is heading, which saves half of the work.
    """
    weights = _without(len(rows), inner)
    shape = (rows.shape[1] + 1, n_classes, len(inner))
    path = np.empty((*shape, len(strengths)), np.float32)
    losses = np.empty(len(strengths))
    batch = max(1, COEFFICIENTS // math.prod(shape))
    done = 0
    while done < len(strengths) and not _only_rises(losses[:done]):
        count = min(batch, len(strengths) // 2 if done == 0 else 2, len(strengths) - done) or 1
        new = slice(done, done + count)
        subset = np.repeat(np.arange(len(inner)), count)
        penalties = np.tile(strengths[new], len(inner))
        problems = Problems(rows, energy, codes, n_classes, weights, subset, penalties, CHOOSING)
        start = None
        if done >= 2:
            heading = FORESIGHT * (path[..., done - 1] - path[..., done - 2])
            start = path[..., done - 1, None] + heading[..., None] * np.arange(1, count + 1)
            start = start.reshape(*shape[:2], -1)
        path[..., new] = minimise(problems, start).reshape(*shape, count)
        losses[new] = np.mean(
            [_held_losses(rows, codes, held, path[:, :, fold, new]) for fold, held in enumerate(inner)],
            axis=0,
        )
        done += count
    return np.moveaxis(path[..., :done], 2, 0), losses[:done]


def _without(n: int, folds: Sequence[np.ndarray]) -> np.ndarray:
    """(n, F) float32 equal weights, summing to one, of the rows that each fold does not hold out."""
    weights = np.ones((n, len(folds)), np.float32)
    for fold, held in enumerate(folds):
        weights[held, fold] = 0
    return weights / weights.sum(axis=0)


def _only_rises(losses: np.ndarray) -> bool:
    return len(losses) > RISES and bool(np.all(np.diff(losses[-RISES - 1 :]) > 0))


def _held_losses(rows: np.ndarray, codes: np.ndarray, held: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """(S,) mean log loss of the held-out rows under the coefficients (r + 1, K, S)."""
    truth = np.arange(len(held)), codes[held]
    each = [_log_softmax(_logits(rows[held], fitted[..., at]))[truth] for at in range(fitted.shape[-1])]
    return -np.mean(each, axis=1)


def _logits(rows: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    return rows @ coefficients[:-1] + coefficients[-1]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _parts(n: int) -> list[slice]:
    return [slice(first, min(first + ROWS, n)) for first in range(0, n, ROWS)]
