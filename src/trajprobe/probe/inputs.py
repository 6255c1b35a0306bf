"""The inputs of a stage that trains classifiers on features: arms, the labels of rows, folds, the penalty grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajprobe.artifacts.features import FeatureFile
from trajprobe.artifacts.predictions import Arm
from trajprobe.artifacts.trajectories import Items, items_digest, label_values
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.probe.folds import Fold, make_folds
from trajprobe.probe.held_out import HalfPair, make_split_halves
from trajprobe.probe.logistic import make_l2_grid
from trajprobe.probe.params import ProbeParams


@dataclass(frozen=True)
class ProbeInputs:
    """N items and the arms to probe on them.

    digest: of the item ids. y: (N,) integers into the classes, or float64 numbers to predict. arms: each with its (N,
    D) rows, the headline representation first. folds: in order of repeat and fold. split_halves: pairs of halves of the
    same items. l2_grid: penalties from strong to weak.
    """

    digest: str
    y: np.ndarray
    arms: list[tuple[Arm, np.ndarray]]
    folds: list[Fold]
    split_halves: list[HalfPair]
    l2_grid: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """(M,) the items that any fold tests, ascending."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))

    def arms_at(self, layer: str, pooling: str) -> list[np.ndarray]:
        """The rows of the arms at one layer and pooling: pretrained first, then the random initialisations."""
        return [rows for arm, rows in self.arms if (arm.layer, arm.pooling) == (layer, pooling)]

    @property
    def left_out(self) -> int:
        """How many items neither train nor are tested: those of a published training part whose group is tested."""
        return len(self.y) - len(
            np.unique(np.concatenate([*(fold.train for fold in self.folds), self.tested]))
        )


def load_inputs(items: Items, features: FeatureFile, name: str, settings: ProbeParams) -> ProbeInputs:
    """Join the items with the features of the encoder `name`, or of the controls.

    Raises UserError if the features are of other items or not finite, or if the items do not suffice for the folds.
    """
    digest = items_digest(items.item_ids)
    if features.metadata.get("items") != digest:
        raise UserError(
            f"{paths.features(name)}: was made from other items than {paths.TRAJECTORIES} holds; "
            "run `dvc repro` so that both are up to date"
        )
    y = label_values(items.labels, items.classes)
    folds = make_folds(
        y,
        items.groups,
        items.splits,
        items.classes,
        split=settings.split,
        folds=settings.folds,
        repeats=settings.repeats,
        inner_folds=settings.inner_folds,
        seed=settings.seed,
    )
    split_halves = make_split_halves(
        y,
        items.groups,
        items.splits,
        split=settings.split,
        folds=settings.folds,
        count=settings.split_halves,
        seed=settings.seed,
    )
    l2_grid = make_l2_grid(settings.l2_grid.low, settings.l2_grid.high, settings.l2_grid.count)
    arms = list_arms(features.arrays, features.metadata, name)
    return ProbeInputs(digest, y, arms, folds, split_halves, l2_grid)


def list_arms(
    arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any], name: str
) -> list[tuple[Arm, np.ndarray]]:
    """The arms in a file of features, each with its (N, D) rows; an encoder's headline representation comes first.

    arrays: `pretrained/<layer>/<pooling>` (N, D) with `random/<layer>/<pooling>` (R, N, D), or `control/<name>`
    (N, D). Raises UserError if a feature is NaN or infinite.
    """
    arms: list[tuple[Arm, np.ndarray]] = []
    for key in sorted(key for key in arrays if key.startswith("control/")):
        arms.append((Arm(key.removeprefix("control/"), "control"), arrays[key]))
    for layer in metadata.get("layers", ()):
        for pooling in metadata.get("poolings", ()):
            place = f"{layer}/{pooling}"
            arms.append((Arm(name, "pretrained", 0, layer, pooling), arrays[f"pretrained/{place}"]))
            for init, rows in enumerate(arrays[f"random/{place}"]):
                arms.append((Arm(name, "random", init, layer, pooling), rows))
    for arm, rows in arms:
        broken = np.count_nonzero(~np.isfinite(rows).all(axis=1))
        if broken:
            raise UserError(
                f"features of {arm}: {broken} of {len(rows)} items have a NaN or infinite value, on which no probe can "
                "be trained; check this encoder's weights and preprocessing"
            )
    return arms
