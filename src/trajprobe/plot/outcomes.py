"""What the headline arms of an encoder predicted, by class and by item, from its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trajprobe.artifacts.predictions import ArmPredictions, Predictions
from trajprobe.core.errors import UserError


@dataclass(frozen=True)
class Votes:
    """The predictions of one arm for N items and K classes, counted over repeats and initialisations.

    y: (N,) true classes, or numbers, of which there are no votes (K is 0). counts: (N, K) how often an item was
    predicted as a class; every row has the same sum.
    """

    y: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def confusion(self) -> NDArray[np.float64]:
        """(K, K) items of a true class (row) predicted as a class (column), a mean over repeats and initialisations."""
        members = np.eye(self.counts.shape[1], dtype=np.int64)[self.y]
        matrix: NDArray[np.float64] = members.T @ self.counts / self.counts[0].sum()
        return matrix

    @property
    def correct(self) -> NDArray[np.float64]:
        """(N,) fraction of an item's predictions that are correct."""
        share: NDArray[np.float64] = self.counts[np.arange(len(self.y)), self.y] / self.counts[0].sum()
        return share

    @property
    def mistaken(self) -> NDArray[np.int64]:
        """(N,) the wrong class predicted most often for an item, -1 if there is none."""
        wrong = self.counts.copy()
        wrong[np.arange(len(self.y)), self.y] = 0
        return np.where(wrong.any(axis=1), wrong.argmax(axis=1), -1)


@dataclass(frozen=True)
class PredictedNumbers:
    """(N,) true numbers, and those predicted in the first repeat by the pretrained arm and the first initialisation."""

    true: NDArray[np.float64]
    pretrained: NDArray[np.float64]
    random: NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """Both arms of an encoder over the same N held-out items, item_ids (N,), and K classes.

    inits: number of random initialisations. folds, repeats: of the cross-validation; folds is 1 for a published split.
    numbers: where these are predicted in place of classes.
    """

    classes: list[str]
    item_ids: list[str]
    pretrained: Votes
    random: Votes
    inits: int
    folds: int
    repeats: int
    numbers: PredictedNumbers | None = None


def count_outcomes(predictions: Predictions, encoder: str) -> Outcomes:
    """The outcomes of `encoder` at its first layer and pooling. Raises UserError if one of its arms is missing."""
    own = [each for each in predictions.arms if each.arm.encoder == encoder]
    pretrained = [each for each in own if each.arm.arm == "pretrained"][:1]
    place = {(each.arm.layer, each.arm.pooling) for each in pretrained}
    random = [
        each for each in own if each.arm.arm == "random" and (each.arm.layer, each.arm.pooling) in place
    ]
    if not pretrained or not random:
        raise UserError(
            f"predictions of {encoder}: expected a pretrained and a random arm, found {len(pretrained)} and "
            f"{len(random)}; run `dvc repro probe@{encoder}`"
        )
    return Outcomes(
        classes=predictions.classes,
        item_ids=predictions.item_ids,
        pretrained=_votes(predictions, pretrained),
        random=_votes(predictions, random),
        inits=len(random),
        folds=int(pretrained[0].fold.max()) + 1,
        repeats=len(pretrained[0].fold),
        numbers=None
        if predictions.classes
        else PredictedNumbers(predictions.y, pretrained[0].predicted[0], random[0].predicted[0]),
    )


def _votes(predictions: Predictions, arms: Sequence[ArmPredictions]) -> Votes:
    rows = np.arange(len(predictions.y))
    counts = np.zeros((len(rows), len(predictions.classes)), np.int64)
    for arm in arms if predictions.classes else ():
        for predicted in arm.predicted:  # one repeat
            counts[rows, predicted] += 1
    return Votes(predictions.y, counts)
