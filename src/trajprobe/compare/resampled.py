"""Two classical tests on the differences between arms in each fold, which share most of their training items.

Differences of J folds are correlated because training parts overlap. Nadeau & Bengio (Inference for the
generalization error, Machine Learning 52, 2003) correct the variance of their mean by the share of test to training
items, 1/J + test/train, and refer it to Student's t with J - 1 degrees of freedom. Read as a posterior, the same
distribution gives the probability that the gain lies below, inside or above a region of practical equivalence
(Corani & Benavoli, A Bayesian approach for comparing cross-validated algorithms on multiple data sets, Machine
Learning 100, 2015, equation 8).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student


@dataclass(frozen=True)
class Resampled:
    """The posterior of the mean difference: Student's t with this centre, scale and degrees of freedom."""

    mean: float
    scale: float
    freedom: int

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the corrected resampled t-test that the mean is zero."""
        if self.scale == 0:
            return float(self.mean == 0)
        return float(2 * student.sf(abs(self.mean) / self.scale, self.freedom))

    def rope(self, half_width: float) -> tuple[float, float, float]:
        """Posterior probability below -half_width, inside, and above +half_width."""
        low, high = (self._below(bound) for bound in (-half_width, half_width))
        return low, high - low, 1 - high

    def _below(self, bound: float) -> float:
        if self.scale == 0:
            return float(self.mean < bound)
        return float(student.cdf((bound - self.mean) / self.scale, self.freedom))


def corrected(differences: np.ndarray, test_share: float) -> Resampled:
    """From the (J,) differences in accuracy, J >= 2; test_share: test items over training items of a fold."""
    count = len(differences)
    variance = np.var(differences, ddof=1) * (1 / count + test_share)
    return Resampled(float(np.mean(differences)), float(np.sqrt(variance)), count - 1)
