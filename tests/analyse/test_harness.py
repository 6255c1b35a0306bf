"""The harness against its contract, by hand and by properties: inner folds, hits of any scikit-learn estimator from any
number of threads, and intervals whose closed form is known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.neighbors import KNeighborsClassifier

from made_harness import gaussian, make_harness
from trajprobe.analyse.description_length import description_length
from trajprobe.analyse.harness import assign_inner_folds, held_out_hits, mean_interval
from trajprobe.analyse.label_efficiency import label_efficiency
from trajprobe.core.schema import Interval
from trajprobe.probe.logistic import fit_logistic


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_inner_folds_keep_groups_and_leave_every_class_to_learn_from(seed, most):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, 40)
    groups = rng.integers(0, 30, 40)
    folds = assign_inner_folds(y, groups, most, rng)
    assert len(folds) <= most
    tested = np.concatenate([test for _, test in folds]) if folds else np.zeros(0, int)
    assert len(set(tested)) == len(tested)
    for train, test in folds:
        assert len(test)
        assert sorted([*train, *test]) == list(range(40))
        assert not set(groups[test]) & set(groups[train])
        assert set(y[train]) == set(y)


def test_a_class_with_one_group_is_never_tested():
    y = np.array([0, 0, 0, 0, 1, 1])
    folds = assign_inner_folds(y, np.array([0, 1, 2, 3, 4, 4]), 3, np.random.default_rng(0))
    assert len(folds) == 3
    assert sorted(np.concatenate([test for _, test in folds])) == [0, 1, 2, 3]
    assert assign_inner_folds(np.arange(3), np.arange(3), 4, np.random.default_rng(0)) == []


def test_hits_are_those_of_a_fit_by_hand_whatever_the_threads():
    rng = np.random.default_rng(1)
    y = np.arange(60) % 3
    arms = [gaussian(y, 1.5, rng) for _ in range(3)]
    one, other = make_harness(arms, y), make_harness(arms, y, workers=3)
    hits = held_out_hits(one, one.probe(), "one thread")
    assert np.array_equal(hits, held_out_hits(other, other.probe(), "three threads"))
    neighbours = held_out_hits(one, KNeighborsClassifier(), "any estimator")
    rows = one.arms[2]
    for fold in one.folds:
        fitted = fit_logistic(rows[fold.train], y[fold.train], 3, fold.inner, one.l2_grid)
        correct = fitted.probabilities(rows[fold.test]).argmax(1) == y[fold.test]
        assert np.array_equal(hits[2][fold.test], correct)
        theirs = KNeighborsClassifier().fit(rows[fold.train], y[fold.train]).predict(rows[fold.test])
        assert np.array_equal(neighbours[2][fold.test], theirs == y[fold.test])


def test_the_coarse_probe_has_every_second_penalty_of_the_same_grid():
    rng = np.random.default_rng(0)
    y = np.arange(12) % 3
    made = make_harness([gaussian(y, 1, rng)], y)
    inner = made.folds[0].inner
    assert np.array_equal(made.coarse_probe(inner).l2_grid, made.l2_grid[[0, 2, 4]])
    assert made.coarse_probe([]).fit(made.arms[0], y).l2_ == pytest.approx(0.1)  # the middle of 1e-3 to 10


@pytest.mark.parametrize(
    "analysis", [lambda h: label_efficiency(h, [1, 5], 3, 100), lambda h: description_length(h, 2)]
)
def test_threads_and_reruns_change_nothing(analysis):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    arms = [gaussian(y, signal, rng) for signal in (2, 1, 1)]
    texts = {json.dumps(analysis(make_harness(arms, y, workers=n)).model_dump()) for n in (1, 1, 3)}
    assert len(texts) == 1


def test_one_seed_and_equal_clusters_give_students_interval():
    values = np.random.default_rng(0).normal(
        30, 100, 40
    )  # beside which the smallest possible error is nothing
    means = values.reshape(8, 5).mean(1)
    found = mean_interval(values[None], np.repeat(np.arange(8), 5), 0.9, units=40)
    half = student.ppf(0.95, 7) * means.std(ddof=1) / 8**0.5
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-5)


def test_the_smallest_error_is_that_of_all_groups_in_the_clusters():
    clusters = np.repeat(np.arange(8), 5)
    found = mean_interval(np.zeros((3, 40)), clusters, 0.95, units=40)
    assert found.value == 0
    assert found.high == pytest.approx(student.ppf(0.975, 7) * 0.5 / 40)
    within = mean_interval(np.ones((3, 40)), clusters, 0.95, units=40, within=(0, 1))
    assert within == Interval(1, 2 - 1 - found.high, 1)
