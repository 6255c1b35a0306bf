"""Simulated studies whose true gain is known, with which benchmarks/calibration.py checks the comparison.

A study has what trajprobe sees: items of several classes in groups, one pretrained encoder, new random
initialisations in every study, features of every item from each of them, probes trained in repeated folds. All arms map
the same latent description of an item through a random nonlinear function and add noise of their own. So arms agree on
easy items and differ on others, seeds differ in quality, and folds share training items. There are two nulls. Either
the pretrained encoder is the same in all studies and as accurate as the random ones on average: its noise determines
its gain, and `calibrate` finds the noise for a given gain. Or it is drawn in every study as one more of them.

The probe is ridge regression on class indicators, which has a closed form in every fold, so that thousands of studies
take minutes. Folds, split halves and everything after the predictions are trajprobe's own. `Tables` are simpler and a
hundred times as fast: they draw which items an arm classifies correctly, without features and probes.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import norm

from trajprobe.probe.folds import assign_folds
from trajprobe.probe.held_out import make_split_halves

LATENT = 12  # dimensions that describe an item
FOLDS, REPEATS, SPLIT_HALVES = 5, 3, 20  # as in params.yaml
COLLAPSE = 4.0
PENALTY = 3.0  # per training item; close to the best in all worlds


@dataclass(frozen=True)
class World:
    """One kind of study.

    signal: distance of a class from the origin, in standard deviations of its items. noise: of the random arms'
    features; `spread` is the standard deviation of its logarithm between seeds, and the fraction `collapsed` of them
    has COLLAPSE times the noise. group: mean number of items in a group, which share the fraction `common` of their
    variance; `unequal` is the standard deviation of the logarithm of its size. mixed: a group has items of all classes,
    as a person has; otherwise of one, as copies have. score: of an item: accuracy, or brier, one less half of the Brier
    score.
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
    unequal: float = 0.0
    mixed: bool = False
    collapsed: float = 0.0
    score: str = "accuracy"


@dataclass(frozen=True)
class Outcome:
    """One study, the pretrained arm first.

    accuracy: (S + 1, N) fraction of repeats in which an arm classifies an item correctly, or another score of the item,
    averaged over repeats. groups: (N,) integers. halves: (S + 1, B, 2) the same of each arm in both halves of B splits.
    """

    accuracy: np.ndarray
    groups: np.ndarray
    halves: np.ndarray


