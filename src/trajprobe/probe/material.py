"""What a stage that probes works on: the arms of one file of features, the labels of their rows, and the folds."""

from dataclasses import dataclass

import numpy as np

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.features.store import Features, items_digest
from trajprobe.params.study import Probe
from trajprobe.probe.arms import list_arms
from trajprobe.probe.folds import Fold, plan
from trajprobe.probe.halves import Half, plan_halves
from trajprobe.probe.logistic import grid
from trajprobe.probe.predictions import Arm
from trajprobe.trajectories.table import Items


@dataclass(frozen=True)
class Material:
    """N items and the arms to probe on them.

    digest: of the item ids. codes: (N,) integers into the classes. arms: each with its (N, D) rows, the headline
    representation first. folds: in order of repeat and fold. halvings: of the same items. strengths: from strong to
    weak.
    """

    digest: str
    codes: np.ndarray
    arms: list[tuple[Arm, np.ndarray]]
    folds: list[Fold]
    halvings: list[tuple[Half, Half]]
    strengths: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """The items that any fold holds out, ascending."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))


def gather(items: Items, features: Features, name: str, settings: Probe) -> Material:
    """Bring the items and the features of the encoder `name`, or of the controls, together.

    Raises UserError where the features are of other items, are not finite, or where the items cannot be dealt into
    the folds asked for.
    """
    digest = items_digest(items.item_ids)
    if features.metadata.get("items") != digest:
        raise UserError(
            f"{paths.features(name)}: was made from other items than {paths.TRAJECTORIES} holds; "
            "run `dvc repro` so that both are up to date"
        )
    index = {label: code for code, label in enumerate(items.classes)}
    codes = np.array([index[label] for label in items.labels])
    folds = plan(
        codes,
        items.groups,
        items.splits,
        items.classes,
        split=settings.split,
        folds=settings.folds,
        repeats=settings.repeats,
        inner_folds=settings.inner_folds,
        seed=settings.seed,
    )
    halvings = plan_halves(
        codes,
        items.groups,
        items.splits,
        split=settings.split,
        folds=settings.folds,
        count=settings.halvings,
        seed=settings.seed,
    )
    strengths = grid(settings.strengths.low, settings.strengths.high, settings.strengths.count)
    arms = list_arms(features.arrays, features.metadata, name)
    return Material(digest, codes, arms, folds, halvings, strengths)
