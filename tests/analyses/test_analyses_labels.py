"""Label efficiency and its worth: identical arms gain exactly nothing, classes that lie apart need one label, budgets
are nested, and the worth is that of a curve whose closed form is known."""

import json

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from made_bench import bench, gaussian
from trajprobe.analyses.label_efficiency import label_efficiency, label_ranks
from trajprobe.analyses.worth import isotonic, reach, worth

LABELS = [1, 2, 5, 10]


def test_arms_that_are_the_same_gain_nothing_and_are_worth_their_own_labels():
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    rows = gaussian(codes, 2, rng)
    found = label_efficiency(bench([rows] * 4, codes), LABELS, 5, 200)
    assert found["labels"] == LABELS
    assert found["draws"] == 5
    assert found["gain"]["value"] == [0, 0, 0, 0]
    assert found["pretrained"]["value"] == found["random"]["value"]
    accuracy = found["pretrained"]["value"]
    assert accuracy[0] < accuracy[-1]
    for budget, each in zip(LABELS, found["worth"], strict=True):
        assert each["labels"] == budget
        if accuracy == sorted(accuracy) and len(set(accuracy)) == 4:
            assert each["random_labels"] == pytest.approx(budget)


def test_classes_that_lie_apart_need_one_label_and_noise_never_learns():
    rng = np.random.default_rng(0)
    codes = np.arange(120) % 4
    noise = [rng.normal(size=(120, 6)) for _ in range(3)]
    found = label_efficiency(bench([gaussian(codes, 60, rng), *noise], codes), LABELS, 4, 200)
    assert found["pretrained"]["value"] == [1, 1, 1, 1]
    assert all(abs(value - 0.25) < 0.1 for value in found["random"]["value"])
    for name, least in (("pretrained", 0), ("random", 0), ("gain", -1)):
        for value, low, high in zip(*(found[name][end] for end in ("value", "low", "high")), strict=True):
            assert least <= low <= value <= high <= 1
    assert all(gain > 0 for gain in found["gain"]["low"])
    assert all(each == {**each, "random_labels": None, "low": 10, "high": None} for each in found["worth"])


def test_a_budget_that_a_class_cannot_give_is_left_out():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [40, 6])
    made = bench([gaussian(codes, 2, rng)] * 2, codes)
    found = label_efficiency(made, LABELS, 10, 200)
    assert found["draws"] == 6
    assert found["labels"] == [1, 2, 5]
    assert label_efficiency(made, [7, 9], 10, 200) is None


def test_the_published_test_part_is_all_that_is_tested_and_none_of_it_is_labelled():
    rng = np.random.default_rng(0)
    codes = np.arange(80) % 2
    splits = ["train"] * 40 + ["test"] * 40
    # The classes' places are swapped in the test part: whoever learns from the training part alone is always wrong.
    places = np.where(codes == 1, 1, -1) * np.repeat([1, -1], 40)
    rows = places[:, None] + 0.01 * rng.normal(size=(80, 3))
    found = label_efficiency(bench([rows] * 2, codes, splits=splits), [1, 5, 20, 40], 4, 200)
    assert found["labels"] == [1, 5, 20]
    assert found["pretrained"]["value"] == [0, 0, 0]


@pytest.mark.parametrize("size", [1, 2])
def test_what_is_tested_is_never_labelled_nor_its_group(size):
    # A column of its own for every group says nothing of the others: whoever has not learned from a group gives all
    # of its fold the same name, which is right for exactly half of them.
    groups = np.repeat(np.arange(40), size)
    codes = groups % 2
    found = label_efficiency(bench([np.eye(40)[groups]] * 2, codes, groups), [1, 5, 15], 4, 50)
    assert (found["labels"], found["draws"]) == ([1, 5, 15], 4)
    for arm in ("pretrained", "random"):
        assert found[arm]["value"] == [0.5, 0.5, 0.5]


def test_budgets_are_nested_and_count_groups_of_each_class():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 2)
    codes = groups % 3
    made = bench([rng.normal(size=(60, 2))], codes, groups)
    pool = np.arange(10, 60)
    ranks = label_ranks(made, pool, 0)
    for budget in (1, 4, 7):
        labelled = pool[ranks < budget]
        for code in range(3):
            assert len(set(groups[labelled][codes[labelled] == code])) == budget
        assert len(labelled) == 2 * 3 * budget
    assert not np.array_equal(ranks, label_ranks(made, pool, 1))


def test_threads_and_reruns_change_nothing():
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    arms = [gaussian(codes, signal, rng) for signal in (2, 1, 1)]
    texts = {
        json.dumps(label_efficiency(bench(arms, codes, workers=workers), [1, 5], 3, 100))
        for workers in (1, 1, 3)
    }
    assert len(texts) == 1


def test_the_worth_of_a_logarithmic_curve_is_its_closed_form():
    # Random: a + b log2 k. Pretrained: the same curve, four times as good with labels, so it is worth 4 k.
    labels, draws, seeds, items = [1, 2, 4, 8, 16, 32, 64], 5, 3, 1000
    curve = np.array([200 + 80 * np.log2(k) for k in labels])
    right = np.empty((len(labels), 1 + seeds, draws))
    right[:, 0] = (curve + 160)[:, None]
    right[:, 1:] = curve[:, None, None]
    found = worth(labels, right, np.full(draws, items), 0.95, 200, np.random.default_rng(0))
    assert [each["random_labels"] for each in found[:5]] == pytest.approx([4, 8, 16, 32, 64])
    assert [(each["random_labels"], each["low"], each["high"]) for each in found[5:]] == [
        (None, 64, None)
    ] * 2
    for each in found[:4]:
        assert each["low"] == pytest.approx(each["random_labels"]) == pytest.approx(each["high"])


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
@pytest.mark.parametrize("spread", [10, 30])
def test_the_interval_of_the_worth_is_that_of_the_mean_over_seeds_and_over_draws(factor, spread):
    # The random curve rises by 0.1 with each doubling, so a shift of it by x is one of 10 x doublings.
    labels, normal = [1, 2, 4, 8, 16], np.random.default_rng(0).normal(size=8)
    normal = (normal - normal.mean()) / normal.std()
    shift = spread * (normal[:, None] if factor == "seeds" else normal)
    seeds, draws = (8, 6) if factor == "seeds" else (6, 8)
    random = np.broadcast_to(300 + shift + 100 * np.arange(5)[:, None, None], (5, seeds, draws))
    right = np.concatenate([np.full((5, 1, draws), 500.0), random], axis=1)
    found = worth(labels, right, np.full(draws, 1000), 0.95, 4000, np.random.default_rng(1))[0]
    assert found["random_labels"] == pytest.approx(4)
    doublings = np.log2(found["high"] / found["low"])
    assert doublings == pytest.approx(2 * 1.96 * spread / 8**0.5 / 100, rel=0.07)
