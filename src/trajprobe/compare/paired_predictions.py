"""The held-out predictions of all arms, over the same items and the same folds: what every comparison starts from.

Predictions come in one file for each encoder and one for the controls. Before they are compared they must agree on
the items, their classes and groups, and the folds. A file that was made before something changed is refused here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trajprobe.artifacts.predictions import ArmPredictions, ClassScore, Predictions, Score, item_scores
from trajprobe.compare.random_effects import (
    VARYING_DIFFERENCE,
    VARYING_MEAN,
    MeanEstimate,
    MeanSquares,
    group_scores,
    mean_squares,
    minimum_error,
    ratio_scores,
    two_way_mean,
)
from trajprobe.core import paths
from trajprobe.core.errors import UserError

NEVER_EXACT = 1e-9  # the least standard error of R^2, which no two sums of squares share by chance


@dataclass(frozen=True)
class Contrast:
    """An encoder at one layer and pooling: the pretrained arm against the random initialisations, in order."""

    pretrained: ArmPredictions
    random: list[ArmPredictions]


@dataclass(frozen=True)
class PairedPredictions:
    """All arms over N held-out items.

    y: (N,) integers into `classes`, or numbers if there are none; groups: (N,) integers 0..G-1; contrasts: by encoder,
    its headline first; controls: by name. l2_grid: both ends of the probe's grid. split_half_counts: (B, 2, K) items of
    each class that are tested in each half of B split halves. features: metadata of each encoder's features.
    alternatives: by name, an arm for each seed. alternative_features: metadata of each. score: what `accuracy` and
    `difference` are of; r2 if and only if y are numbers. `minimum_error`, which is of things that happen or not,
    applies to accuracy alone.
    """

    y: np.ndarray
    groups: np.ndarray
    classes: list[str]
    contrasts: dict[str, list[Contrast]]
    controls: dict[str, ArmPredictions]
    l2_grid: tuple[float, float]
    split_half_counts: np.ndarray
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alternatives: Mapping[str, list[ArmPredictions]] = field(default_factory=dict)
    alternative_features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    score: Score = "accuracy"

    @property
    def n_groups(self) -> int:
        return int(self.groups.max()) + 1

    @property
    def chance(self) -> float:
        """The accuracy of always naming the most frequent class; R^2 of always naming the mean."""
        if self.score == "r2":
            return 0.0
        return float(np.bincount(self.y).max() / len(self.y))

    @property
    def most(self) -> float:
        """The largest difference of two scores that there can be."""
        return np.inf if self.score == "r2" else 1.0

    def correct(self, arm: ArmPredictions) -> np.ndarray:
        """(R, N) whether each held-out prediction is correct."""
        return arm.predicted == self.y

    def item_accuracy(self, arms: Sequence[ArmPredictions]) -> np.ndarray:
        """(A, N) fraction of repeats in which each of A arms classifies each item correctly."""
        return np.stack([self.correct(arm).mean(axis=0) for arm in arms])

    def item_scores(self, arms: Sequence[ArmPredictions]) -> np.ndarray:
        """(A, N) the score of each item with each of A arms, averaged over repeats.

        Of numbers it is the item's part in R^2 = 1 - mean squared error / variance of the held-out numbers, linearised
        as any ratio of means.
        """
        if self.score == "accuracy":
            return self.item_accuracy(arms)
        if self.score == "r2":
            spread = (self.y - self.y.mean()) ** 2
            errors = [((arm.predicted - self.y) ** 2).mean(axis=0) for arm in arms]
            return np.concatenate([ratio_scores(spread - error, spread) for error in errors])
        return np.stack([item_scores(self.score, arm.probability, self.y).mean(axis=0) for arm in arms])

    def accuracy(self, arms: Sequence[ArmPredictions]) -> MeanEstimate:
        """Accuracy averaged over `arms`, with its uncertainty over groups of items, training items and arms."""
        halves = self._half_scores(arms, slice(None), self.common_halves(arms))
        return self._estimate(self.item_scores(arms), halves, slice(None), VARYING_MEAN)

    def difference(
        self, arms: Sequence[ArmPredictions], others: Sequence[ArmPredictions], class_index: int | None = None
    ) -> MeanEstimate:
        """Mean accuracy of `arms` minus that of `others`, on all items or on those of one class.

        Any arms can be compared, of encoders, controls or alternatives. Split halves count as far as all have them;
        where one has none the error leaves the training items out. Where both sides have several seeds, the variance
        due to each side's is added to what the two means by themselves vary by.
        """
        items = slice(None) if class_index is None else self.y == class_index
        classes = slice(None) if class_index is None else slice(class_index, class_index + 1)
        first, second = self.item_scores(arms), self.item_scores(others)
        count = self.common_halves([*arms, *others])
        halves = self._half_scores(arms, classes, count) - self._half_scores(others, classes, count)
        if min(len(arms), len(others)) == 1:
            return self._estimate(first - second, halves, items, VARYING_DIFFERENCE)
        means = first.mean(axis=0, keepdims=True), second.mean(axis=0, keepdims=True)
        of_first, of_second, of_none = (
            self._estimate(scores, halves, items, VARYING_DIFFERENCE)
            for scores in (first - means[1], means[0] - second, means[0] - means[1])
        )
        square = of_first.error**2 + of_second.error**2 - of_none.error**2
        return MeanEstimate(of_none.mean, square**0.5, min(of_first.df, of_second.df))

    def mean_squares(self, arms: Sequence[ArmPredictions], others: Sequence[ArmPredictions]) -> MeanSquares:
        """What the error of `difference` is made of, where one side has a single seed."""
        count = self.common_halves([*arms, *others])
        halves = self._half_scores(arms, slice(None), count) - self._half_scores(others, slice(None), count)
        scores = group_scores(self.item_scores(arms) - self.item_scores(others), self.groups)
        return mean_squares(scores, halves)

    def _estimate(
        self, scores: np.ndarray, halves: np.ndarray, items: np.ndarray | slice, varying: float
    ) -> MeanEstimate:
        groups = np.unique(self.groups[items], return_inverse=True)[1]
        estimate = two_way_mean(group_scores(scores[:, items], groups), halves)
        if self.score == "r2":
            return replace(estimate, error=max(estimate.error, NEVER_EXACT))
        if self.score != "accuracy":
            varying = 0.0
        least = minimum_error(scores[:, items].mean(axis=0), groups, varying)
        return replace(estimate, error=max(estimate.error, least))

    def common_halves(self, arms: Sequence[ArmPredictions]) -> int:
        """How many of the first split halves all arms have results of."""
        return min(len(arm.split_half_scores.get(self.score, ())) for arm in arms)

    def _half_scores(self, arms: Sequence[ArmPredictions], classes: slice, count: int) -> np.ndarray:
        """(B, 2) mean score in each half, for those of the first `count` splits in which both hold out anything."""
        held_out = self.split_half_counts[:count, :, classes].sum(axis=2)
        if not count:
            return np.zeros((0, 2))
        each = [arm.split_half_scores[self.score][:count, :, classes].sum(axis=2) for arm in arms]
        useful = (held_out > 0).all(axis=1)
        return np.asarray(np.mean(each, axis=0)[useful] / held_out[useful])


def pair_predictions(
    files: Mapping[str, Predictions], alternatives: Mapping[str, Predictions] | None = None
) -> PairedPredictions:
    """Bring the files together: `files` by encoder, and the controls under their name; `alternatives` by theirs.

    An alternative may have results in fewer repeats or split halves, the first of the same. Raises UserError if two
    files disagree on items, labels, groups, folds or split halves, or an encoder lacks an arm.
    """
    first_name, first = next(iter(files.items()))
    alternatives = alternatives or {}
    for name, other in {**files, **alternatives}.items():
        if what := _differing(first, other, fewer=name in alternatives):
            raise UserError(
                f"data/predictions: {name} and {first_name} were probed with different {what}, so their arms "
                "cannot be compared; run `dvc repro`, which updates all predictions"
            )
    encoders = [name for name in files if name != paths.CONTROLS]
    return PairedPredictions(
        y=first.y,
        groups=_numbered(first.groups),
        classes=first.classes,
        contrasts={encoder: contrasts_of(encoder, files[encoder].arms) for encoder in encoders},
        controls={each.arm.encoder: each for each in files[paths.CONTROLS].arms},
        alternatives={name: other.arms for name, other in alternatives.items()},
        alternative_features={name: other.features for name, other in alternatives.items()},
        l2_grid=first.l2_grid,
        split_half_counts=first.split_half_counts,
        features={encoder: files[encoder].features for encoder in encoders},
        score="accuracy" if first.classes else "r2",
    )


def pair_any(files: Mapping[str, Predictions], score: ClassScore = "accuracy") -> PairedPredictions:
    """Files that come from anywhere, of which arms are to be compared. It has no contrasts, controls or alternatives.

    score: of classes; numbers are scored by R^2.

    Raises UserError if two of them disagree on items, labels, groups, folds, or the split halves that both have.
    """
    first_name, first = next(iter(files.items()))
    for name, other in files.items():
        if what := _differing(first, other, fewer=True):
            sizes = f" ({len(other.y)} and {len(first.y)} held out)" if what == "items" else ""
            raise UserError(
                f"{name} and {first_name} were probed with different {what}{sizes}, so they cannot be compared; take "
                "studies of the same source and the same section `probe` of params.yaml"
            )
    return PairedPredictions(
        y=first.y,
        groups=_numbered(first.groups),
        classes=first.classes,
        contrasts={},
        controls={},
        l2_grid=first.l2_grid,
        split_half_counts=max((each.split_half_counts for each in files.values()), key=len),
        features={name: each.features for name, each in files.items()},
        score=score if first.classes else "r2",
    )


def _differing(one: Predictions, other: Predictions, fewer: bool) -> str | None:
    """What the two do not have in common; None if arms of both can be compared.

    fewer: whether one may have results in the first repeats and split halves of the other alone.
    """
    halves = one.split_half_counts, other.split_half_counts
    folds = [arm.fold for arm in (*one.arms, *other.arms)]
    if fewer:
        count, repeats = min(map(len, halves)), min(map(len, folds), default=0)
        halves = halves[0][:count], halves[1][:count]
        folds = [fold[:repeats] for fold in folds]
    same = {
        "items": other.items == one.items and other.item_ids == one.item_ids,
        "labels": other.classes == one.classes and np.array_equal(other.y, one.y),
        "groups": other.groups == one.groups,
        "folds": all(np.array_equal(fold, folds[0]) for fold in folds),
        "split halves": np.array_equal(*halves),
    }
    return next((what for what, agreed in same.items() if not agreed), None)


def _numbered(groups: Sequence[str]) -> np.ndarray:
    return np.asarray(np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1])


def contrasts_of(encoder: str, arms: Sequence[ArmPredictions]) -> list[Contrast]:
    """The arms of an encoder's file by layer and pooling, the headline's first. Raises UserError if one is missing."""
    contrasts = []
    for place in dict.fromkeys((each.arm.layer, each.arm.pooling) for each in arms):
        here = [each for each in arms if (each.arm.layer, each.arm.pooling) == place]
        pretrained = [each for each in here if each.arm.arm == "pretrained"]
        random = [each for each in here if each.arm.arm == "random"]
        if len(pretrained) != 1 or not random:
            raise UserError(
                f"{paths.predictions(encoder)}: {'/'.join(place)}: expected one pretrained arm and at least one "
                f"random arm, found {len(pretrained)} and {len(random)}; run `dvc repro -f probe@{encoder}`"
            )
        contrasts.append(Contrast(pretrained[0], random))
    return contrasts
