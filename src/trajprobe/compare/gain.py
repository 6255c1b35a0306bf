"""The gain of pretraining: accuracy of the pretrained arm minus the mean accuracy of the random initialisations.

The pretrained encoder is one given thing; the items and the random seeds are samples, of the motion one could have
recorded and of the initialisations one could have drawn. So the gain is for all such items and seeds, and its
interval covers both, items also as what the probes were trained on (see `crossed`). Every item counts with the share
of repeats in which it is classified rightly.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from trajprobe.compare import mcnemar
from trajprobe.compare.bootstrap import bca
from trajprobe.compare.crossed import Estimate, group_scores, of_equality
from trajprobe.compare.effect import hedges_g, rank
from trajprobe.compare.evidence import Contrast, Evidence
from trajprobe.compare.power import minimum_detectable
from trajprobe.compare.resampled import Resampled, corrected
from trajprobe.params.study import Compare


@dataclass(frozen=True)
class Gain:
    """A gain with its interval, two-sided p-value and what stands beside them.

    low, high: the interval; p_value is below 1 - confidence exactly where it excludes zero. equality: the least
    region of equivalence, either side of zero, in which the arms may be called equal (see `of_equality`).
    bootstrap_low, bootstrap_high: the bootstrap's interval, beside it. seeds: random initialisations. detectable: the
    smallest gain found with a power of 80 %. rank: of the pretrained arm among itself and the seeds. hedges_g: None
    where the seeds do not differ, or are fewer than three. resampled: None without several folds. halved: whether the
    interval covers what other training items would change; it cannot where a class is too small to be halved.
    """

    value: float
    low: float
    high: float
    equality: float
    bootstrap_low: float
    bootstrap_high: float
    p_value: float
    estimate: Estimate
    seeds: int
    detectable: float
    rank: int
    hedges_g: float | None
    mcnemar_p: float
    resampled: Resampled | None
    halved: bool


def estimate_gain(evidence: Evidence, contrast: Contrast, settings: Compare, encoders: int) -> Gain:
    """All statistics of one contrast. encoders: how many comparisons the power to detect a gain is divided among."""
    ours = evidence.accuracy_of_items(contrast.pretrained)
    theirs = evidence.accuracy_of_items(*contrast.random)
    scores = group_scores(ours - theirs, evidence.groups)
    estimate = evidence.accuracy([contrast.pretrained], contrast.random)
    low, high, p_value = gain_interval(estimate, settings.confidence)
    bootstrap_low, bootstrap_high = bca(scores, settings.bootstrap, settings.seed, settings.confidence)
    accuracies = theirs.mean(axis=1).tolist()
    return Gain(
        value=estimate.mean,
        low=low,
        high=high,
        equality=equality(estimate, scores.shape[1], settings.confidence),
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        p_value=p_value,
        estimate=estimate,
        seeds=len(theirs),
        # At the level of Holm's first step, which is Bonferroni's.
        detectable=minimum_detectable(estimate, 1 - (1 - settings.confidence) / encoders),
        rank=rank(float(ours.mean()), accuracies),
        hedges_g=hedges_g(float(ours.mean()), accuracies),
        mcnemar_p=mcnemar.combined(
            evidence.hits(contrast.pretrained), np.stack([evidence.hits(held) for held in contrast.random])
        ),
        resampled=_resampled(evidence, contrast),
        halved=len(evidence.halves) > 0,
    )


def interval(estimate: Estimate, confidence: float) -> tuple[float, float, float]:
    """The ends of the interval, and the two-sided p-value of a mean of zero that belongs to it."""
    half = float(student.ppf((1 + confidence) / 2, estimate.freedom)) * estimate.error
    p_value = float(2 * student.sf(abs(estimate.mean) / estimate.error, estimate.freedom))
    return estimate.mean - half, estimate.mean + half, p_value


def equality(estimate: Estimate, groups: int, confidence: float) -> float:
    """The larger end, without its sign, of the interval by which arms may be called equal."""
    low, high, _ = interval(of_equality(estimate, groups), confidence)
    return max(-low, high)


def gain_interval(estimate: Estimate, confidence: float) -> tuple[float, float, float]:
    """As `interval`, of a difference of accuracies, which does not leave -1 to 1 though a few items may say so."""
    low, high, p_value = interval(estimate, confidence)
    return max(low, -1.0), min(high, 1.0), p_value


def exceeds(estimate: Estimate, bound: float) -> float:
    """One-sided p-value of a mean no greater than `bound`."""
    return float(student.sf((estimate.mean - bound) / estimate.error, estimate.freedom))


def _resampled(evidence: Evidence, contrast: Contrast) -> Resampled | None:
    fold = contrast.pretrained.fold
    cell = (fold + np.arange(len(fold))[:, None] * (fold.max() + 1)).ravel()
    sizes = np.bincount(cell)
    if len(sizes) < 2:
        return None
    theirs = np.mean([evidence.hits(held) for held in contrast.random], axis=0)
    difference = (evidence.hits(contrast.pretrained) - theirs).ravel()
    shares = sizes / (fold.shape[1] - sizes)
    return corrected(np.bincount(cell, difference) / sizes, float(shares.mean()))
