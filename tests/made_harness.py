"""A harness of made-up arms, for the tests of the analyses."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trajprobe.analyse.harness import Harness
from trajprobe.probe.folds import make_folds
from trajprobe.probe.logistic import make_l2_grid


def make_harness(
    arms: Sequence[Any],
    y: Any,
    groups: Any = None,
    splits: list[str] | None = None,
    workers: int = 1,
    folds: int = 3,
    seed: int = 0,
) -> Harness:
    y = np.asarray(y)
    groups = np.arange(len(y)) if groups is None else np.asarray(groups)
    n_classes = int(y.max()) + 1
    planned = make_folds(
        y,
        [str(group) for group in groups],
        splits or [""] * len(y),
        [str(code) for code in range(n_classes)],
        split="auto",
        folds=folds,
        repeats=1,
        inner_folds=2,
        seed=0,
    )
    return Harness(
        name="made",
        arms=[np.asarray(arm, np.float32) for arm in arms],
        y=y,
        groups=np.unique(groups, return_inverse=True)[1],
        n_classes=n_classes,
        folds=planned,
        inner_folds=2,
        l2_grid=make_l2_grid(1e-3, 10, 5),
        seed=seed,
        confidence=0.95,
        workers=workers,
    )


def gaussian(y: Any, signal: float, rng: np.random.Generator, width: int = 6) -> np.ndarray:
    """(N, width) rows around a mean of each class, which is `signal` standard deviations from the origin."""
    y = np.asarray(y)
    means = rng.normal(size=(y.max() + 1, width))
    means *= signal / np.linalg.norm(means, axis=1, keepdims=True)
    return rng.normal(size=(len(y), width)) + means[y]


def interleaved(count: int, parts: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inner folds of `count` rows: every `parts`-th row is tested."""
    every = np.arange(count)
    return [(every[every % parts != part], every[every % parts == part]) for part in range(parts)]
