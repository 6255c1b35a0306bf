"""A bench of made-up arms, for the tests of the analyses."""

import numpy as np

from trajprobe.analyses.bench import Bench
from trajprobe.probe.folds import plan
from trajprobe.probe.logistic import grid


def bench(arms, codes, groups=None, splits=None, workers=1, folds=3, seed=0):
    codes = np.asarray(codes)
    groups = np.arange(len(codes)) if groups is None else np.asarray(groups)
    n_classes = int(codes.max()) + 1
    planned = plan(
        codes,
        [str(group) for group in groups],
        splits or [""] * len(codes),
        [str(code) for code in range(n_classes)],
        split="auto",
        folds=folds,
        repeats=1,
        inner_folds=2,
        seed=0,
    )
    return Bench(
        name="made",
        arms=[np.asarray(arm, np.float32) for arm in arms],
        codes=codes,
        groups=np.unique(groups, return_inverse=True)[1],
        n_classes=n_classes,
        folds=planned,
        inner_folds=2,
        strengths=grid(1e-3, 10, 5),
        seed=seed,
        confidence=0.95,
        workers=workers,
    )


def gaussian(codes, signal, rng, width=6):
    """(N, width) rows about a mean of each class, `signal` standard deviations from the origin on average."""
    codes = np.asarray(codes)
    means = rng.normal(size=(codes.max() + 1, width))
    means *= signal / np.linalg.norm(means, axis=1, keepdims=True)
    return rng.normal(size=(len(codes), width)) + means[codes]
