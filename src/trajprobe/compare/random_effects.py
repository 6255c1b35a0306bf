"""The mean of a table of random seeds (rows) by groups of items (columns), with both factors random.

The gain of pretraining is such a mean: entry (s, g) is the accuracy of the pretrained arm on group g minus that of
random initialisation s. Neither these items nor these seeds are of interest in themselves. Both are samples, and the
uncertainty of the mean must cover other items and other seeds. This is the analysis of two crossed random factors:
Clark, The language-as-fixed-effect fallacy, J. Verbal Learning and Verbal Behavior 12, 1973; Hillis, A comparison of
denominator degrees of freedom methods for multiple observer ROC analysis, Statistics in Medicine 26, 2007, where
readers and cases stand for seeds and items.

Items enter a second time, as training items of the probes, and no table of test results shows how much other training
items would change (Bengio & Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, JMLR 5,
2004). That part is estimated from split halves of the items: see `mean_squares`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

# Training on half of the items adds this many times the variance that training on all of them adds. Where training
# items abound, accuracy is flat around the best probe: the effect of another sample falls with their number and its
# variance with the square, hence 4. Where items are few beside the features it is down to 2, as for any mean. The value
# between the two was chosen on simulated studies (benchmarks/calibration.md).
TRAINING_DIVISOR = 3
# How many groups are taken to vary at least, for the mean of one arm and for a difference between two: a finite sample
# without variation does not prove that the population has none. For something that never occurred in G groups there is
# an exact one-sided upper bound of 97.5 %, 3.7 / G (Hanley & Lippman-Hand, If nothing goes wrong, is everything all
# right?, JAMA 249, 1983). Two standard errors of sqrt(3.6) / G = 1.9 / G reach it. See `minimum_error`.
VARYING_MEAN, VARYING_DIFFERENCE = 0.25, 3.6
# Groups on which arms are assumed to disagree besides, before they are called equal: see `equality_error`.
UNSEEN_DISAGREEMENTS = 3


@dataclass(frozen=True)
class MeanEstimate:
    """A mean, its standard error, and the degrees of freedom of Student's t for (estimate - true mean) / error."""

    mean: float
    error: float
    df: float


