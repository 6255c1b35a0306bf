"""The mean of a table whose rows are random seeds and whose columns are groups of items, both drawn at random.

The gain of pretraining is such a mean: entry (s, g) is what the pretrained arm gets right in group g beyond random
seed s. Neither the items nor the seeds are of interest themselves, so both count as samples, and the variance of the
mean has a part of each:
    Var = items / G + seeds / S + interaction / (G S).
It is estimated from the mean squares of the two-way table, with Satterthwaite's degrees of freedom. This is the
analysis of two crossed random factors: Clark 1973 (The language-as-fixed-effect fallacy) in psycholinguistics, and
Hillis 2007 (A comparison of denominator degrees of freedom methods for multiple observer ROC analysis) for readers
and cases. A negative estimate of the seeds' variance is taken for zero, as Hillis does.

Items have a second part in it, as those that the probes were trained on, and no table of test results shows that one
(Bengio & Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, JMLR 5, 2004). It is taken
from random halves of the items that share nothing: what sets the means of two halves apart, beyond what the items
that are tested explain, is what their probes learned. Where training items abound, what another draw of them does to
the accuracy falls with their number, for the best probe is near and accuracy is flat around it, and its variance with
the square: that from training on all items is a quarter of that from half of them. Where they are few beside the
features it is up to a half, as for any mean. A third is taken, which is between the two.
"""

from dataclasses import dataclass, replace

import numpy as np

TRAINING = 3  # times the variance from training on all items is that from training on half of them
SMALLEST = 0.5  # items: a standard error is never below this share of one group
UNSEEN = (
    1.9  # groups: a difference between arms has no smaller error; two of them are the exact bound, 3.7 / G
)
FURTHER = 3  # groups on which arms are taken to disagree besides, before they are called equal


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error, and the degrees of freedom of Student's distribution for their ratio."""

    mean: float
    error: float
    freedom: float


def group_scores(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(S, N) values of items -> (S, G) scores of groups, whose plain mean over groups is the mean over items.

    groups: (N,) integers 0..G-1. Groups of unequal size make the mean a ratio of two sums; scores are its linearised
    residuals plus the mean (Cochran, Sampling Techniques, 1977, section 6.4), so that their variance is the mean's.
    """
    values = np.atleast_2d(values)
    sizes = np.bincount(groups)
    totals = np.stack([np.bincount(groups, row, len(sizes)) for row in values])
    mean = values.mean()
    return mean + (totals - mean * sizes) * (len(sizes) / values.shape[1])


def crossed_mean(scores: np.ndarray, halves: np.ndarray | None = None) -> Estimate:
    """The grand mean of (S, G) scores with its uncertainty over both factors; with one seed, over groups alone.

    halves: (B, 2) the same mean as found in each half of B random halvings; without, what was trained on counts as
    given. The error is never smaller than SMALLEST / G: that a finite set does not vary does not prove that nothing
    would. The degrees of freedom are at least those of the least known part: taking away the interaction can bring the
    approximation below.
    """
    seeds, groups = scores.shape
    mean = float(scores.mean())
    of_groups, of_seeds = scores.mean(axis=0) - mean, scores.mean(axis=1) - mean
    freedom_groups = max(groups - 1, 1)
    square_groups = seeds * (of_groups**2).sum() / freedom_groups
    total, parts, least = square_groups, square_groups**2 / freedom_groups, freedom_groups
    if seeds > 1:
        residual = scores - mean - of_groups - of_seeds[:, None]
        square_seeds = groups * (of_seeds**2).sum() / (seeds - 1)
        square_both = (residual**2).sum() / (freedom_groups * (seeds - 1))
        if square_seeds > square_both:
            total += square_seeds - square_both
            least = min(least, seeds - 1)
            parts += square_seeds**2 / (seeds - 1) + square_both**2 / (freedom_groups * (seeds - 1))
    if halves is not None and len(halves):
        apart = float(np.mean((halves[:, 0] - halves[:, 1]) ** 2)) / 2 * groups * seeds
        training = max(0.0, apart - 2 * square_groups) / TRAINING
        total += training
        parts += training**2 / len(halves)
        least = min(least, len(halves))
    freedom = max(total**2 / parts, least) if parts > 0 else freedom_groups
    error = (total / (groups * seeds)) ** 0.5
    return Estimate(mean, max(float(error), SMALLEST / groups), float(freedom))


def of_difference(estimate: Estimate, groups: int) -> Estimate:
    """The estimate of a difference in accuracy between arms.

    On what G groups have not shown at all there is an exact bound at 95 %, 3.7 / G (Hanley & Lippman-Hand, If nothing
    goes wrong, is everything all right?, JAMA 249, 1983, for 95 % on one side): the error is never below UNSEEN / G.
    """
    return replace(estimate, error=max(estimate.error, UNSEEN / groups))


def of_equality(estimate: Estimate, groups: int) -> Estimate:
    """The estimate by which arms may be called equal.

    Near the ceiling they differ on a handful of groups, all in favour of one, and the next handful may be twice as
    large. So FURTHER groups are added to those on which they differ: the idea of Bonett & Price, who add two (Adjusted
    Wald confidence interval for a difference of binomial proportions based on paired data, J. Educational and
    Behavioral Statistics 37, 2012). With three, arms that are set apart by the region of equivalence are called equal
    in less than one of twenty studies, whatever their number of groups.
    """
    return replace(estimate, error=(estimate.error**2 + FURTHER / groups**2) ** 0.5)
