"""McNemar's test: of the items that one arm gets right and the other wrong, do both get half?

The mid-p version counts half of the probability of the observed table; it is nearly always within its level, and
far less conservative than the exact conditional test (Fagerland, Lydersen & Laake, The McNemar test for binary matched-
pairs data, BMC Medical Research Methodology 13:91, 2013). It takes items as independent and compares with one seed.
"""

import numpy as np
from scipy.stats import binom


def mid_p(first_only: int, second_only: int) -> float:
    """Two-sided mid-p value from the two counts of discordant items."""
    discordant = first_only + second_only
    fewer = min(first_only, second_only)
    tail = binom.cdf(fewer, discordant, 0.5) - binom.pmf(fewer, discordant, 0.5) / 2
    return float(min(1.0, 2 * tail))


def combined(first: np.ndarray, second: np.ndarray) -> float:
    """Twice the median over all seeds and repeats, which is a p-value however they depend on each other.

    first: (R, N) correct or not; second: (S, R, N). Twice the median (Rüger 1978) is the case gamma = 1/2 of
    Meinshausen, Meier & Bühlmann (p-values for high-dimensional regression, JASA 104, 2009).
    """
    values = [
        mid_p(int((ours & ~theirs).sum()), int((~ours & theirs).sum()))
        for seed in second
        for ours, theirs in zip(first, seed, strict=True)
    ]
    return float(min(1.0, 2 * np.median(values)))
