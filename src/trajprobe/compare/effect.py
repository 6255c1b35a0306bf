"""How far the pretrained arm stands from the random seeds, in units of their own spread."""

from collections.abc import Sequence

import numpy as np


def hedges_g(value: float, sample: Sequence[float]) -> float:
    """Distance of one value from the mean of a sample in sample standard deviations, corrected for its small size.

    This is Cohen's d against the random arm (Glass's delta) times J = 1 - 3 / (4 df - 1), df = n - 1 (Hedges,
    Distribution theory for Glass's estimator of effect size, 1981). The sample needs two different values.
    """
    freedom = len(sample) - 1
    return float((value - np.mean(sample)) / np.std(sample, ddof=1) * (1 - 3 / (4 * freedom - 1)))


def rank(value: float, sample: Sequence[float]) -> int:
    """1 if no value of the sample is greater, n + 1 if all are; ties do not count against it."""
    return 1 + sum(other > value for other in sample)
