"""Classical statistics beside the crossed random effects: one value against a sample, outliers, several tests, odds.

The question of `single_case` is whether the pretrained encoder may be just another draw of the random arm: a network
that learned nothing and was lucky. The crossed random effects cannot tell, because they take the checkpoint as given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

ROUNDING = 1e-9  # accuracies closer than this are equal: no two fractions of items differ by so little
OUTLIER_LEVEL = 0.01  # of Grubbs' test


@dataclass(frozen=True)
class SingleCase:
    """One value against a sample: their difference follows Student's t with this centre, scale and df."""

    difference: float
    scale: float
    df: int

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the value is another draw from the population of the sample."""
        return float(2 * t.sf(abs(self.difference) / self.scale, self.df))

    def prediction_interval(self, confidence: float) -> tuple[float, float]:
        """Of the difference between the value and one further draw; excludes 0 where p_value < 1 - confidence."""
        half = float(t.ppf((1 + confidence) / 2, self.df)) * self.scale
        return self.difference - half, self.difference + half


def single_case(value: float, sample: Sequence[float], least_sd: float) -> SingleCase | None:
    """The test of one value against a sample of R; None if R is 1.

    t = (value - mean) / (sd * sqrt(1 + 1 / R)), R - 1 degrees of freedom (Crawford & Howell, Comparing an individual's
    test score against norms derived from small samples, The Clinical Neuropsychologist 12, 1998). It is exact for
    normal draws. least_sd: taken for the standard deviation if that is less; a few equal draws do not prove that all
    are equal.
    """
    count = len(sample)
    if count < 2:
        return None
    sd = max(float(np.std(sample, ddof=1)), least_sd)
    return SingleCase(value - float(np.mean(sample)), sd * (1 + 1 / count) ** 0.5, count - 1)


def outlier(sample: Sequence[float]) -> int | None:
    """The position of a value that does not belong to the sample, by Grubbs' test at 1 %; None if there is none.

    G = max |x - mean| / sd is compared with (n - 1) / sqrt(n) * sqrt(q / (n - 2 + q)), q the square of the upper
    1 % / (2 n) quantile of Student's t with n - 2 degrees of freedom (Grubbs, Procedures for detecting outlying
    observations in samples, Technometrics 11, 1969). Two outliers can hide each other.
    """
    count = len(sample)
    sd = float(np.std(sample, ddof=1)) if count > 2 else 0.0
    if sd < ROUNDING:
        return None
    distance = np.abs(np.asarray(sample) - np.mean(sample)) / sd
    square = t.isf(OUTLIER_LEVEL / (2 * count), count - 2) ** 2
    critical = (count - 1) / count**0.5 * (square / (count - 2 + square)) ** 0.5
    return int(distance.argmax()) if distance.max() > critical else None


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in the given order: rejecting those up to alpha keeps the family's error.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian J. Statistics 6, 1979: the smallest of n
    is multiplied by n, the next by n - 1 and so on, and none falls below the one before it.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def error_reduction(accuracy: float, reference: float) -> float | None:
    """What fraction of the errors of `reference` is gone; negative if there are more, None if it makes none."""
    return 1 - (1 - accuracy) / (1 - reference) if reference < 1 - ROUNDING else None


def odds_ratio(accuracy: float, reference: float) -> float | None:
    """The odds of a correct prediction over those of `reference`; None if one of the two is always or never right."""
    if not all(ROUNDING < each < 1 - ROUNDING for each in (accuracy, reference)):
        return None
    return accuracy * (1 - reference) / ((1 - accuracy) * reference)
