"""The same probes in each half of the items: how much would other training items have changed the result?

Folds test every item, but they train on nearly the same items again and again, so no difference between folds or
repeats shows what another collection would have taught the probes. Two halves share nothing. Items are halved at
random many times, the whole protocol runs in each half by itself, and how far the halves fall apart tells the
variance of its outcome: the conservative estimate of Nadeau & Bengio (Inference for the generalization error, Machine
Learning 52, 2003, section 3.3). What a comparison makes of it is in `compare.crossed`.

The penalty is the median of those that the arm's folds chose (it counts per item, so it suits any number of them), and
axes are those of the whole half. Axes know no labels, but where folds test every item the penalty has seen them all,
those that a half's fold holds out among them. Only this estimate of a variance can feel that: the accuracies that are
compared come from folds which each chose a penalty by their own training part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.probe.folds import deal, is_published
from trajprobe.probe.logistic import fit_folds
from trajprobe.probe.pool import spread

STREAM = 2  # of random numbers, apart from those that deal the folds


@dataclass(frozen=True)
class Half:
    """int64 positions of the items of a half, and for each of its folds the positions *within it* that are held out."""

    items: np.ndarray
    held: list[np.ndarray]


def plan_halves(
    codes: np.ndarray,
    groups: Sequence[str],
    splits: Sequence[str],
    *,
    split: str,
    folds: int,
    count: int,
    seed: int,
) -> list[tuple[Half, Half]]:
    """`count` random halvings of N items, groups whole and classes even; none where a half cannot be divided again.

    Each half has its own folds, at most `folds` and as many as its rarest class has groups; or its half of the
    published training part and of the test part.
    """
    members = np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1]
    cut = _cut_published if is_published(split, splits) else _cut_folds
    halvings = []
    for number in range(count):
        rng = np.random.default_rng([seed, number, STREAM])
        pair = cut(codes, members, np.asarray(splits, dtype=object), folds, rng)
        if pair is None:
            return []
        halvings.append(pair)
    return halvings


def right_in_halves(
    arms: Sequence[tuple[np.ndarray, float]],
    codes: np.ndarray,
    n_classes: int,
    halvings: Sequence[tuple[Half, Half]],
    *,
    workers: int,
    advance: Callable[[], None],
) -> np.ndarray:
    """(A, B, 2, K) how many held-out items of each class A arms get right in each half of B halvings.

    arms: (N, D) rows and strength of each. advance: called after every half of every arm.
    """

    def probe(job: tuple[np.ndarray, float, Half]) -> np.ndarray:
        rows, strength, half = job
        true = codes[half.items]
        predicted = fit_folds(rows[half.items], true, n_classes, half.held, strength)
        right = np.zeros(n_classes, int)
        for held, named in zip(half.held, predicted, strict=True):
            right += np.bincount(true[held][named == true[held]], minlength=n_classes)
        return right

    jobs = [(rows, strength, half) for rows, strength in arms for pair in halvings for half in pair]
    found = []
    for right in spread(probe, jobs, workers):
        found.append(right)
        advance()
    return np.array(found, int).reshape(len(arms), len(halvings), 2, n_classes)


def held_in_halves(codes: np.ndarray, n_classes: int, halvings: Sequence[tuple[Half, Half]]) -> np.ndarray:
    """(B, 2, K) how many items of each class are held out in each half."""
    counts = [
        np.bincount(codes[half.items[np.concatenate(half.held)]], minlength=n_classes)
        for pair in halvings
        for half in pair
    ]
    return np.array(counts, int).reshape(len(halvings), 2, n_classes)


Pair = tuple[Half, Half]


def _cut_folds(
    codes: np.ndarray, groups: np.ndarray, splits: np.ndarray, folds: int, rng: np.random.Generator
) -> Pair | None:
    half_of = deal(codes, groups, 2, rng)
    halves = []
    for side in (0, 1):
        items = np.flatnonzero(half_of == side)
        own, members = codes[items], _renumbered(groups[items])
        rarest = np.bincount(
            np.unique(np.stack([own, members]), axis=1)[0], minlength=int(codes.max()) + 1
        ).min()
        count = min(folds, int(rarest))
        if count < 2:
            return None
        fold_of = deal(own, members, count, rng)
        halves.append(Half(items, [np.flatnonzero(fold_of == fold) for fold in range(count)]))
    return halves[0], halves[1]


def _cut_published(
    codes: np.ndarray, groups: np.ndarray, splits: np.ndarray, folds: int, rng: np.random.Generator
) -> Pair | None:
    test = splits == "test"
    parts = [np.flatnonzero(test), np.flatnonzero(~test & ~np.isin(groups, groups[test]))]
    half_of = np.full(len(codes), -1)
    for part in parts:
        half_of[part] = deal(codes[part], _renumbered(groups[part]), 2, rng)
    halves = []
    for side in (0, 1):
        items = np.flatnonzero(half_of == side)
        held = np.flatnonzero(test[items])
        if not len(held) or len(np.unique(codes[items[~test[items]]])) < len(np.unique(codes)):
            return None
        halves.append(Half(items, [held]))
    return halves[0], halves[1]


def _renumbered(groups: np.ndarray) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1]
