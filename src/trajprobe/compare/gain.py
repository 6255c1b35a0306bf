"""The gain of pretraining: accuracy of the pretrained arm minus the mean accuracy of the random initialisations.

Two questions are asked of it. Is *this checkpoint* more accurate than the average untrained network? The items and the
random seeds are samples: of the motion that could have been recorded, and of the initialisations that could have been
drawn. The interval of the gain covers both, items also as training items of the probes (see `random_effects`). Is it
more accurate than *one untrained network* may be by luck? The prediction interval tells (see `single_case`). An item
counts with the fraction of repeats in which it is classified correctly. Where numbers are predicted R^2 takes the place
of accuracy, under its name.
"""

from dataclasses import dataclass

import numpy as np

from trajprobe.compare.classical_tests import error_reduction, odds_ratio, outlier, single_case
from trajprobe.compare.paired_predictions import NEVER_EXACT, Contrast, PairedPredictions
from trajprobe.compare.power import minimum_detectable
from trajprobe.compare.random_effects import MeanEstimate, equality_error, interval

LEAST_SD = (
    0.5  # of one item in the accuracy: a few initialisations that agree do not prove that all do; not of R^2
)


@dataclass(frozen=True)
class Gain:
    """A gain with the answers to both questions.

    accuracies: of the random initialisations, in order. low, high, p_value: of this checkpoint against the average
    untrained network. prediction_low, prediction_high, p_draw: of it against one untrained network. Both p-values are
    two-sided, and below 1 - confidence exactly where the interval excludes zero. equality_bound: the smallest region
    ±bound in which the arms may be called equal. detectable: the smallest gain that both tests detect with a power
    of 80 %. error_reduction, odds_ratio: of the accuracies of both arms, None where they are not defined; of R^2 the
    first is the share of the squared error that is gone. outlier: the number of an initialisation that lies far from
    the others. covers_training: whether the interval covers other training items; it cannot if a class is too small to
    be split.
    """

    items: int
    accuracy: float
    accuracies: tuple[float, ...]
    value: float
    low: float
    high: float
    p_value: float
    prediction_low: float
    prediction_high: float
    p_draw: float
    equality_bound: float
    detectable: float
    error_reduction: float | None
    odds_ratio: float | None
    outlier: int | None
    covers_training: bool

    @property
    def seeds(self) -> int:
        return len(self.accuracies)

    @property
    def random_accuracy(self) -> float:
        return float(np.mean(self.accuracies))

    @property
    def p_both(self) -> float:
        """The p-value of the hypothesis that at least one of the two questions has the answer no.

        It is rejected only if both tests reject (Berger, Multiparameter hypothesis testing and acceptance sampling,
        Technometrics 24, 1982, the intersection-union test).
        """
        return max(self.p_value, self.p_draw)


def estimate_gain(paired: PairedPredictions, contrast: Contrast, confidence: float, comparisons: int) -> Gain:
    """All statistics of one contrast. comparisons: how many Holm's correction is for, which lowers the power."""
    most, binary = paired.most, paired.score != "r2"
    pretrained, random = paired.item_scores([contrast.pretrained]), paired.item_scores(contrast.random)
    accuracy, accuracies = float(pretrained.mean()), random.mean(axis=1).tolist()
    estimate = paired.difference([contrast.pretrained], contrast.random)
    low, high, p_value = gain_interval(estimate, confidence, most)
    draw = single_case(accuracy, accuracies, LEAST_SD / len(paired.y) if binary else NEVER_EXACT)
    prediction = draw.prediction_interval(confidence) if draw else (-most, most)
    error = estimate.error
    if binary:
        error = equality_error(error, (pretrained - random).mean(axis=0), paired.groups)
    equal_low, equal_high, _ = interval(MeanEstimate(estimate.mean, error, estimate.df), confidence)
    return Gain(
        items=len(paired.y),
        accuracy=accuracy,
        accuracies=tuple(accuracies),
        value=estimate.mean,
        low=low,
        high=high,
        p_value=p_value,
        prediction_low=max(prediction[0], -most),
        prediction_high=min(prediction[1], most),
        p_draw=draw.p_value if draw else 1.0,
        equality_bound=max(-equal_low, equal_high),
        # The first step of Holm's correction is Bonferroni's: alpha over the number of comparisons.
        detectable=minimum_detectable(estimate, draw, 1 - (1 - confidence) / comparisons),
        error_reduction=error_reduction(accuracy, float(np.mean(accuracies))),
        odds_ratio=odds_ratio(accuracy, float(np.mean(accuracies))) if binary else None,
        outlier=outlier(accuracies),
        covers_training=len(paired.split_half_counts) > 0,
    )


def gain_interval(estimate: MeanEstimate, confidence: float, most: float = 1.0) -> tuple[float, float, float]:
    """As `interval`, with both ends between -most and most, which a difference of accuracies cannot leave."""
    low, high, p_value = interval(estimate, confidence)
    return max(low, -most), min(high, most), p_value
