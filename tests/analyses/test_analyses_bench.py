"""The bench against its promises, by hand and by properties: what is dealt, the same results from any number of
threads, and intervals whose closed form is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from made_bench import bench, gaussian
from trajprobe.analyses.bench import deal_inner, hold_out
from trajprobe.analyses.intervals import crossed, within
from trajprobe.compare.crossed import crossed_mean
from trajprobe.probe.logistic import fit


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 5))
def test_inner_folds_keep_groups_and_leave_every_class_to_learn_from(seed, most):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, 40)
    groups = rng.integers(0, 30, 40)
    held = deal_inner(codes, groups, most, rng)
    assert len(held) <= most
    flat = np.concatenate(held) if held else np.zeros(0, int)
    assert len(set(flat)) == len(flat)
    for one in held:
        assert len(one)
        assert not set(groups[one]) & set(np.delete(groups, one))
        assert set(np.delete(codes, one)) == set(codes)


def test_a_class_with_one_group_is_never_held_out():
    codes = np.array([0, 0, 0, 0, 1, 1])
    held = deal_inner(codes, np.array([0, 1, 2, 3, 4, 4]), 3, np.random.default_rng(0))
    assert len(held) == 3
    assert sorted(np.concatenate(held)) == [0, 1, 2, 3]
    assert deal_inner(np.arange(3), np.arange(3), 4, np.random.default_rng(0)) == []


def test_the_middle_strength_where_nothing_can_be_chosen():
    rng = np.random.default_rng(0)
    codes = np.arange(12) % 3
    made = bench([gaussian(codes, 1, rng)], codes)
    rows, new = made.arms[0], rng.normal(size=(5, 6)).astype(np.float32)
    # The same strength by way of a choice among one.
    whole = fit(rows, codes, 3, [np.arange(3)], np.array([0.1])).probabilities(new)
    assert np.allclose(made.quick_logistic(rows, codes, 3, [], new), whole, atol=2e-3)


def test_held_out_hits_are_those_of_a_fit_by_hand_whatever_the_threads():
    rng = np.random.default_rng(1)
    codes = np.arange(60) % 3
    arms = [gaussian(codes, 1.5, rng) for _ in range(3)]
    one, other = bench(arms, codes), bench(arms, codes, workers=3)
    hits = hold_out(one, one.logistic, "by hand")
    assert np.array_equal(hits, hold_out(other, other.logistic, "by threads"))
    for fold in one.folds:
        rows = one.arms[2]
        probe = fit(rows[fold.train], codes[fold.train], 3, fold.inner, one.strengths)
        right = probe.probabilities(rows[fold.test]).argmax(1) == codes[fold.test]
        assert np.array_equal(hits[2][fold.test], right)


def test_one_seed_and_equal_clusters_give_students_interval():
    values = np.random.default_rng(0).normal(
        30, 100, 40
    )  # beside which what is never believed to be less is nothing
    means = values.reshape(8, 5).mean(1)
    ends = crossed(values[None], np.repeat(np.arange(8), 5), 0.9, units=40)
    half = student.ppf(0.95, 7) * means.std(ddof=1) / 8**0.5
    assert ends["value"] == pytest.approx(values.mean())
    assert (ends["low"], ends["high"]) == pytest.approx(
        (values.mean() - half, values.mean() + half), rel=1e-5
    )


def test_the_least_error_is_that_of_all_groups_that_the_clusters_hold():
    ends = crossed(np.zeros((3, 40)), np.repeat(np.arange(8), 5), 0.95, units=40)
    assert ends["value"] == 0
    assert ends["high"] == pytest.approx(student.ppf(0.975, 7) * crossed_mean(np.zeros((3, 40))).error)
    assert within({"value": 1, "low": 0.9, "high": 1.1}, 0, 1) == {"value": 1, "low": 0.9, "high": 1}
