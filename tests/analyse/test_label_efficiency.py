"""Label efficiency and the labels saved: identical arms gain exactly nothing, classes that lie apart need one label,
budgets are nested, few groups are enough, and the labels saved are those of a curve whose closed form is known."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from made_harness import gaussian, make_harness
from trajprobe.analyse.label_efficiency import isotonic, label_efficiency, label_ranks, labels_saved, reach

LABELS = [1, 2, 5, 10]


def values(curve):
    return [each.value for each in curve]


def ends(saved):
    return saved.random_labels, saved.low, saved.high


def test_identical_arms_gain_nothing_and_need_as_many_labels():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    rows = gaussian(y, 2, rng)
    found = label_efficiency(make_harness([rows] * 4, y), LABELS, 5, 200)
    assert (found.labels, found.draws) == (LABELS, 5)
    assert values(found.gain) == [0, 0, 0, 0]
    accuracy = values(found.pretrained)
    assert accuracy == pytest.approx(values(found.random), abs=1e-12)  # a mean of equal values rounds
    assert accuracy[0] < accuracy[-1]
    for budget, each in zip(LABELS, found.labels_saved, strict=True):
        assert each.labels == budget
        if accuracy == sorted(accuracy) and len(set(accuracy)) == 4:
            assert each.random_labels == pytest.approx(budget)


def test_classes_that_lie_apart_need_one_label_and_noise_never_learns():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 4
    noise = [rng.normal(size=(120, 6)) for _ in range(3)]
    found = label_efficiency(make_harness([gaussian(y, 60, rng), *noise], y), LABELS, 4, 200)
    assert values(found.pretrained) == [1, 1, 1, 1]
    assert all(abs(value - 0.25) < 0.1 for value in values(found.random))
    for curve, least in ((found.pretrained, 0), (found.random, 0), (found.gain, -1)):
        assert all(least <= each.low <= each.value <= each.high <= 1 for each in curve)
    assert all(each.low > 0 for each in found.gain)
    assert all(ends(each) == (None, 10, None) for each in found.labels_saved)


def test_a_budget_that_a_class_cannot_supply_is_left_out():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 6])
    made = make_harness([gaussian(y, 2, rng)] * 2, y)
    found = label_efficiency(made, LABELS, 10, 200)
    assert (found.labels, found.draws) == ([1, 2, 5], 6)
    assert label_efficiency(made, [7, 9], 10, 200) is None


def test_the_published_test_part_is_all_that_is_tested_and_none_of_it_is_labelled():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    splits = ["train"] * 40 + ["test"] * 40
    # The classes change places in the test part: a classifier trained on the training part alone is always wrong.
    places = np.where(y == 1, 1, -1) * np.repeat([1, -1], 40)
    rows = places[:, None] + 0.01 * rng.normal(size=(80, 3))
    found = label_efficiency(make_harness([rows] * 2, y, splits=splits), [1, 5, 20, 40], 4, 200)
    assert found.labels == [1, 5, 20]
    assert values(found.pretrained) == [0, 0, 0]


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_tested_is_never_labelled_nor_its_group(size):
    # A column of its own for every group says nothing of the others: a classifier that was not trained on a group
    # predicts one class for all of its fold, which is correct for exactly half of them.
    groups = np.repeat(np.arange(40), size)
    y = groups % 2
    found = label_efficiency(make_harness([np.eye(40)[groups]] * 2, y, groups), [1, 5, 15], 4, 50)
    assert (found.labels, found.draws) == ([1, 5, 15], 4)
    assert values(found.pretrained) == values(found.random) == [0.5, 0.5, 0.5]


def test_budgets_are_nested_and_count_groups_of_each_class():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 2)
    y = groups % 3
    made = make_harness([rng.normal(size=(60, 2))], y, groups)
    pool = np.arange(10, 60)
    ranks = label_ranks(made, pool, 0)
    for budget in (1, 4, 7):
        labelled = pool[ranks < budget]
        for code in range(3):
            assert len(set(groups[labelled][y[labelled] == code])) == budget
        assert len(labelled) == 2 * 3 * budget
    assert not np.array_equal(ranks, label_ranks(made, pool, 1))


def test_the_labels_saved_by_a_logarithmic_curve_are_its_closed_form():
    # Random: a + b log2 k. Pretrained: the same curve with four times as many labels, so the random arm needs 4 k.
    labels, draws, seeds, items = [1, 2, 4, 8, 16, 32, 64], 5, 3, 1000
    curve = np.array([200 + 80 * np.log2(k) for k in labels])
    hits = np.empty((len(labels), 1 + seeds, draws))
    hits[:, 0] = (curve + 160)[:, None]
    hits[:, 1:] = curve[:, None, None]
    found = labels_saved(labels, hits, np.full(draws, items), 0.95, 200, np.random.default_rng(0))
    assert [each.random_labels for each in found[:5]] == pytest.approx([4, 8, 16, 32, 64])
    assert [ends(each) for each in found[5:]] == [(None, 64, None)] * 2
    for each in found[:4]:
        assert each.low == pytest.approx(each.random_labels) == pytest.approx(each.high)


def test_interpolation_is_linear_in_the_logarithm_between_two_budgets():
    curves, labels = np.array([[0.2, 0.4, 0.8]]), np.array([1.0, 10.0, 100.0])
    targets = np.array([[0.3, 0.5, 0.1]])
    assert reach(labels, curves, targets)[0] == pytest.approx([10**0.5, 10**1.25, 1])
    assert reach(labels[:1], curves[:, :1], np.array([[0.3]]))[0] == pytest.approx([np.inf])
    flat = np.array([[0.2, 0.5, 0.5]])
    assert reach(labels, flat, np.array([[0.5, 0.2, 0.51]]))[0] == pytest.approx([10, 1, np.inf])


def test_rising_curves_are_those_of_scipy():
    curves = np.random.default_rng(0).random((50, 6))
    ours = isotonic(curves)
    for curve, risen in zip(curves, ours, strict=True):
        assert risen == pytest.approx(isotonic_regression(curve).x)


@pytest.mark.parametrize("factor", ["seeds", "draws"])
def test_the_interval_of_the_labels_saved_is_that_of_the_mean_over_seeds_and_over_draws(factor):
    # The random curve rises by 0.1 with each doubling, so a shift of it by x is one of 10 x doublings.
    spread, labels, normal = 30, [1, 2, 4, 8, 16], np.random.default_rng(0).normal(size=8)
    normal = (normal - normal.mean()) / normal.std()
    shift = spread * (normal[:, None] if factor == "seeds" else normal)
    seeds, draws = (8, 6) if factor == "seeds" else (6, 8)
    random = np.broadcast_to(300 + shift + 100 * np.arange(5)[:, None, None], (5, seeds, draws))
    hits = np.concatenate([np.full((5, 1, draws), 500.0), random], axis=1)
    found = labels_saved(labels, hits, np.full(draws, 1000), 0.95, 4000, np.random.default_rng(1))[0]
    assert found.random_labels == pytest.approx(4)
    doublings = np.log2(found.high / found.low)
    assert doublings == pytest.approx(2 * 1.96 * spread / 8**0.5 / 100, rel=0.07)
