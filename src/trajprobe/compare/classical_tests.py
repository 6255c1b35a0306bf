"""Classical statistics that stand beside the headline interval: each a check on it from other assumptions.

McNemar's test compares two arms item by item, the corrected resampled t-test fold by fold, and the bootstrap makes no
assumption about the shape of a distribution. Holm's correction accounts for several comparisons. Hedges' g and the rank
say how far the pretrained arm stands from the random seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, norm, t

ROUNDING = 1e-9  # accuracies closer than this are equal: no two fractions of items differ by so little
BOOTSTRAP_CHUNK = 1000  # draws at once, which bounds the memory


def mcnemar_mid_p(first_only: int, second_only: int) -> float:
    """Two-sided mid-p value of McNemar's test, from the numbers of items that only one of two arms gets right.

    Under the null hypothesis each of these items is equally likely to be the one or the other. The mid-p version counts
    half of the probability of the observed table. Its level is nearly always kept, and it is far less conservative than
    the exact conditional test (Fagerland, Lydersen & Laake, The McNemar test for binary matched-pairs data, BMC Medical
    Research Methodology 13:91, 2013). It takes items as independent and compares two single classifiers.
    """
    discordant = first_only + second_only
    fewer = min(first_only, second_only)
    tail = binom.cdf(fewer, discordant, 0.5) - binom.pmf(fewer, discordant, 0.5) / 2
    return float(min(1.0, 2 * tail))


def mcnemar_over_seeds(first: np.ndarray, second: np.ndarray) -> float:
    """One p-value from McNemar's test of an arm against several seeds in several repeats.

    first: (R, N) correct or not; second: (S, R, N). Twice the median of p-values is a p-value however they depend on
    each other (Rüger 1978; the case gamma = 1/2 of Meinshausen, Meier & Bühlmann, p-values for high-dimensional
    regression, JASA 104, 2009).
    """
    values = [
        mcnemar_mid_p(int((ours & ~theirs).sum()), int((~ours & theirs).sum()))
        for seed in second
        for ours, theirs in zip(first, seed, strict=True)
    ]
    return float(min(1.0, 2 * np.median(values)))


@dataclass(frozen=True)
class ResampledDifference:
    """The mean difference between two arms over folds: Student's t with this centre, scale and degrees of freedom."""

    mean: float
    scale: float
    df: int

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the corrected resampled t-test that the mean is zero."""
        if self.scale == 0:
            return float(self.mean == 0)
        return float(2 * t.sf(abs(self.mean) / self.scale, self.df))

    def rope(self, half_width: float) -> tuple[float, float, float]:
        """Posterior probability that the difference is below, inside and above ±half_width.

        Read as a posterior, the same distribution is that of the Bayesian correlated t-test (Corani & Benavoli, A
        Bayesian approach for comparing cross-validated algorithms on multiple data sets, Machine Learning 100, 2015,
        equation 8).
        """
        low, high = (self._below(bound) for bound in (-half_width, half_width))
        return low, high - low, 1 - high

    def _below(self, bound: float) -> float:
        if self.scale == 0:
            return float(self.mean < bound)
        return float(t.cdf((bound - self.mean) / self.scale, self.df))


def resampled_difference(differences: np.ndarray, test_ratio: float) -> ResampledDifference:
    """The corrected mean of the (J,) differences in accuracy of J >= 2 folds.

    test_ratio: test items over training items of a fold. The differences are correlated, because training parts
    overlap. Nadeau & Bengio (Inference for the generalization error, Machine Learning 52, 2003) therefore take
    (1 / J + test_ratio) * sample variance as the variance of their mean, with J - 1 degrees of freedom.
    """
    count = len(differences)
    variance = np.var(differences, ddof=1) * (1 / count + test_ratio)
    return ResampledDifference(float(np.mean(differences)), float(np.sqrt(variance)), count - 1)


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


def hedges_g(value: float, sample: Sequence[float]) -> float | None:
    """Distance of a value from the mean of a sample, in standard deviations of the sample, corrected for its size.

    This is Cohen's d against the random arm (Glass's delta) times 1 - 3 / (4 (n - 1) - 1) (Hedges, Distribution theory
    for Glass's estimator of effect size, J. Educational Statistics 6, 1981). None if the sample does not vary, or has
    fewer than three values, for which the correction is zero or negative.
    """
    spread = float(np.std(sample, ddof=1)) if len(sample) > 2 else 0.0
    if spread < ROUNDING:
        return None
    return float((value - np.mean(sample)) / spread * (1 - 3 / (4 * (len(sample) - 1) - 1)))


def rank_among(value: float, sample: Sequence[float]) -> int:
    """1 if no value of the sample is greater, n + 1 if all are; ties do not count against it."""
    return 1 + sum(other > value + ROUNDING for other in sample)


def bootstrap_means(scores: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) means of (S, G) scores under the pigeonhole bootstrap; with one seed, over groups alone.

    Rows (seeds) and columns (groups of items) are resampled with replacement, independently of each other, and the mean
    is taken over the cells where they meet (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007). All
    arms of an item are resampled together, so the comparison stays paired.

    It is no headline, for its interval is too narrow: it knows of S seeds only the spread that they show, which is
    smaller by sqrt((S - 1) / S), uses the normal quantile for Student's, and ignores other training items.
    """
    seeds, groups = scores.shape
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, draws, BOOTSTRAP_CHUNK):
        count = min(BOOTSTRAP_CHUNK, draws - start)
        columns = rng.multinomial(groups, np.full(groups, 1 / groups), count).astype(np.float64)
        rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count)
        found.append(((columns @ scores.T) * rows).sum(axis=1) / (seeds * groups))
    return np.concatenate(found)


def bca_interval(scores: np.ndarray, draws: int, seed: int, confidence: float) -> tuple[float, float]:
    """The bias-corrected and accelerated bootstrap interval of the mean of (S, G) scores.

    Efron, Better bootstrap confidence intervals, JASA 82, 1987. The acceleration comes from the influence of every
    group and every seed, as for several samples (Davison & Hinkley, Bootstrap Methods, 1997, section 5.3.2). If all
    draws agree the interval is a point.
    """
    found, mean = bootstrap_means(scores, draws, seed), scores.mean()
    below = np.mean(found < mean) + np.mean(found == mean) / 2
    if not 0 < below < 1:
        return float(found.min()), float(found.max())
    bias = norm.ppf(below)
    influence = np.concatenate(
        [(scores.mean(axis=0) - mean) / scores.shape[1], (scores.mean(axis=1) - mean) / scores.shape[0]]
    )
    spread = (influence**2).sum()
    acceleration = (influence**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    tails = bias + norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(found, norm.cdf(bias + tails / (1 - acceleration * tails)))
    return float(low), float(high)
