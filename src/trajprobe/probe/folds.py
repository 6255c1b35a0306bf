"""Outer and inner folds: which items train and which are tested, the same for every arm of every encoder.

Folds depend on the items and the seed alone, so every stage that trains classifiers computes the same ones. A group
(a subject, a writer, a set of duplicates) is never on both sides of a fold, and classes are distributed as evenly as
whole groups allow; numbers to predict are distributed by quantile bins. If the data publishes a split, that is the one
outer fold. Inner folds, which choose the penalty, divide the training part of each outer fold by the same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.core.errors import UserError

SHUFFLE = 0.5  # standard deviation of the logarithm of the factor by which a group's size is disturbed
ATTEMPTS = 10  # at a partition that is not known yet
BINS = 10  # of numbers, at most
INNER_GROUPS = 2  # of each class in a training part: one to test on, one to train on

# int64 positions of the rows that train, and of those that are tested: an element of scikit-learn's `cv`.
Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Fold:
    """One outer fold: int64 positions of the items that train (T,) and of those that are tested (H,).

    inner: the inner folds, as positions *within `train`*.
    """

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    inner: tuple[Split, ...]


def make_folds(
    y: np.ndarray,
    groups: Sequence[str],
    splits: Sequence[str],
    classes: Sequence[str],
    *,
    split: str,
    folds: int,
    repeats: int,
    inner_folds: int,
    seed: int,
) -> list[Fold]:
    """All outer folds with their inner ones, in order of repeat and fold.

    y: (N,) integers into `classes`, or float64 numbers without classes; groups, splits: N names each (a split is
    "train", "test" or ""). split: "published", "folds", or "auto" (published if any item has a split). Raises UserError
    if a class has too few groups (of numbers, all items together), or if the published split is missing or incomplete.
    """
    y = strata(np.asarray(y), folds)
    group_numbers = np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1]
    if is_published(split, splits):
        train, test = _published_split(group_numbers, splits)
        return [_with_inner(y, group_numbers, classes, train, test, inner_folds, (seed, 0, 0))]
    why = f"{folds} folds (probe.folds) need at least {folds}"
    _require_groups(y, group_numbers, classes, folds, why, "lower probe.folds")
    result: list[Fold] = []
    known: set[bytes] = set()
    for repeat in range(repeats):
        for attempt in range(ATTEMPTS):  # few groups may fall into the same folds as in an earlier repeat
            rng = np.random.default_rng([seed, repeat, *[attempt] * (attempt > 0)])
            fold_of = assign_folds(y, group_numbers, folds, rng)
            if (key := partition_key(fold_of)) not in known:
                break
        known.add(key)
        for fold, (train, test) in enumerate(splits_of(fold_of, folds)):
            place = seed, repeat, fold
            result.append(_with_inner(y, group_numbers, classes, train, test, inner_folds, place))
    return result


def is_numeric(y: np.ndarray) -> bool:
    """Whether y holds numbers to predict, not integers that stand for classes."""
    return y.dtype.kind == "f"


def strata(y: np.ndarray, folds: int) -> np.ndarray:
    """(N,) integers from 0 that folds distribute evenly: classes as they are, of numbers their quantile bins.

    There are at most BINS of them, of about `folds` items or more; equal numbers are in one bin.
    """
    if not is_numeric(y):
        return y
    bins = max(1, min(BINS, len(y) // folds))
    return np.searchsorted(np.quantile(y, np.arange(1, bins) / bins), y, side="right")


def count_groups(y: np.ndarray, groups: np.ndarray, n_classes: int) -> np.ndarray:
    """(K,) groups that each class has; (1,) of all items together if there are no classes that folds must contain."""
    kind = y if n_classes else np.zeros(len(y), int)
    return np.bincount(np.unique(np.stack([kind, groups]), axis=1)[0], minlength=n_classes)


def is_published(split: str, splits: Sequence[str]) -> bool:
    """Whether the data's own split is used: `split` asks for it, or is "auto" and some item has a split."""
    return split == "published" or (split == "auto" and any(splits))


def partition_key(part_of: np.ndarray) -> bytes:
    """The same for two assignments of items to parts that differ in the numbers of the parts alone."""
    _, first, inverse = np.unique(part_of, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].tobytes()


def splits_of(fold_of: np.ndarray, folds: int) -> list[Split]:
    """For each fold, the positions outside and inside it. fold_of: (N,) fold of each item; -1 is in no fold."""
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(folds)]


