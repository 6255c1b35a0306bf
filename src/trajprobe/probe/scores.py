"""How good held-out predictions are: accuracy, balanced accuracy, macro-F1, log loss, calibration.

All take true classes (N,) and predictions over the same items; a class nobody shows or predicts counts nowhere. The
definitions are scikit-learn's. Each item weighs the same, whatever its group.
"""

from dataclasses import dataclass

import numpy as np

SMALLEST = float(np.finfo(np.float32).eps)  # probabilities are float32: none is believed to be smaller
BINS = 10


@dataclass(frozen=True)
class Scores:
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    ece: float


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width in confidence: (B,) items in each, their mean confidence and their accuracy (0 if empty)."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence| over items (Guo et al. 2017, eq. 3)."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.count * gaps).sum() / self.count.sum())


def score(codes: np.ndarray, predicted: np.ndarray, probability: np.ndarray) -> Scores:
    """All scores of one set of predictions: codes, predicted (N,), probability (N, K)."""
    matrix = confusion(codes, predicted, probability.shape[1])
    hits, actual, claimed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    seen = actual + claimed > 0
    return Scores(
        accuracy=float(hits.sum() / matrix.sum()),
        balanced_accuracy=float(np.mean(hits[actual > 0] / actual[actual > 0])),
        macro_f1=float(np.mean(2 * hits[seen] / (actual + claimed)[seen])),
        log_loss=log_loss(codes, probability),
        ece=reliability(codes, predicted, probability).expected_error,
    )


def confusion(codes: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """(K, K) counts of actual (row) against predicted class (column)."""
    pairs = np.bincount(codes * n_classes + predicted, minlength=n_classes**2)
    return pairs.reshape(n_classes, n_classes)


def log_loss(codes: np.ndarray, probability: np.ndarray) -> float:
    """Mean negative log probability of the true class, in nats."""
    truth = probability[np.arange(len(codes)), codes].astype(np.float64)
    return float(-np.log(np.maximum(truth, SMALLEST)).mean())


def reliability(
    codes: np.ndarray, predicted: np.ndarray, probability: np.ndarray, bins: int = BINS
) -> Reliability:
    """Accuracy against the confidence in the predicted class, in `bins` bins of equal width on [0, 1]."""
    confidence = probability[np.arange(len(codes)), predicted].astype(np.float64)
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    least = np.maximum(count, 1)
    return Reliability(
        count=count,
        confidence=np.bincount(which, confidence, bins) / least,
        accuracy=np.bincount(which, predicted == codes, bins) / least,
    )