def group_scores(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(S, N) values of items -> (S, G) scores of groups, whose mean over groups is the mean over items.

    groups: (N,) integers 0..G-1. Items of a group are not independent, so groups are the units that count. Where they
    differ in size the mean over items is a ratio of two sums over groups, total of the values over number of items.
    Its variance is that of the mean of the linearised residuals (Cochran, Sampling Techniques, 1977, section 6.4),
        score_g = mean + (total_g - mean * size_g) * G / N,
    which for groups of equal size is the mean of the group.
    """
    values = np.atleast_2d(values)
    sizes = np.bincount(groups)
    totals = np.stack([np.bincount(groups, row, len(sizes)) for row in values])
    mean = values.mean()
    return mean + (totals - mean * sizes) * (len(sizes) / values.shape[1])


def ratio_scores(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """(S, M) scores whose mean is mean(numerator) / mean(denominator), for its interval.

    numerator: (S, M), or (M,) for one seed; denominator: (M,) >= 0. By the first-order expansion of the ratio r around
    the two means, item i of seed s contributes r + (numerator_si - r denominator_i) / mean(denominator).
    """
    numerator = np.atleast_2d(numerator)
    mean = denominator.mean()
    ratio = numerator.mean() / mean
    return np.asarray(ratio + (numerator - ratio * denominator) / mean)


@dataclass(frozen=True)
class MeanSquares:
    """Of a two-way table of `seeds` by `groups`, and what other training items add to the variance of its mean.

    The model is score_sg = mean + seed_s + group_g + interaction_sg, all terms random with variances a, b and c. The
    expected mean squares of the table are
        of_seeds = c + G a,    of_groups = c + S b,    of_both = c;
    with one seed the first and the last are 0. training: S G times the variance due to training items. df_training: its
    degrees of freedom; None if nothing is known of it.
    """

    seeds: int
    groups: int
    of_seeds: float
    of_groups: float
    of_both: float
    training: float = 0.0
    df_training: int | None = None

    def estimate(self, mean: float) -> MeanEstimate:
        """The grand mean with its uncertainty. Its variance is
            a / S + b / G + c / (S G) = (of_groups + of_seeds - of_both) / (S G)
        and that of the training items. As in Hillis (2007), a negative estimate of a, of_seeds < of_both, counts as
        zero. The error has no lower bound here: see `minimum_error`.
        """
        df_groups = max(self.groups - 1, 1)
        # `total` is S G times the variance of the mean. Satterthwaite (Biometrics Bulletin 2, 1946) approximates the
        # distribution of a sum of independent mean squares by a scaled chi-squared one with
        #     total^2 / sum_i(MS_i^2 / df_i)
        # degrees of freedom. Where of_both is subtracted from little this can fall below what any one part has by
        # itself, so it is kept at or above the smallest of those.
        total, denominator, smallest_df = self.of_groups, self.of_groups**2 / df_groups, df_groups
        if self.of_seeds > self.of_both:
            df_seeds = self.seeds - 1
            total += self.of_seeds - self.of_both
            smallest_df = min(smallest_df, df_seeds)
            denominator += self.of_seeds**2 / df_seeds + self.of_both**2 / (df_groups * df_seeds)
        if self.df_training is not None:
            total += self.training
            denominator += self.training**2 / self.df_training
            smallest_df = min(smallest_df, self.df_training)
        df = max(total**2 / denominator, smallest_df) if denominator > 0 else df_groups
        return MeanEstimate(mean, float((total / (self.groups * self.seeds)) ** 0.5), float(df))


def mean_squares(scores: np.ndarray, halves: np.ndarray | None = None) -> MeanSquares:
    """Of (S, G) scores; halves: (B, 2) the same mean in both halves of B distinct random splits of the items."""
    seeds, groups = scores.shape
    mean = float(scores.mean())
    of_groups, of_seeds = scores.mean(axis=0) - mean, scores.mean(axis=1) - mean
    df_groups = max(groups - 1, 1)
    ms_groups = float(seeds * (of_groups**2).sum() / df_groups)
    ms_seeds = ms_both = training = 0.0
    df_training = None
    if seeds > 1:
        residual = scores - mean - of_groups - of_seeds[:, None]
        ms_seeds = float(groups * (of_seeds**2).sum() / (seeds - 1))
        ms_both = float((residual**2).sum() / (df_groups * (seeds - 1)))
    if halves is not None and len(halves):
        # Two halves share neither training nor test items, so half of their squared difference estimates the variance
        # of one half's mean. The test items explain twice MS_groups / (S G) of it, because a half has G / 2 groups.
        # The rest is due to the half's training items.
        of_half = float(np.mean((halves[:, 0] - halves[:, 1]) ** 2)) / 2 * groups * seeds
        training = max(0.0, of_half - 2 * ms_groups) / TRAINING_DIVISOR
        # Splits of G groups are contrasts between them, of which no more than G - 1 are independent.
        df_training = min(len(halves), df_groups)
    return MeanSquares(seeds, groups, ms_seeds, ms_groups, ms_both, training, df_training)


def two_way_mean(scores: np.ndarray, halves: np.ndarray | None = None) -> MeanEstimate:
    """The grand mean of (S, G) scores, with its uncertainty over both factors; with one seed, over groups alone.

    halves: as of `mean_squares`. Without them the training items count as fixed, and the error is too small for others.
    """
    return mean_squares(scores, halves).estimate(float(scores.mean()))


def interval(estimate: MeanEstimate, confidence: float) -> tuple[float, float, float]:
    """Both ends of the interval of the mean, and the two-sided p-value of a true mean of zero.

    The p-value is below 1 - confidence exactly where the interval excludes zero.
    """
    half = float(t.ppf((1 + confidence) / 2, estimate.df)) * estimate.error
    p_value = float(2 * t.sf(abs(estimate.mean) / estimate.error, estimate.df))
    return estimate.mean - half, estimate.mean + half, p_value


def p_value_greater(estimate: MeanEstimate, bound: float) -> float:
    """One-sided p-value: small where the true mean is greater than `bound`."""
    return float(t.sf((estimate.mean - bound) / estimate.error, estimate.df))


def varying_groups(values: np.ndarray, groups: np.ndarray) -> float:
    """In how many groups the (N,) values of items vary, from 0 to G.

    A group counts with the sum of its items' squared deviations from the mean of all items, as one at most. So for
    values of 0 and 1, or differences of them, a single item that departs fully makes a group count as one; in an
    average over seeds, an item on which one seed departs counts little.
    """
    squares = np.bincount(groups, (values - values.mean()) ** 2)
    return float(np.minimum(1, squares).sum())


def minimum_error(values: np.ndarray, groups: np.ndarray, varying: float) -> float:
    """The least standard error of the mean of (N,) values: that of a sample in which `varying` groups vary fully.

    D groups vary (`varying_groups`) and the scores of all G have the sum of squared deviations Q. What D lacks to
    `varying` is taken to have gone unseen, each a deviation of a whole group:
        error^2 >= (Q + max(0, varying - D)) / G^2.
    Where items are their own groups D = Q, and the bound is sqrt(varying) / G. Where `varying` groups or more vary the
    bound is below the standard error of any mean over groups, so it changes nothing, however few groups there are. Half
    an item is the least in any case: groups may agree to the last item by chance.
    """
    unseen = max(0.0, varying - varying_groups(values, groups))
    error = (_squares(values, groups) + unseen) ** 0.5 / (groups.max() + 1)
    return float(max(error, 0.5 / len(values)))


def equality_error(error: float, values: np.ndarray, groups: np.ndarray) -> float:
    """The standard error from which arms may be called equal: as if they disagreed on three more groups.

    values: (N,) differences between the arms. Near the ceiling two arms differ on a handful of groups, all in favour of
    one, and the next sample may hold twice as many. So groups are added to those on which they differ, as Bonett &
    Price add two (Adjusted Wald confidence interval for a difference of binomial proportions based on paired data, J.
    Educational and Behavioral Statistics 37, 2012), each with the mean square of a disagreement that was seen: 1 where
    items are their own groups, less where groups hold many. With three, arms whose true gain is just the bound of
    equivalence are called equal in about one study of twenty or fewer, whatever the number of groups
    (benchmarks/calibration.md).
    """
    count, varying = groups.max() + 1, varying_groups(values, groups)
    unseen = max(0.0, VARYING_DIFFERENCE - varying)
    square = (_squares(values, groups) + unseen) / (varying + unseen)
    return float((error**2 + UNSEEN_DISAGREEMENTS * square / count**2) ** 0.5)


def _squares(values: np.ndarray, groups: np.ndarray) -> float:
    return float(((group_scores(values, groups) - values.mean()) ** 2).sum())