class Studies:
    """Studies of `n` items in one world, drawn one after the other.

    noise: of the pretrained encoder; None draws encoder and noise in every study, like those of a random arm.
    """

    def __init__(
        self,
        world: World,
        n: int,
        noise: float | None,
        seed: int,
        repeats: int = REPEATS,
        split_halves: int = SPLIT_HALVES,
    ) -> None:
        fixed = np.random.default_rng([2026, world.width, world.classes])
        self.world, self.n, self.noise = world, n, noise
        self.repeats, self.split_halves = repeats, split_halves
        self.centres = fixed.normal(size=(world.classes, LATENT))
        self.centres *= world.signal / np.linalg.norm(self.centres, axis=1, keepdims=True)
        self.pretrained = fixed.normal(size=(1, LATENT, world.width))
        self.rng = np.random.default_rng(seed)

    def draw(self) -> Outcome:
        return self.probe(*self.features())

    def features(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The classes (n,) and groups (n,) of new items, and the standardised features (A, n, D) of all arms."""
        world, rng = self.world, self.rng
        groups = self._groups()
        count = groups[-1] + 1
        y = rng.permutation(np.arange(count) % world.classes)[groups]
        if world.mixed:
            y = rng.permutation(np.arange(self.n) % world.classes)
        shared = rng.normal(size=(count, LATENT))[groups]
        own = rng.normal(size=(self.n, LATENT))
        latent = self.centres[y] + world.common**0.5 * shared + (1 - world.common) ** 0.5 * own
        arms = world.seeds + (self.noise is None)
        maps = rng.normal(size=(arms, LATENT, world.width))
        noise = world.noise * np.exp(world.spread * rng.normal(size=arms))
        noise = np.where(rng.random(arms) < world.collapsed, COLLAPSE * noise, noise)
        if self.noise is not None:
            maps, noise = np.concatenate([self.pretrained, maps]), np.append(self.noise, noise)
        features = np.tanh(latent @ maps / LATENT**0.5)
        features += noise[:, None, None] * rng.normal(size=features.shape)
        features -= features.mean(axis=1, keepdims=True)
        features /= features.std(axis=1, keepdims=True)
        return y, groups, features

    def probe(self, y: np.ndarray, groups: np.ndarray, features: np.ndarray) -> Outcome:
        """The outcome of any arms on the same folds and halves, new ones in every call."""
        rng = self.rng
        scores = np.zeros(features.shape[:2])
        for _ in range(self.repeats):
            fold_of = assign_folds(y, groups, FOLDS, rng)
            parts = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
            scores += cross_validate(features, y, parts, self.world.score)
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
            cross_validate(
                features[:, half.items], y[half.items], [test for _, test in half.folds], self.world.score
            ).mean(axis=1)
            for pair in pairs
            for half in pair
        ]
        return Outcome(scores / self.repeats, groups, np.array(halves).T.reshape(len(features), -1, 2))

    def _groups(self) -> np.ndarray:
        """(n,) the group of each item, ascending from 0."""
        count = self.n // self.world.group
        weights = np.exp(self.world.unequal * self.rng.normal(size=count))
        cuts = np.cumsum(weights / weights.sum())[:-1] * (self.n - count)  # each has one item at least
        return np.searchsorted(np.round(cuts) + np.arange(1, count), np.arange(self.n), side="right")


def cross_validate(
    features: np.ndarray, y: np.ndarray, folds: list[np.ndarray], score: str = "accuracy"
) -> np.ndarray:
    """(A, n) whether the probe of each of A arms classifies items correctly when their fold is held out.

    features: (A, n, D). y: (n,) integers. folds: the positions that each holds out. score: see `World`. Probabilities
    are the regressions of the class indicators, which estimate them, clipped to [0, 1] and divided by their sum.
    """
    scores = np.zeros(features.shape[:2])
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
        if score == "brier":
            probability = np.clip(predicted, 1e-9, 1)
            probability /= probability.sum(axis=2, keepdims=True)
            scores[:, test] = 1 - ((probability - indicators[test]) ** 2).sum(axis=2) / 2
        else:
            scores[:, test] = predicted.argmax(axis=2) == y[test]
    return scores


@dataclass(frozen=True)
class TableWorld:
    """Items of `group` on average in `groups` groups; abilities and difficulties are normal, on the scale of a probit.

    spread: standard deviation of the ability over seeds, of which the fraction `collapsed` lacks 1 more. level: mean
    ability. people: standard deviation of a group's ease, and of how much better one arm is on it than another.
    unequal: of the logarithm of a group's size.
    """

    name: str
    groups: int
    group: int = 1
    seeds: int = 8
    spread: float = 0.15
    collapsed: float = 0.0
    level: float = 0.3
    people: tuple[float, float] = (0.4, 0.15)
    unequal: float = 0.0


ITEM, OWN, SLOPE = (
    1.0,
    0.8,
    2.0,
)  # standard deviations of an item's ease, of an arm's own luck with it; steepness


class Tables:
    """Studies of a TableWorld: the pretrained arm has a true gain of `gain`, or with None is one more random draw."""

    def __init__(self, world: TableWorld, gain: float | None, seed: int) -> None:
        self.world, self.rng = world, np.random.default_rng(seed)
        self.ability: float | None = None
        if gain is not None:
            # The expected accuracy at every ability, over everything that is drawn, and its inverse.
            spread = (ITEM**2 + OWN**2 + sum(each**2 for each in world.people) + SLOPE**-2) ** 0.5
            random = norm.cdf(self.abilities(100_000) / spread).mean()
            self.ability = float(norm.ppf(random + gain) * spread)

    def abilities(self, count: int) -> np.ndarray:
        world, rng = self.world, self.rng
        return world.level + world.spread * rng.normal(size=count) - (rng.random(count) < world.collapsed)

    def draw(self) -> Outcome:
        world, rng = self.world, self.rng
        weights = np.exp(world.unequal * rng.normal(size=world.groups))
        sizes = np.maximum(1, np.round(world.group * world.groups * weights / weights.sum())).astype(int)
        groups = np.repeat(np.arange(world.groups), sizes)
        ability = self.abilities(world.seeds + 1)
        if self.ability is not None:
            ability[0] = self.ability
        of_group, of_both = world.people
        shape = (len(ability), world.groups)
        ease = (of_group * rng.normal(size=world.groups) + of_both * rng.normal(size=shape))[:, groups]
        ease += ITEM * rng.normal(size=len(groups)) + OWN * rng.normal(size=ease.shape) + ability[:, None]
        accuracy = rng.binomial(REPEATS, norm.cdf(SLOPE * ease)) / REPEATS
        halves = []
        for _ in range(SPLIT_HALVES):
            side = (rng.permutation(world.groups) % 2 == 0)[groups]
            halves.append([accuracy[:, side].mean(axis=1), accuracy[:, ~side].mean(axis=1)])
        return Outcome(accuracy, groups, np.moveaxis(np.array(halves), 2, 0))


def calibrate(world: World, n: int, gain: float) -> float:
    """The noise of the pretrained encoder for which the mean gain over a hundred studies or more is `gain`."""
    studies = 60 if n > 500 else 120
    tried: dict[float, float] = {}
    low, high = np.log(world.noise) - 3, np.log(world.noise) + 1.5
    for _ in range(7):
        middle = (low + high) / 2
        source = Studies(world, n, float(np.exp(middle)), seed=1, repeats=1, split_halves=0)
        accuracies = [source.draw().accuracy.mean(axis=1) for _ in range(studies)]
        tried[middle] = float(np.mean([arms[0] - arms[1:].mean() for arms in accuracies]))
        low, high = (middle, high) if tried[middle] > gain else (low, middle)
    # The mean gain falls with the noise; between the two nearest trials it is nearly linear.
    for (noise, above), (more, below) in pairwise(sorted(tried.items())):
        if above >= gain >= below and above > below:
            return float(np.exp(noise + (above - gain) / (above - below) * (more - noise)))
    raise ValueError(f"{world.name}, {n} items: no noise gives a gain of {gain}; {tried}")
