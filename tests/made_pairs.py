"""Paired predictions made up for the tests of the comparison: groups of two items, uneven classes, repeats, halves."""

from collections.abc import Sequence

import numpy as np

from trajprobe.artifacts.predictions import Arm, ArmPredictions
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions

Y = np.repeat([0, 1, 2], [30, 20, 10])  # chance is a half, not a third
GROUPS = np.arange(60) // 2
REPEATS, FOLDS, SEEDS, SPLITS = 2, 5, 4, 6
HALF_COUNTS = np.tile([15, 10, 5], (SPLITS, 2, 1))
WEAKEST, STRONGEST = 1e-4, 1e2


def make_arm(
    rng: np.random.Generator, arm: str, init: int, level: float, l2: Sequence[float] = (0.1,)
) -> ArmPredictions:
    """Predictions of an arm with about this accuracy. Items of a group are correct or wrong together."""
    luck = rng.normal(0, 0.3, GROUPS.max() + 1)[GROUPS]
    correct = rng.random((REPEATS, len(Y))) < level + luck
    fold = np.random.default_rng(0).permuted(np.tile(np.arange(30) % FOLDS, (REPEATS, 1)), axis=1)[:, GROUPS]
    return ArmPredictions(
        Arm("e", arm, init, "mid", "mean"),
        fold,
        np.where(correct, Y, (Y + 1) % 3),
        np.resize(l2, fold.shape),
        np.full((*fold.shape, 3), 1 / 3, np.float32),
        {"accuracy": rng.integers(0, HALF_COUNTS + 1, HALF_COUNTS.shape)},
    )


def make_pairs(seed: int = 0, **controls: float) -> PairedPredictions:
    """One encoder with four random initialisations. controls: the level of each, by name."""
    rng = np.random.default_rng(seed)
    random = [make_arm(rng, "random", init, level) for init, level in enumerate(np.linspace(0.4, 0.7, SEEDS))]
    contrast = Contrast(make_arm(rng, "pretrained", 0, 0.8), random)
    others = {name: make_arm(rng, "control", 0, level) for name, level in controls.items()}
    order = {arm: {"mid/mean": {"shuffled": 0.5}} for arm in ("pretrained", "random")}
    return PairedPredictions(
        Y,
        GROUPS,
        ["a", "b", "c"],
        {"e": [contrast]},
        others,
        (WEAKEST, STRONGEST),
        HALF_COUNTS,
        {"e": {"order": order}},
    )
