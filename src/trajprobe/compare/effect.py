"""How far the pretrained arm stands from the random seeds, in units of their own spread."""

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-9  # accuracies closer than this are equal: no two shares of items differ by so little


def hedges_g(value: float, sample: Sequence[float]) -> float | None:
    """Distance of one value from the mean of a sample in sample standard deviations, corrected for its small size.

    This is Cohen's d against the random arm (Glass's delta) times J = 1 - 3 / (4 df - 1), df = n - 1 (Hedges,
    Distribution theory for Glass's estimator of effect size, 1981). None where the sample has no spread, or fewer
    than three values, for which J is zero or less.
    """
    spread = float(np.std(sample, ddof=1)) if len(sample) > 2 else 0.0
    if spread < ROUNDING:
        return None
    return float((value - np.mean(sample)) / spread * (1 - 3 / (4 * (len(sample) - 1) - 1)))


def rank(value: float, sample: Sequence[float]) -> int:
    """1 if no value of the sample is greater, n + 1 if all are; ties do not count against it."""
    return 1 + sum(other > value + ROUNDING for other in sample)
