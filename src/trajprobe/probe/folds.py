"""Which items train and which are held out: the same folds for every arm of every encoder.

Folds depend on the items and the seed alone, so every stage that probes can plan them anew and get the same ones.
A group (a subject, a writer, a set of duplicates) never straddles a fold, and classes are dealt out as evenly as the
groups allow. Where the data publishes its own split, that is the one outer fold. Inner folds, which choose the
penalty, divide the training part of each outer fold by the same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.errors import UserError

INNER_GROUPS = 2  # of every class in a training part: one to be held out, one to learn from


@dataclass(frozen=True)
class Fold:
    """One outer fold: int64 positions of the items that train (T,) and of those held out (H,).

    inner: for each inner fold, the positions *within `train`* that it holds out.
    """

    repeat: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    inner: tuple[np.ndarray, ...]


def plan(
    codes: np.ndarray,
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

    codes: (N,) integers into `classes`; groups, splits: N names each (a split is "train", "test" or "").
    split: "published", "folds", or "auto" (published where any item has a split).
    Raises UserError where a class has too few groups, or the published split is missing or incomplete.
    """
    codes = np.asarray(codes)
    members = np.unique(np.asarray(groups, dtype=object), return_inverse=True)[1]
    if is_published(split, splits):
        train, test = _published(members, splits)
        return [_with_inner(codes, members, classes, train, test, inner_folds, (seed, 0, 0))]
    why = f"{folds} folds (probe.folds) need at least {folds}"
    _require(
        codes, members, classes, folds, why, "lower probe.folds, give more items of it, or drop the class"
    )
    result = []
    for repeat in range(repeats):
        fold_of = deal(codes, members, folds, np.random.default_rng([seed, repeat]))
        for fold in range(folds):
            train, test = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            result.append(
                _with_inner(codes, members, classes, train, test, inner_folds, (seed, repeat, fold))
            )
    return result


def is_published(split: str, splits: Sequence[str]) -> bool:
    """Whether the data's own split is used: `split` asks for it, or leaves it to the data, and they have one."""
    return split == "published" or (split == "auto" and any(splits))


def deal(codes: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Deal groups out to folds, each class as evenly as whole groups allow: (N,) fold of each item.

    Groups of several items go first, the largest before the others, each to the fold that has the smallest share of
    its classes so far (the greedy rule of scikit-learn's StratifiedGroupKFold, with a sum of squares in place of a
    standard deviation). Single items then fill every class up to the same level in all folds.
    """
    n_classes = int(codes.max()) + 1
    sizes = np.bincount(groups)
    counts = np.zeros((folds, n_classes))
    fold_of = np.full(len(codes), -1)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    items = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    weight = 1 / np.maximum(np.bincount(codes, minlength=n_classes), 1) ** 2
    for group in order[: np.count_nonzero(sizes > 1)]:
        held = np.bincount(codes[items[group]], minlength=n_classes)
        crowding = counts @ (held * weight)
        fold = np.lexsort((rng.random(folds), counts.sum(1), crowding))[0]
        counts[fold] += held
        fold_of[items[group]] = fold
    single = sizes[groups] == 1
    for code in range(n_classes):
        waiting = rng.permutation(np.flatnonzero(single & (codes == code)))
        levels = counts[:, code, None] + np.arange(len(waiting))
        slots = np.broadcast_to(np.arange(folds)[:, None], levels.shape).ravel()
        luck = rng.random(folds)
        filled = np.lexsort((luck[slots], counts.sum(1)[slots], levels.ravel()))[: len(waiting)]
        fold_of[waiting] = slots[filled]
        counts[:, code] += np.bincount(slots[filled], minlength=folds)
    return fold_of


def _published(groups: np.ndarray, splits: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    named = np.asarray(splits, dtype=object)
    for name in ("train", "test"):
        if not np.any(named == name):
            raise UserError(
                f"probe.split: no item of the source is in the published {name} split; set probe.split to folds"
            )
    if np.any((named != "train") & (named != "test")):
        missing = int(np.count_nonzero((named != "train") & (named != "test")))
        raise UserError(
            f"probe.split: {missing} of {len(named)} items are in neither the published train nor test split; "
            "give every item a split, or set probe.split to folds"
        )
    test = np.flatnonzero(named == "test")
    # A training item with a twin among the held-out ones would give its label away, so it is left out.
    twin = np.isin(groups, groups[test])
    return np.flatnonzero((named == "train") & ~twin), test


def _with_inner(
    codes: np.ndarray,
    groups: np.ndarray,
    classes: Sequence[str],
    train: np.ndarray,
    test: np.ndarray,
    inner_folds: int,
    seed: tuple[int, int, int],
) -> Fold:
    why = f"choosing the penalty needs at least {INNER_GROUPS} in every training part"
    remedy = "raise probe.folds, give more items of it, or drop the class"
    _require(codes[train], groups[train], classes, INNER_GROUPS, why, remedy)
    inner_of = deal(codes[train], np.unique(groups[train], return_inverse=True)[1], inner_folds, _rng(seed))
    inner = tuple(np.flatnonzero(inner_of == fold) for fold in range(inner_folds))
    inner = tuple(held for held in inner if len(held))
    for held in inner:
        rest = np.delete(codes[train], held)
        if len(np.unique(rest)) < len(classes):
            missing = next(name for code, name in enumerate(classes) if code not in rest)
            raise UserError(
                f"probe.inner_folds: class {missing!r} has too few groups to stay in the training part of every "
                f"inner fold; lower probe.inner_folds (now {inner_folds}), or give more of that class"
            )
    return Fold(seed[1], seed[2], train, test, inner)


def _rng(seed: tuple[int, int, int]) -> np.random.Generator:
    return np.random.default_rng([*seed, 1])  # not the stream that dealt the outer folds


def _require(
    codes: np.ndarray, groups: np.ndarray, classes: Sequence[str], required: int, why: str, remedy: str
) -> None:
    held = np.unique(np.stack([codes, groups]), axis=1)[0]
    for code, count in enumerate(np.bincount(held, minlength=len(classes))):
        if count < required:
            raise UserError(
                f"class {classes[code]!r} has {count} independent groups of items; {why}; {remedy}"
            )
