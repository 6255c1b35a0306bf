"""The gain of pretraining: accuracy of the pretrained arm minus the mean accuracy of the random initialisations.

The pretrained encoder is fixed. The items and the random seeds are samples: of the motion that could have been
recorded, and of the initialisations that could have been drawn. So the gain is a statement about all such items and
seeds, and its interval covers both, items also as training items of the probes (see `random_effects`). An item counts
with the fraction of repeats in which it is classified correctly.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, t

from trajprobe.compare.classical_tests import (
    ResampledDifference,
    bca_interval,
    hedges_g,
    mcnemar_over_seeds,
    rank_among,
    resampled_difference,
)
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.params import CompareParams
from trajprobe.compare.random_effects import MeanEstimate, group_scores, interval, with_unseen_disagreements

POWER = 0.8  # of the smallest gain that counts as detectable


@dataclass(frozen=True)
class Gain:
    """A gain with its interval, its two-sided p-value and the statistics that stand beside them.

    p_value: below 1 - confidence exactly where the interval from low to high excludes zero. equality_bound: the
    smallest region ±bound in which the arms may be called equal. seeds: number of random initialisations. detectable:
    the smallest gain that is detected with a power of 80 %. rank: of the pretrained arm among itself and the seeds.
    hedges_g: None if the seeds do not differ, or are fewer than three. resampled: None without several folds.
    covers_training: whether the interval covers other training items; it cannot if a class is too small to be split.
    """

    value: float
    low: float
    high: float
    equality_bound: float
    bootstrap_low: float
    bootstrap_high: float
    p_value: float
    estimate: MeanEstimate
    seeds: int
    detectable: float
    rank: int
    hedges_g: float | None
    mcnemar_p: float
    resampled: ResampledDifference | None
    covers_training: bool


def estimate_gain(
    paired: PairedPredictions, contrast: Contrast, settings: CompareParams, comparisons: int
) -> Gain:
    """All statistics of one contrast. comparisons: how many Holm's correction is for, which lowers the power."""
    pretrained = paired.item_accuracy([contrast.pretrained])
    random = paired.item_accuracy(contrast.random)
    scores = group_scores(pretrained - random, paired.groups)
    estimate = paired.difference([contrast.pretrained], contrast.random)
    low, high, p_value = gain_interval(estimate, settings.confidence)
    bootstrap_low, bootstrap_high = bca_interval(
        scores, settings.bootstrap, settings.seed, settings.confidence
    )
    accuracy, random_accuracies = float(pretrained.mean()), random.mean(axis=1).tolist()
    return Gain(
        value=estimate.mean,
        low=low,
        high=high,
        equality_bound=equality_bound(estimate, paired.n_groups, settings.confidence),
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        p_value=p_value,
        estimate=estimate,
        seeds=len(random),
        # The first step of Holm's correction is Bonferroni's: alpha over the number of comparisons.
        detectable=minimum_detectable(estimate, 1 - (1 - settings.confidence) / comparisons),
        rank=rank_among(accuracy, random_accuracies),
        hedges_g=hedges_g(accuracy, random_accuracies),
        mcnemar_p=mcnemar_over_seeds(
            paired.correct(contrast.pretrained), np.stack([paired.correct(arm) for arm in contrast.random])
        ),
        resampled=_resampled(paired, contrast),
        covers_training=len(paired.split_half_counts) > 0,
    )


def gain_interval(estimate: MeanEstimate, confidence: float) -> tuple[float, float, float]:
    """As `interval`, with both ends between -1 and 1, which a difference of accuracies cannot leave."""
    low, high, p_value = interval(estimate, confidence)
    return max(low, -1.0), min(high, 1.0), p_value


def equality_bound(estimate: MeanEstimate, groups: int, confidence: float) -> float:
    """The absolute value of the end that is farther from zero, of the interval from which arms may be called equal."""
    low, high, _ = interval(with_unseen_disagreements(estimate, groups), confidence)
    return max(-low, high)


def minimum_detectable(estimate: MeanEstimate, confidence: float, power: float = POWER) -> float:
    """The true gain whose two-sided test at level 1 - confidence rejects with probability `power`.

    The test statistic then follows a non-central t distribution (Cohen, Statistical Power Analysis, 1988, chapter 2).
    """
    critical = t.ppf((1 + confidence) / 2, estimate.df)

    def excess(shift: float) -> float:
        return float(nct.sf(critical, estimate.df, shift) - power)

    return float(brentq(excess, 0, 2 * critical + 10)) * estimate.error


def _resampled(paired: PairedPredictions, contrast: Contrast) -> ResampledDifference | None:
    fold = contrast.pretrained.fold
    cell = (fold + np.arange(len(fold))[:, None] * (fold.max() + 1)).ravel()
    sizes = np.bincount(cell)
    if len(sizes) < 2:
        return None
    random = np.mean([paired.correct(arm) for arm in contrast.random], axis=0)
    difference = (paired.correct(contrast.pretrained) - random).ravel()
    test_ratios = sizes / (fold.shape[1] - sizes)
    return resampled_difference(np.bincount(cell, difference) / sizes, float(test_ratios.mean()))
