"""What an encoder's headline arms said, class by class and item by item, from its predictions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trajprobe.errors import UserError
from trajprobe.probe.predictions import Held, Predictions
from trajprobe.probe.scores import confusion


@dataclass(frozen=True)
class Outcomes:
    """K classes, N held-out items.

    pretrained, random: (K, K) items of an actual class (row) predicted as a class (column), means over repeats and,
    for random, over initialisations. right_pretrained, right_random: (N,) how often an item was classified right.
    mistaken_pretrained, mistaken_random: (N,) the class an item was most often taken for, its own aside; -1 if it was
    never mistaken.
    """

    encoder: str
    classes: list[str]
    item_ids: list[str]
    codes: NDArray[np.int64]
    pretrained: NDArray[np.float64]
    random: NDArray[np.float64]
    right_pretrained: NDArray[np.float64]
    right_random: NDArray[np.float64]
    mistaken_pretrained: NDArray[np.int64]
    mistaken_random: NDArray[np.int64]
    inits: int
    folds: int
    repeats: int


def outcomes(predictions: Predictions, encoder: str) -> Outcomes:
    """Sum up the first layer and pooling of `predictions`. Raises UserError where an arm of `encoder` is missing."""
    own = [held for held in predictions.arms if held.arm.encoder == encoder]
    pretrained = [held for held in own if held.arm.arm == "pretrained"][:1]
    place = {(held.arm.layer, held.arm.pooling) for held in pretrained}
    random = [
        held for held in own if held.arm.arm == "random" and (held.arm.layer, held.arm.pooling) in place
    ]
    if not pretrained or not random:
        raise UserError(
            f"predictions of {encoder}: required a pretrained and a random arm, got "
            f"{len(pretrained)} and {len(random)}; run `dvc repro probe@{encoder}`"
        )
    codes, count = predictions.codes, len(predictions.classes)
    return Outcomes(
        encoder=encoder,
        classes=predictions.classes,
        item_ids=predictions.item_ids,
        codes=codes,
        pretrained=_matrix(pretrained, codes, count),
        random=_matrix(random, codes, count),
        right_pretrained=_right(pretrained, codes),
        right_random=_right(random, codes),
        mistaken_pretrained=_mistaken(pretrained, codes, count),
        mistaken_random=_mistaken(random, codes, count),
        inits=len(random),
        folds=int(pretrained[0].fold.max()) + 1,
        repeats=len(pretrained[0].fold),
    )


def _matrix(arms: list[Held], codes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    matrices = [confusion(codes, said, count) for held in arms for said in held.predicted]
    return np.mean(matrices, axis=0)


def _right(arms: list[Held], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.mean([said == codes for held in arms for said in held.predicted], axis=0)


def _mistaken(arms: list[Held], codes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    rows = np.arange(len(codes))
    votes = np.zeros((len(codes), count), np.int64)
    for held in arms:
        for said in held.predicted:
            votes[rows, said] += 1
    votes[rows, codes] = 0
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)
