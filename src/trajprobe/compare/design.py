"""Studies that have not been done: what a design of so many initialisations and items would be able to find.

The variance of the gain has four parts: initialisations, groups of items, both together, and training items. A pilot
estimates them, and they tell the standard error of any other design. The parts themselves are taken to stay as they
are, but for the training items: what they add falls with their number as TRAINING_DIVISOR says of twice as many.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from trajprobe.compare.classical_tests import SingleCase
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.power import minimum_detectable, minimum_equivalence
from trajprobe.compare.random_effects import (
    TRAINING_DIVISOR,
    UNSEEN_DISAGREEMENTS,
    VARYING_DIFFERENCE,
    MeanEstimate,
    MeanSquares,
    equality_error,
    minimum_error,
)

ENDLESS = 10**9  # as many groups or initialisations as anybody could wish for
PRECISION = 0.01  # relative, of the number of groups that is needed


@dataclass(frozen=True)
class Design:
    """A study of `seeds` random initialisations, two at least, and `groups` groups of items."""

    seeds: int
    groups: int


@dataclass(frozen=True)
class VarianceComponents:
    """Of the gain, in squared fractions.

    seeds, group, both: of an initialisation, of a group, and of both together, the a, b and c of `MeanSquares`.
    training: what training items add to the variance of the mean with `trained_on` groups. split_halves: how many
    tell of that; 0 if nothing is known. unseen: what `equality_error` adds to it, also with `trained_on` groups.
    """

    seeds: float
    group: float
    both: float
    training: float
    trained_on: int
    split_halves: int
    unseen: float

    def estimate(self, design: Design) -> MeanEstimate:
        """A gain of zero, with the standard error and the degrees of freedom that the design would have."""
        cells = design.seeds * design.groups
        share = (self.trained_on / design.groups) ** math.log2(TRAINING_DIVISOR)
        return MeanSquares(
            seeds=design.seeds,
            groups=design.groups,
            of_seeds=self.both + design.groups * self.seeds,
            of_groups=self.both + design.seeds * self.group,
            of_both=self.both,
            training=cells * self.training * share,
            df_training=min(self.split_halves, design.groups - 1) or None,
        ).estimate(0.0)

    def draw(self, design: Design) -> SingleCase:
        """The test of one more draw: the accuracies of initialisations vary by themselves, and with the items."""
        variance = self.seeds + self.both / design.groups
        return SingleCase(0.0, (variance * (1 + 1 / design.seeds)) ** 0.5, design.seeds - 1)

    def half_width(self, design: Design, confidence: float) -> float:
        """Half the width of the interval of the gain."""
        estimate = self.estimate(design)
        return float(t.ppf((1 + confidence) / 2, estimate.df)) * estimate.error

    def detectable(self, design: Design, confidence: float) -> float:
        """The gain that both tests find with 80 % power. confidence: of each, after correction for their number."""
        return minimum_detectable(self.estimate(design), self.draw(design), confidence)

    def equivalence(self, design: Design, confidence: float) -> float:
        """The smallest ±region in which a gain of zero is shown to lie, with 80 % power."""
        unseen = self.unseen * (self.trained_on / design.groups) ** 2
        return minimum_equivalence(self.estimate(design), unseen, confidence)


def components_of_study(paired: PairedPredictions, contrast: Contrast) -> VarianceComponents:
    """The components of a finished study of two or more initialisations."""
    arms = [contrast.pretrained]
    values = (paired.item_scores(arms) - paired.item_scores(contrast.random)).mean(axis=0)
    squares = paired.mean_squares(arms, contrast.random)
    return components_of_table(squares, values, paired.groups, binary=paired.score != "r2")


def components_of_table(
    squares: MeanSquares, values: np.ndarray, groups: np.ndarray, binary: bool = True
) -> VarianceComponents:
    """The components behind mean squares; a negative one counts as zero.

    values: (N,) mean differences of the items; groups: (N,) integers. Where arms hardly ever differ, the component of
    the groups is as much larger as `minimum_error` asks. binary: whether items are right or wrong, which that is about.
    """
    error = squares.estimate(0.0).error
    least = max(error, minimum_error(values, groups, VARYING_DIFFERENCE)) if binary else error
    lacking = (least**2 - error**2) * squares.groups
    return VarianceComponents(
        seeds=max(0.0, squares.of_seeds - squares.of_both) / squares.groups,
        group=max(0.0, squares.of_groups - squares.of_both) / squares.seeds + lacking,
        both=squares.of_both,
        training=squares.training / (squares.seeds * squares.groups),
        trained_on=squares.groups,
        split_halves=squares.df_training or 0,
        unseen=equality_error(least, values, groups) ** 2 - least**2 if binary else 0.0,
    )


def assumed_components(spread: float, disagreement: float) -> VarianceComponents:
    """Components without a pilot, of items that are their own groups.

    spread: standard deviation of the accuracies over initialisations. disagreement: fraction of the items on which only
    one of the pretrained and an untrained network is right, taken to be the same items for all initialisations, which
    is cautious. Training items are left out, which is not.
    """
    return VarianceComponents(spread**2, disagreement, 0.0, 0.0, 1, 0, UNSEEN_DISAGREEMENTS)


def groups_needed(found: Callable[[int], float], goal: float, start: int) -> int | None:
    """The least number of groups with which `found`, which falls with it, is `goal` or less; None if none is enough.

    start: where to look first. The answer is at most PRECISION too large.
    """
    low, high = 1, max(start, 2)
    while found(high) > goal:
        low, high = high, 4 * high
        if high > ENDLESS:
            return None
    while high - low > max(1, PRECISION * high):
        middle = round((low * high) ** 0.5) if high > 2 * low else (low + high) // 2
        low, high = (middle, high) if found(middle) > goal else (low, middle)
    return high


def sd_interval(seeds: int, confidence: float) -> tuple[float, float]:
    """Between which multiples of it the true standard deviation lies, if `seeds` normal values estimated it."""
    tails = np.array([(1 + confidence) / 2, (1 - confidence) / 2])
    low, high = np.sqrt((seeds - 1) / chi2.ppf(tails, seeds - 1))
    return float(low), float(high)
