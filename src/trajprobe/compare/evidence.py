"""What a comparison rests on: every arm's held-out predictions, over the same items and the same folds.

Predictions come in one file for each encoder and one for the controls. Before they are compared they must agree on
the items, their classes and groups, and the folds; a file that was made before something changed is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trajprobe.errors import UserError
from trajprobe.probe.predictions import Held, Predictions


@dataclass(frozen=True)
class Contrast:
    """An encoder at one layer and pooling: the pretrained arm against the random initialisations, in order."""

    pretrained: Held
    random: list[Held]


@dataclass(frozen=True)
class Evidence:
    """All arms over N held-out items.

    codes: (N,) integers into `classes`; groups: (N,) integers 0..G-1; contrasts: by encoder, the headline first;
    controls: by name. strengths: ends of the probe's grid.
    """

    codes: np.ndarray
    groups: np.ndarray
    classes: list[str]
    contrasts: dict[str, list[Contrast]]
    controls: dict[str, Held]
    strengths: tuple[float, float]

    @property
    def chance(self) -> float:
        """The accuracy of always naming the most frequent class."""
        return float(np.bincount(self.codes).max() / len(self.codes))

    def hits(self, held: Held) -> np.ndarray:
        """(R, N) whether each held-out prediction is right."""
        return held.predicted == self.codes

    def accuracy_of_items(self, *arms: Held) -> np.ndarray:
        """(len(arms), N) share of repeats in which each item is classified rightly."""
        return np.stack([self.hits(held).mean(axis=0) for held in arms])


def gather(files: Mapping[str, Predictions], encoders: list[str], controls: str) -> Evidence:
    """Bring the files together: `files` by encoder, and under the name `controls`.

    Raises UserError where two files disagree on items, labels, groups or folds.
    """
    first_name, first = next(iter(files.items()))
    for name, other in files.items():
        for what, same in (
            ("items", other.items == first.items and other.item_ids == first.item_ids),
            ("labels", other.classes == first.classes and np.array_equal(other.codes, first.codes)),
            ("groups", other.groups == first.groups),
            ("folds", all(np.array_equal(held.fold, first.arms[0].fold) for held in other.arms)),
        ):
            if not same:
                raise UserError(
                    f"data/predictions: {name} and {first_name} were probed with different {what}, so their arms "
                    "cannot be compared; run `dvc repro` so that all predictions are up to date"
                )
    return Evidence(
        codes=first.codes,
        groups=np.unique(np.asarray(first.groups, dtype=object), return_inverse=True)[1],
        classes=first.classes,
        contrasts={encoder: _contrasts(encoder, files[encoder].arms) for encoder in encoders},
        controls={held.arm.encoder: held for held in files[controls].arms},
        strengths=first.strengths,
    )


def _contrasts(encoder: str, arms: list[Held]) -> list[Contrast]:
    places = dict.fromkeys((held.arm.layer, held.arm.pooling) for held in arms)
    contrasts = []
    for place in places:
        here = [held for held in arms if (held.arm.layer, held.arm.pooling) == place]
        pretrained = [held for held in here if held.arm.arm == "pretrained"]
        random = [held for held in here if held.arm.arm == "random"]
        if len(pretrained) != 1 or not random:
            raise UserError(
                f"data/predictions/{encoder}.parquet: {'/'.join(place)}: required one pretrained arm and at least one "
                f"random, got {len(pretrained)} and {len(random)}; run `dvc repro -f probe@{encoder}`"
            )
        contrasts.append(Contrast(pretrained[0], random))
    return contrasts
