"""What a comparison rests on: every arm's held-out predictions, over the same items and the same folds.

Predictions come in one file for each encoder and one for the controls. Before they are compared they must agree on
the items, their classes and groups, and the folds; a file that was made before something changed is refused here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.compare.crossed import Estimate, crossed_mean, group_scores, of_difference
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
    controls: by name. strengths: ends of the probe's grid. halves: (B, 2, K) items of each class that are held out in
    the halves of B halvings.
    """

    codes: np.ndarray
    groups: np.ndarray
    classes: list[str]
    contrasts: dict[str, list[Contrast]]
    controls: dict[str, Held]
    strengths: tuple[float, float]
    halves: np.ndarray

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

    def accuracy(self, arms: Sequence[Held], than: Sequence[Held] = (), code: int | None = None) -> Estimate:
        """Mean accuracy of `arms`, or how far it exceeds that of the arms `than`; on the items of one class only.

        One of the two is a single arm, which stands against every one of the others.
        """
        scores, halves = self.accuracy_of_items(*arms), self._accuracy_of_halves(arms, code)
        if than:
            scores = scores - self.accuracy_of_items(*than)
            halves = halves - self._accuracy_of_halves(than, code)
        own = slice(None) if code is None else self.codes == code
        groups = np.unique(self.groups[own], return_inverse=True)[1]
        estimate = crossed_mean(group_scores(scores[:, own], groups), halves)
        return of_difference(estimate, int(groups.max()) + 1) if than else estimate

    def _accuracy_of_halves(self, arms: Sequence[Held], code: int | None) -> np.ndarray:
        """(B, 2) mean accuracy in each half, of the halvings that hold out something in both."""
        own = slice(None) if code is None else slice(code, code + 1)
        held_out = self.halves[:, :, own].sum(axis=2)
        right = np.mean([held.halves[:, :, own].sum(axis=2) for held in arms], axis=0)
        useful = (held_out > 0).all(axis=1)
        return np.asarray(right[useful] / held_out[useful])


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
            ("halves", np.array_equal(other.halves, first.halves)),
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
        halves=first.halves,
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
