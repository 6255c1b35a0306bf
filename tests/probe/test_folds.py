"""Properties of folds: every item is tested once a repeat, no group is on both sides, classes are distributed evenly
(exactly as by scikit-learn's StratifiedKFold if every item is its own group), the same seed gives the same folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from trajprobe.core.errors import UserError
from trajprobe.probe.folds import assign_folds, make_folds

SETTINGS = {"split": "auto", "folds": 5, "repeats": 2, "inner_folds": 3, "seed": 0}


def names(numbers):
    return [str(number) for number in numbers]


@st.composite
def grouped(draw):
    """y, groups and class names, with at least 8 groups of each class."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    classes = draw(st.integers(2, 5))
    y, groups = [], []
    for code in range(classes):
        for _ in range(draw(st.integers(8, 14))):
            size = int(rng.choice([1, 1, 1, 2, 3, 7]))
            y += [code] * size
            groups += [len(set(groups))] * size
    order = rng.permutation(len(y))
    return np.array(y)[order], np.array(groups)[order], names(range(classes))


@settings(max_examples=40, deadline=None)
@given(grouped(), st.integers(0, 100))
def test_folds_partition_items_and_never_divide_a_group(data, seed):
    y, groups, classes = data
    folds = make_folds(y, names(groups), [""] * len(y), classes, **{**SETTINGS, "seed": seed})
    assert [(fold.repeat, fold.fold) for fold in folds] == [(r, f) for r in range(2) for f in range(5)]
    for repeat in range(2):
        tested = np.concatenate([fold.test for fold in folds if fold.repeat == repeat])
        assert sorted(tested) == list(range(len(y)))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(len(y)))
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert set(y[fold.train]) == set(y)
        own_y, own_groups = y[fold.train], groups[fold.train]
        assert sorted(np.concatenate([test for _, test in fold.inner])) == list(range(len(fold.train)))
        for train, test in fold.inner:
            assert sorted([*train, *test]) == list(range(len(fold.train)))
            assert not set(own_groups[train]) & set(own_groups[test])
            assert set(own_y[train]) == set(y)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(5, 23), min_size=2, max_size=6), st.integers(2, 5), st.integers(0, 1000))
def test_single_items_are_distributed_as_evenly_as_by_sklearn(counts, n_folds, seed):
    y = np.repeat(np.arange(len(counts)), counts)
    fold_of = assign_folds(y, np.arange(len(y)), n_folds, np.random.default_rng(seed))
    theirs = np.zeros(len(y), int)
    for number, (_, test) in enumerate(StratifiedKFold(n_folds).split(y, y)):
        theirs[test] = number
    for code in range(len(counts)):
        ours = np.bincount(fold_of[y == code], minlength=n_folds)
        assert sorted(ours) == sorted(np.bincount(theirs[y == code], minlength=n_folds))
    sizes = np.bincount(fold_of, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1


def test_large_groups_are_balanced_over_folds():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(2, 30, 40))
    y = rng.integers(0, 3, len(groups))
    fold_of = assign_folds(y, groups, 4, rng)
    for code in range(3):
        share = np.bincount(fold_of[y == code], minlength=4) / np.count_nonzero(y == code)
        assert np.abs(share - 0.25).max() < 0.05


def test_a_few_groups_of_unequal_size_are_divided_differently_in_every_repeat():
    """Greedy by size alone, they are divided in the same way every time."""
    sizes = [80, 60, 50, 40, 30, 25, 20, 10]
    groups = np.repeat(np.arange(8), sizes)
    y = np.random.default_rng(0).integers(0, 3, len(groups))
    folds = make_folds(y, names(groups), [""] * len(y), names(range(3)), **{**SETTINGS, "repeats": 3})
    partitions = [
        frozenset(frozenset(groups[fold.test]) for fold in folds if fold.repeat == repeat)
        for repeat in range(3)
    ]
    assert len(set(partitions)) == 3


def test_the_seed_decides_and_repeats_differ():
    y = np.arange(60) % 3
    arguments = (y, names(range(60)), [""] * 60, names(range(3)))
    first, again = make_folds(*arguments, **SETTINGS), make_folds(*arguments, **SETTINGS)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.test, other.test)
        assert all(np.array_equal(a[1], b[1]) for a, b in zip(one.inner, other.inner, strict=True))
    other = make_folds(*arguments, **{**SETTINGS, "seed": 1})
    assert not np.array_equal(first[0].test, other[0].test)
    assert not np.array_equal(first[0].test, first[5].test)


def test_the_published_split_is_the_one_outer_fold_and_duplicates_leave_the_training_part():
    y = np.arange(24) % 2
    groups = names(range(24))
    groups[0] = groups[23]
    splits = ["train"] * 16 + ["test"] * 8
    (fold,) = make_folds(y, groups, splits, ["a", "b"], **SETTINGS)
    assert fold.test.tolist() == list(range(16, 24))
    assert fold.train.tolist() == list(range(1, 16))
    assert len(fold.inner) == 3
    assert len(make_folds(y, groups, splits, ["a", "b"], **{**SETTINGS, "split": "folds"})) == 10


@pytest.mark.parametrize(
    ("splits", "change", "message"),
    [
        ([""] * 24, {"split": "published"}, "no item of the source is in the published train split"),
        (["train"] * 24, {}, "no item of the source is in the published test split"),
        (["train"] * 20 + ["test"] * 3 + [""], {}, "1 of 24 items are in neither"),
        (
            [""] * 24,
            {"folds": 13},
            "class 'a' has 12 independent groups of items; 13 folds .* lower probe.folds",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(splits, change, message):
    with pytest.raises(UserError, match=message):
        make_folds(np.arange(24) % 2, names(range(24)), splits, ["a", "b"], **{**SETTINGS, **change})


def test_a_class_of_one_group_is_refused_by_name():
    groups = ["same" if i % 2 else str(i) for i in range(24)]
    with pytest.raises(UserError, match="class 'b' has 1 independent groups"):
        make_folds(np.arange(24) % 2, groups, [""] * 24, ["a", "b"], **SETTINGS)
    splits = ["train"] * 3 + ["test"] * 21
    with pytest.raises(UserError, match="class 'b' has 1 independent groups of items; choosing the penalty"):
        make_folds(np.arange(24) % 2, names(range(24)), splits, ["a", "b"], **SETTINGS)
    with pytest.raises(UserError, match="class 'c' has 0"):
        make_folds(np.arange(24) % 2, names(range(24)), [""] * 24, ["a", "b", "c"], **SETTINGS)
