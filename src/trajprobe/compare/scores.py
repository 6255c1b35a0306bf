"""How good held-out predictions are: accuracy with its interval, balanced accuracy, macro-F1, log loss, calibration; of
numbers R^2 with its interval, and the mean absolute error.

All functions take true classes (N,) and predictions of the same items. A class that no item has and no prediction names
counts nowhere. Each item weighs the same, whatever its group.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from trajprobe.compare.paired_predictions import PairedPredictions
from trajprobe.compare.random_effects import MeanEstimate, interval

BINS = 10  # of confidence


@dataclass(frozen=True)
class Scores:
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    ece: float


def score(y: np.ndarray, predicted: np.ndarray, probability: np.ndarray) -> Scores:
    """All scores of one set of predictions: y, predicted (N,) integers, probability (N, K)."""
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    return Scores(
        accuracy=float(accuracy_score(y, predicted)),
        # balanced_accuracy_score is this mean too, but warns about each class that is predicted and never true.
        balanced_accuracy=float(recall_score(y, predicted, labels=np.unique(y), average="macro")),
        macro_f1=float(f1_score(y, predicted, average="macro", zero_division=0)),
        log_loss=log_loss(y, probability),
        ece=reliability(y, predicted, probability).expected_error,
    )


def log_loss(y: np.ndarray, probability: np.ndarray) -> float:
    """Mean negative log probability of the true class, in nats.

    Probabilities are stored as float32, so none counts as smaller than the resolution of float32. scikit-learn's
    log_loss would warn, because rows of float32 sum to one only nearly, and would also clip at one.
    """
    truth = probability[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.maximum(truth, np.finfo(np.float32).eps)).mean())


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width in confidence: (B,) items in each, their mean confidence and their accuracy (0 if empty)."""

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def expected_error(self) -> float:
        """Expected calibration error: |accuracy - confidence| averaged over items.

        Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, ICML 2017, equation 3.
        """
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.count * gaps).sum() / self.count.sum())


def reliability(
    y: np.ndarray, predicted: np.ndarray, probability: np.ndarray, bins: int = BINS
) -> Reliability:
    """Accuracy against the confidence in the predicted class, in `bins` bins of equal width on [0, 1]."""
    confidence = probability[np.arange(len(y)), predicted].astype(np.float64)
    bin_of_item = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(bin_of_item, minlength=bins)
    divisor = np.maximum(count, 1)
    return Reliability(
        count=count,
        confidence=np.bincount(bin_of_item, confidence, bins) / divisor,
        accuracy=np.bincount(bin_of_item, predicted == y, bins) / divisor,
    )


def mean_absolute_error(y: np.ndarray, predicted: np.ndarray) -> float:
    """Of numbers, in their unit."""
    return float(np.abs(y - predicted).mean())


def score_interval(
    paired: PairedPredictions, estimate: MeanEstimate, confidence: float
) -> tuple[float, float]:
    """The interval of the score of an arm: Wilson's, or Student's of R^2, which is not bounded below."""
    if paired.score == "r2":
        low, high, _ = interval(estimate, confidence)
        return low, min(high, 1.0)
    return wilson_interval(estimate, paired.n_groups, confidence)


def wilson_interval(estimate: MeanEstimate, groups: int, confidence: float) -> tuple[float, float]:
    """The interval of an accuracy: Wilson's score interval with the effective number of items and Student's quantile.

    It stays between 0 and 1 and covers at both ends. The effective number is accuracy * (1 - accuracy) / variance,
    which accounts for groups, repeats and seeds (Korn & Graubard, Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data, Survey Methodology 24, 1998; in Wilson's form after
    Dean & Pagano, Evaluating confidence interval methods for binomial proportions in clustered surveys, J. Survey
    Statistics and Methodology 3, 2015). If all items agree it is the number of groups.
    """
    accuracy = min(max(estimate.mean, 0.0), 1.0)
    variance = accuracy * (1 - accuracy)
    count = variance / estimate.error**2 if variance > 0 else groups
    quantile = float(t.ppf((1 + confidence) / 2, estimate.df))
    centre = (accuracy + quantile**2 / (2 * count)) / (1 + quantile**2 / count)
    half = quantile / (1 + quantile**2 / count) * (variance / count + quantile**2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