def assign_folds(y: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) fold of each item; every class is distributed as evenly as whole groups allow.

    Groups of several items are placed first, in order of decreasing size, each into the fold that has the smallest
    share of its classes so far (the greedy rule of scikit-learn's StratifiedGroupKFold, with a sum of squares in place
    of a standard deviation). The sizes are disturbed at random, because the rule alone would divide a few groups of
    unequal size in the same way every time. Single items then fill every class to the same level in all folds.
    """
    n_classes = int(y.max()) + 1
    sizes = np.bincount(groups)
    counts = np.zeros((folds, n_classes))
    fold_of = np.full(len(y), -1)
    order = rng.permutation(len(sizes))
    several = np.count_nonzero(sizes > 1)
    disturbed = sizes.astype(float)
    disturbed[sizes > 1] *= np.exp(SHUFFLE * rng.normal(size=several))
    order = order[np.argsort(-disturbed[order], kind="stable")]
    order = np.concatenate([order[sizes[order] > 1], order[sizes[order] == 1]])
    items = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    weight = 1 / np.maximum(np.bincount(y, minlength=n_classes), 1) ** 2
    for group in order[:several]:
        members = np.bincount(y[items[group]], minlength=n_classes)
        crowding = counts @ (members * weight)
        fold = np.lexsort((rng.random(folds), counts.sum(1), crowding))[0]
        counts[fold] += members
        fold_of[items[group]] = fold
    single = sizes[groups] == 1
    for code in range(n_classes):
        waiting = rng.permutation(np.flatnonzero(single & (y == code)))
        levels = counts[:, code, None] + np.arange(len(waiting))
        slots = np.broadcast_to(np.arange(folds)[:, None], levels.shape).ravel()
        tie_break = rng.random(folds)
        filled = np.lexsort((tie_break[slots], counts.sum(1)[slots], levels.ravel()))[: len(waiting)]
        fold_of[waiting] = slots[filled]
        counts[:, code] += np.bincount(slots[filled], minlength=folds)
    return fold_of


def _published_split(groups: np.ndarray, splits: Sequence[str]) -> Split:
    names = np.asarray(splits, dtype=object)
    for name in ("train", "test"):
        if not np.any(names == name):
            raise UserError(
                f"probe.split: no item of the source is in the published {name} split; set probe.split to folds"
            )
    missing = int(np.count_nonzero((names != "train") & (names != "test")))
    if missing:
        raise UserError(
            f"probe.split: {missing} of {len(names)} items are in neither the published train nor test split; "
            "give every item a split, or set probe.split to folds"
        )
    test = np.flatnonzero(names == "test")
    # A training item whose group is also tested would give away a label, so it is left out.
    duplicate = np.isin(groups, groups[test])
    return np.flatnonzero((names == "train") & ~duplicate), test


def _with_inner(
    y: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    train: np.ndarray,
    test: np.ndarray,
    inner_folds: int,
    seed: tuple[int, int, int],
) -> Fold:
    own_y, own_groups = y[train], np.unique(groups[train], return_inverse=True)[1]
    why = f"choosing the penalty needs at least {INNER_GROUPS} in every training part"
    _require_groups(own_y, own_groups, classes, INNER_GROUPS, why, "raise probe.folds")
    rng = np.random.default_rng([*seed, 1])  # another stream than that of the outer folds
    inner_of = assign_folds(own_y, own_groups, inner_folds, rng)
    inner = tuple(split for split in splits_of(inner_of, inner_folds) if len(split[1]))
    for kept, _ in inner:
        if len(np.unique(own_y[kept])) < len(classes):
            missing = next(name for code, name in enumerate(classes) if code not in own_y[kept])
            raise UserError(
                f"probe.inner_folds: class {missing!r} has too few groups to be in the training part of every "
                f"inner fold; lower probe.inner_folds (now {inner_folds}), or add items of that class"
            )
    return Fold(seed[1], seed[2], train, test, inner)


def _require_groups(
    y: np.ndarray, groups: np.ndarray, classes: Sequence[str], required: int, why: str, remedy: str
) -> None:
    for code, count in enumerate(count_groups(y, groups, len(classes))):
        if count < required:
            what = f"class {classes[code]!r}" if classes else "the source"
            others = ", add items of it, or drop the class" if classes else ", or add items"
            raise UserError(f"{what} has {count} independent groups of items; {why}; {remedy}{others}")
