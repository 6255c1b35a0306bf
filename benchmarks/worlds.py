"""Simulated studies whose true gain is known, with which benchmarks/calibration.py checks the comparison.

A study has what trajprobe sees: items of several classes in groups, one fixed pretrained encoder, new random
initialisations in every study, features of every item from each of them, probes trained in repeated folds. All arms map
the same latent description of an item through a random nonlinear function and add noise of their own. So arms agree on
easy items and differ on others, seeds differ in quality, and folds share training items. The pretrained encoder's noise
determines its gain; `calibrate` finds the noise for a given gain.

The probe is ridge regression on class indicators, which has a closed form in every fold, so that thousands of studies
take minutes. Folds, split halves and everything after the predictions are trajprobe's own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trajprobe.probe.folds import assign_folds
from trajprobe.probe.held_out import make_split_halves

LATENT = 12  # dimensions that describe an item
FOLDS, REPEATS, SPLIT_HALVES = 5, 3, 20  # as in params.yaml
PENALTY = 3.0  # per training item; close to the best in all worlds


@dataclass(frozen=True)
class World:
    """One kind of study.

    signal: distance of a class from the origin, in standard deviations of its items. noise: of the random arms'
    features; `spread` is the standard deviation of its logarithm between seeds. group: items in a group, which share
    the fraction `common` of their variance.
    """

    name: str
    width: int
    signal: float
    noise: float
    classes: int = 4
    seeds: int = 8
    spread: float = 0.15
    group: int = 1
    common: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One study, the pretrained arm first.

    accuracy: (S + 1, N) fraction of repeats in which an arm classifies an item correctly. groups: (N,) integers.
    halves: (S + 1, B, 2) accuracy of each arm in both halves of B splits.
    """

    accuracy: np.ndarray
    groups: np.ndarray
    halves: np.ndarray


class Studies:
    """Studies of `n` items in one world, drawn one after the other; `noise` is that of the pretrained encoder."""

    def __init__(
        self, world: World, n: int, noise: float, seed: int, split_halves: int = SPLIT_HALVES
    ) -> None:
        fixed = np.random.default_rng([2026, world.width, world.classes])
        self.world, self.n, self.noise, self.split_halves = world, n, noise, split_halves
        self.centres = fixed.normal(size=(world.classes, LATENT))
        self.centres *= world.signal / np.linalg.norm(self.centres, axis=1, keepdims=True)
        self.pretrained = fixed.normal(size=(1, LATENT, world.width))
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Outcome:
        world, rng = self.world, self.rng
        groups = np.arange(self.n) // world.group
        y = rng.permutation(np.arange(groups[-1] + 1) % world.classes)[groups]
        shared = rng.normal(size=(groups[-1] + 1, LATENT))[groups]
        own = rng.normal(size=(self.n, LATENT))
        latent = self.centres[y] + world.common**0.5 * shared + (1 - world.common) ** 0.5 * own
        maps = np.concatenate([self.pretrained, rng.normal(size=(world.seeds, LATENT, world.width))])
        noise = np.append(self.noise, world.noise * np.exp(world.spread * rng.normal(size=world.seeds)))
        features = np.tanh(latent @ maps / LATENT**0.5)
        features += noise[:, None, None] * rng.normal(size=features.shape)
        features -= features.mean(axis=1, keepdims=True)
        features /= features.std(axis=1, keepdims=True)
        correct = np.zeros((len(maps), self.n))
        for _ in range(REPEATS):
            fold_of = assign_folds(y, groups, FOLDS, rng)
            correct += cross_validate(features, y, [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)])
        names = [str(group) for group in groups]
        pairs = make_split_halves(
            y,
            names,
            [""] * self.n,
            split="folds",
            folds=FOLDS,
            count=self.split_halves,
            seed=int(rng.integers(2**31)),
        )
        halves = [
            cross_validate(features[:, half.items], y[half.items], [test for _, test in half.folds]).mean(
                axis=1
            )
            for pair in pairs
            for half in pair
        ]
        return Outcome(correct / REPEATS, groups, np.array(halves).T.reshape(len(maps), -1, 2))


def cross_validate(features: np.ndarray, y: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """(A, n) whether the probe of each of A arms classifies items correctly when their fold is held out.

    features: (A, n, D). y: (n,) integers. folds: the positions that each holds out.
    """
    correct = np.zeros(features.shape[:2], bool)
    indicators = np.eye(y.max() + 1)[y]
    for test in folds:
        train = np.delete(np.arange(len(y)), test)
        mean = features[:, train].mean(axis=1, keepdims=True)
        rows, share = features[:, train] - mean, indicators[train].mean(axis=0)
        target = np.broadcast_to(indicators[train] - share, (len(rows), len(train), len(share)))
        transposed = rows.transpose(0, 2, 1)
        if rows.shape[2] < len(train):
            penalty = PENALTY * len(train) * np.eye(rows.shape[2])
            weights = np.linalg.solve(transposed @ rows + penalty, transposed @ target)
        else:
            penalty = PENALTY * len(train) * np.eye(len(train))
            weights = transposed @ np.linalg.solve(rows @ transposed + penalty, target)
        predicted = (features[:, test] - mean) @ weights + share
        correct[:, test] = predicted.argmax(axis=2) == y[test]
    return correct


def calibrate(world: World, n: int, gain: float) -> float:
    """The noise of the pretrained encoder for which the mean gain over a few hundred studies is `gain`."""
    studies = 100 if n > 500 else 250
    tried: dict[float, float] = {}
    low, high = np.log(world.noise) - 3, np.log(world.noise) + 1.5
    for _ in range(8):
        middle = (low + high) / 2
        source = Studies(world, n, float(np.exp(middle)), seed=1, split_halves=0)
        accuracies = [source.draw().accuracy.mean(axis=1) for _ in range(studies)]
        tried[middle] = float(np.mean([arms[0] - arms[1:].mean() for arms in accuracies]))
        low, high = (middle, high) if tried[middle] > gain else (low, middle)
    # The mean gain falls with the noise; between the two nearest trials it is nearly linear.
    for (noise, above), (more, below) in pairwise(sorted(tried.items())):
        if above >= gain >= below and above > below:
            return float(np.exp(noise + (above - gain) / (above - below) * (more - noise)))
    raise ValueError(f"{world.name}, {n} items: no noise gives a gain of {gain}; {tried}")
