"""Held-out predictions: of every arm in every fold, and of the same probes in split halves of the items.

Folds test every item, but they train on nearly the same items again and again, so no difference between folds or
repeats shows what other training items would change. Two halves share no item. The items are split into halves at
random many times, the whole protocol runs in each half, and the difference between the halves estimates the variance
of its outcome: the conservative estimate of Nadeau & Bengio (Inference for the generalization error, Machine Learning
52, 2003, section 3.3). `compare.random_effects` uses it.

In a half the penalty is the median of those that the arm's folds chose. It counts per item, so it suits any number of
them. If folds test every item, that median has seen the items that a half's fold holds out. This can affect only the
estimate of the variance: the accuracies that are compared come from folds that each chose a penalty on their own
training part.

Arms, folds and halves are independent of each other, so their fits are spread over processes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from trajprobe.artifacts.predictions import Arm, ArmPredictions, Score
from trajprobe.core.parallel import parallel_map
from trajprobe.core.progress import progress
from trajprobe.probe.folds import (
    ATTEMPTS,
    Fold,
    Split,
    assign_folds,
    count_groups,
    is_numeric,
    is_published,
    splits_of,
    strata,
)
from trajprobe.probe.targets import target_of


def probe_arms(
    what: str,
    arms: Sequence[tuple[Arm, np.ndarray]],
    y: np.ndarray,
    n_classes: int,
    folds: Sequence[Fold],
    pairs: Sequence["HalfPair"],
    l2_grid: np.ndarray,
    workers: int,
) -> list[ArmPredictions]:
    """The predictions of each arm with its results in split halves, in order. what: named in the progress.

    y: (N,) integers below `n_classes`, or float64 numbers, for which that is 0.
    """
    with progress(what, len(arms) * len(folds), "fits") as advance:
        probed = [*predict_held_out(arms, y, n_classes, folds, l2_grid, workers=workers, advance=advance)]
    chosen = [(rows, float(np.median(arm.l2))) for (_, rows), arm in zip(arms, probed, strict=True)]
    with progress(f"{what} in split halves", len(arms) * len(pairs) * 2, "halves") as advance:
        scores = split_half_scores(chosen, y, n_classes, pairs, workers=workers, advance=advance)
    return [replace(arm, split_half_scores=own) for arm, own in zip(probed, scores, strict=True)]


def predict_held_out(
    arms: Sequence[tuple[Arm, np.ndarray]],
    y: np.ndarray,
    n_classes: int,
    folds: Sequence[Fold],
    l2_grid: np.ndarray,
    *,
    workers: int,
    advance: Callable[[], None],
) -> Iterator[ArmPredictions]:
    """The predictions of each arm, in order, for the items that any fold tests (ascending).

    arms: each with its (N, D) rows. l2_grid: from strong to weak. workers: processes, which change no result.
    advance: called after every fold of every arm.
    """
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    repeats = max(fold.repeat for fold in folds) + 1
    jobs = [(rows, fold) for _, rows in arms for fold in folds]
    target = target_of(y, n_classes)

    def predict(job: tuple[np.ndarray, Fold]) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
        rows, fold = job
        fitted = target.fit(rows, fold, l2_grid)
        return fitted.l2, target.predict(fitted, rows[fold.test])

    with closing(parallel_map(predict, jobs, workers)) as results:
        for arm, _ in arms:
            shape = (repeats, len(tested))
            predictions = ArmPredictions(
                arm,
                fold=np.zeros(shape, np.int32),
                predicted=np.zeros(shape, np.float64 if is_numeric(y) else np.int32),
                l2=np.zeros(shape),
                probability=np.zeros((*shape, n_classes), np.float32),
            )
            for fold in folds:
                l2, (predicted, probability) = next(results)
                advance()
                place = fold.repeat, np.searchsorted(tested, fold.test)
                predictions.fold[place] = fold.fold
                predictions.l2[place] = l2
                predictions.probability[place] = probability
                predictions.predicted[place] = predicted
            yield predictions


STREAM = 2  # of random numbers, apart from those of the folds


@dataclass(frozen=True)
class Half:
    """int64 positions of the items of a half, and its folds, as positions *within it*."""

    items: np.ndarray
    folds: list[Split]


HalfPair = tuple[Half, Half]


def make_split_halves(
    y: np.ndarray,
    groups: Sequence[str],
    splits: Sequence[str],
    *,
    split: str,
    folds: int,
    count: int,
    seed: int,
) -> list[HalfPair]:
    """`count` random divisions of N items into halves, groups whole and classes even; none if a half is too small.

    No two divide the items alike. A few groups allow fewer than `count`.
    A half has at most `folds` folds, and as many as its rarest class has groups; it is too small if that is below
    two. With a published split it has one fold: its half of the training part and its half of the test part. y may be
    numbers; then no class can be rare, and a half is too small if its tested items do not differ.
    """
    classes = 0 if is_numeric(y) else int(y.max()) + 1
    even = strata(y, 2)
    group_numbers = _renumbered(np.asarray(groups, dtype=object))
    divide = _divide_published if is_published(split, splits) else _divide
    pairs: dict[bytes, HalfPair] = {}
    for number in range(ATTEMPTS * count):
        rng = np.random.default_rng([seed, number, STREAM])
        pair = divide(even, group_numbers, np.asarray(splits, dtype=object), folds, classes, rng)
        if pair is not None and (classes or all(_differ(y, half) for half in pair)):
            pairs.setdefault(min(half.items.tobytes() for half in pair), pair)
        if len(pairs) == count or (number >= ATTEMPTS and not pairs):
            break
    return list(pairs.values())


def split_half_scores(
    arms: Sequence[tuple[np.ndarray, float]],
    y: np.ndarray,
    n_classes: int,
    pairs: Sequence[HalfPair],
    *,
    workers: int,
    advance: Callable[[], None],
) -> list[dict[Score, np.ndarray]]:
    """Of each arm, by score, (B, 2, K) sums over the tested items of each class in each half of B pairs.

    Of numbers K is 1, and the entry is R^2 times the number of tested items (`probe.targets`).
    arms: (N, D) rows and the penalty of each. workers: processes. advance: called after every half of every arm.
    """
    target = target_of(y, n_classes)

    def add_up(job: tuple[np.ndarray, float, Half]) -> dict[Score, np.ndarray]:
        rows, l2, half = job
        return target.half_scores(rows, l2, half.items, half.folds)

    jobs = [(rows, l2, half) for rows, l2 in arms for pair in pairs for half in pair]
    found = []
    for one in parallel_map(add_up, jobs, workers):
        found.append(one)
        advance()
    return by_arm(found, len(arms))


def by_arm(halves: Sequence[Mapping[Score, np.ndarray]], arms: int) -> list[dict[Score, np.ndarray]]:
    """Of each arm, by score, (B, 2, K), from the (K,) sums of halves: 2 B of the first arm, then those of the next.

    Without halves there is no score.
    """
    scores = halves[0] if halves else ()
    sums = {score: np.array([half[score] for half in halves]) for score in scores}
    return [
        {score: each.reshape(arms, -1, 2, each.shape[-1])[arm] for score, each in sums.items()}
        for arm in range(arms)
    ]


def split_half_counts(y: np.ndarray, n_classes: int, pairs: Sequence[HalfPair]) -> np.ndarray:
    """(B, 2, K) tested items of each class in each half of B pairs; (B, 2, 1) if y are numbers."""
    target = target_of(y, n_classes)
    counts = [target.half_sizes(half.items, half.folds) for pair in pairs for half in pair]
    return np.array(counts).reshape(len(pairs), 2, target.counted)


def _differ(y: np.ndarray, half: Half) -> bool:
    return bool(np.ptp(y[half.items[np.concatenate([test for _, test in half.folds])]]) > 0)


def _divide(
    y: np.ndarray,
    groups: np.ndarray,
    splits: np.ndarray,
    folds: int,
    n_classes: int,
    rng: np.random.Generator,
) -> HalfPair | None:
    half_of = assign_folds(y, groups, 2, rng)
    halves = []
    for side in (0, 1):
        items = np.flatnonzero(half_of == side)
        own_y, own_groups = y[items], _renumbered(groups[items])
        count = min(folds, int(count_groups(own_y, own_groups, n_classes).min()))
        if count < 2:
            return None
        halves.append(Half(items, splits_of(assign_folds(own_y, own_groups, count, rng), count)))
    return halves[0], halves[1]


def _divide_published(
    y: np.ndarray,
    groups: np.ndarray,
    splits: np.ndarray,
    folds: int,
    n_classes: int,
    rng: np.random.Generator,
) -> HalfPair | None:
    test = splits == "test"
    parts = [np.flatnonzero(test), np.flatnonzero(~test & ~np.isin(groups, groups[test]))]
    half_of = np.full(len(y), -1)
    for part in parts:
        half_of[part] = assign_folds(y[part], _renumbered(groups[part]), 2, rng)
    halves = []
    for side in (0, 1):
        items = np.flatnonzero(half_of == side)
        tested = test[items]
        if not tested.any() or tested.all():
            return None
        if n_classes and len(np.unique(y[items[~tested]])) < len(np.unique(y)):
            return None
        halves.append(Half(items, [(np.flatnonzero(~tested), np.flatnonzero(tested))]))
    return halves[0], halves[1]


def _renumbered(groups: np.ndarray) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1]
