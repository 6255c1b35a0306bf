"""Made-up studies whose true gain is known: what benchmarks/calibration.py holds the comparison against.

A study here is what trajprobe sees: items of several classes in groups, one fixed pretrained encoder, random
initialisations drawn anew each time, features of every item from each, probes trained in repeated folds. All arms look
at the same latent description of an item through a random nonlinear map, each with errors of its own, so that arms
agree about easy items and differ about others, seeds differ in how good they are, and folds share training items. How
large the pretrained encoder's errors are sets its gain; `calibrate` finds the size that makes it what is asked for.

The probe is ridge regression on the classes' indicators, whose folds have closed forms, so that thousands of studies
take minutes. Folds, halves and everything after the predictions are trajprobe's own.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from trajprobe.probe.folds import deal
from trajprobe.probe.halves import plan_halves

LATENT = 12  # dimensions that describe an item
FOLDS, REPEATS, HALVINGS = 5, 3, 20  # as in params.yaml
PENALTY = 3.0  # per training item; about the best in all worlds


@dataclass(frozen=True)
class World:
    """One kind of study.

    signal: distance of a class from the origin, in standard deviations of its items. noise: of the random arms'
    features, with its log standard deviation between seeds. group: items in a group, which have the share `common`
    of their variance in common.
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
    """right: (S + 1, N) share of repeats in which each arm is right; groups: (N,); halves: (S + 1, B, 2) accuracies."""

    right: np.ndarray
    groups: np.ndarray
    halves: np.ndarray


class Studies:
    """Studies of `n` items in one world, drawn one after the other with the pretrained encoder's `noise`."""

    def __init__(self, world: World, n: int, noise: float, seed: int, halvings: int = HALVINGS) -> None:
        fixed = np.random.default_rng([2026, world.width, world.classes])
        self.world, self.n, self.noise, self.halvings = world, n, noise, halvings
        self.centres = fixed.normal(size=(world.classes, LATENT))
        self.centres *= world.signal / np.linalg.norm(self.centres, axis=1, keepdims=True)
        self.pretrained = fixed.normal(size=(1, LATENT, world.width))
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Outcome:
        world, rng = self.world, self.rng
        groups = np.arange(self.n) // world.group
        codes = rng.permutation(np.arange(groups[-1] + 1) % world.classes)[groups]
        shared = rng.normal(size=(groups[-1] + 1, LATENT))[groups]
        own = rng.normal(size=(self.n, LATENT))
        latent = self.centres[codes] + world.common**0.5 * shared + (1 - world.common) ** 0.5 * own
        maps = np.concatenate([self.pretrained, rng.normal(size=(world.seeds, LATENT, world.width))])
        noise = np.append(self.noise, world.noise * np.exp(world.spread * rng.normal(size=world.seeds)))
        features = np.tanh(latent @ maps / LATENT**0.5)
        features += noise[:, None, None] * rng.normal(size=features.shape)
        features -= features.mean(axis=1, keepdims=True)
        features /= features.std(axis=1, keepdims=True)
        right = np.zeros((len(maps), self.n))
        for _ in range(REPEATS):
            fold_of = deal(codes, groups, FOLDS, rng)
            right += held_out(features, codes, [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)])
        names = [str(group) for group in groups]
        halvings = plan_halves(
            codes,
            names,
            [""] * self.n,
            split="folds",
            folds=FOLDS,
            count=self.halvings,
            seed=int(rng.integers(2**31)),
        )
        halves = [
            held_out(features[:, half.items], codes[half.items], half.held).mean(axis=1)
            for pair in halvings
            for half in pair
        ]
        return Outcome(right / REPEATS, groups, np.array(halves).T.reshape(len(maps), -1, 2))


def held_out(features: np.ndarray, codes: np.ndarray, folds: list[np.ndarray]) -> np.ndarray:
    """(A, n) whether each of A arms is right about the items (A, n, D) when their fold is held out."""
    right = np.zeros(features.shape[:2], bool)
    indicators = np.eye(codes.max() + 1)[codes]
    for held in folds:
        train = np.delete(np.arange(len(codes)), held)
        mean = features[:, train].mean(axis=1, keepdims=True)
        rows, share = features[:, train] - mean, indicators[train].mean(axis=0)
        target = np.broadcast_to(indicators[train] - share, (len(rows), len(train), len(share)))
        turned = rows.transpose(0, 2, 1)
        if rows.shape[2] < len(train):
            penalty = PENALTY * len(train) * np.eye(rows.shape[2])
            weights = np.linalg.solve(turned @ rows + penalty, turned @ target)
        else:
            penalty = PENALTY * len(train) * np.eye(len(train))
            weights = turned @ np.linalg.solve(rows @ turned + penalty, target)
        said = (features[:, held] - mean) @ weights + share
        right[:, held] = said.argmax(axis=2) == codes[held]
    return right


def calibrate(world: World, n: int, gain: float) -> float:
    """The noise of the pretrained encoder at which the mean gain over a few hundred studies is `gain`."""
    studies = 100 if n > 500 else 250
    tried: dict[float, float] = {}
    low, high = np.log(world.noise) - 3, np.log(world.noise) + 1.5
    for _ in range(8):
        middle = (low + high) / 2
        source = Studies(world, n, float(np.exp(middle)), seed=1, halvings=0)
        right = [source.draw().right.mean(axis=1) for _ in range(studies)]
        tried[middle] = float(np.mean([arms[0] - arms[1:].mean() for arms in right]))
        low, high = (middle, high) if tried[middle] > gain else (low, middle)
    # The mean gain falls with the noise; between the two nearest trials it is as good as straight.
    for (noise, above), (more, below) in pairwise(sorted(tried.items())):
        if above >= gain >= below and above > below:
            return float(np.exp(noise + (above - gain) / (above - below) * (more - noise)))
    raise ValueError(f"{world.name}, {n} items: no noise gives a gain of {gain}; {tried}")
