"""The online code: distributions computed by hand, pure noise at log2 K bits, and labels that can be read."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from made_harness import gaussian, make_harness
from trajprobe.analyse.description_length import SHARES, description_length, predict_next, random_order


class Certain:
    """A classifier that is certain of the first class it has seen."""

    def fit(self, rows, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, rows):
        return np.eye(len(self.classes_))[np.zeros(len(rows), int)]


def predicted(y, n_classes):
    """The distribution of the label that follows `y`."""
    t = len(y)
    harness = SimpleNamespace(
        y=np.array([*y, 0], int),
        groups=np.arange(t + 1),
        n_classes=n_classes,
        seed=0,
        inner_folds=2,
        coarse_probe=lambda inner: Certain(),
    )
    return predict_next(harness, np.zeros((t + 1, 2)), np.arange(t), np.array([t]), 0)[0]


def test_the_first_label_costs_the_uniform_distribution_and_the_second_laplaces():
    assert predicted([], 4) == pytest.approx([0.25] * 4)
    assert predicted([2], 4) == pytest.approx([1 / 5, 1 / 5, 2 / 5, 1 / 5])
    # Three labels of one class, two classes unseen: weight 3/6 on the uniform distribution.
    assert predicted([1, 1, 1], 3) == pytest.approx([1 / 6, 4 / 6, 1 / 6])


def test_a_probe_codes_the_classes_it_saw_and_no_label_costs_infinity():
    found = predicted([3, 1, 1, 3], 4)
    weight = 3 / 7
    assert found == pytest.approx([weight / 4, 1 - weight + weight / 4, weight / 4, weight / 4])
    assert found.sum() == pytest.approx(1)
    assert -np.log2(found).max() <= math.log2(4 * 7)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_small_code_computed_by_hand(n_classes):
    # Four items in groups of two: the first is coded by the uniform distribution, the second by what follows from it.
    y = np.array([0, 0, 1, 1]) if n_classes == 2 else np.array([0, 1, 2, 3])
    rows = np.zeros((4, 1), np.float32)  # of no information: the probe predicts the shares of the classes
    made = make_harness([np.zeros((12, 1))], np.arange(12) % n_classes)
    made = replace(made, arms=[rows, rows], y=y, groups=np.repeat([0, 1], 2))
    found = description_length(made, 3)
    if n_classes == 2:  # one class seen twice: weight 2/4, and the unseen class has half of it
        second = -math.log2(1 / 4)
    else:  # two of four seen, equally often: weight 3/5, a quarter of it for each unseen class
        second = -math.log2(3 / 5 / 4)
    by_hand = (2 * math.log2(n_classes) + 2 * second) / 4
    assert found.pretrained == pytest.approx(by_hand, abs=1e-6)
    assert found.random == pytest.approx(by_hand, abs=1e-6)
    assert found.saving.value == 0


def test_noise_costs_log2_k_and_labels_that_can_be_read_cost_their_first_blocks():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(480) % 4)
    noise = [rng.normal(size=(480, 8)) for _ in range(3)]
    found = description_length(make_harness([gaussian(y, 80, rng, 8), *noise], y), 2)
    assert found.uniform == 2
    assert found.random == pytest.approx(2, abs=0.06)
    assert found.random_low_seed <= found.random <= found.random_high_seed
    # No code avoids about two bits for each of the few labels before all classes are seen.
    assert 8 / 480 < found.pretrained < 0.3
    saving = found.saving
    assert saving.value == pytest.approx(found.random - found.pretrained)
    assert 1.5 < saving.low < saving.value < saving.high


def test_groups_stay_together_and_blocks_end_with_them():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    order, ends = random_order(groups, np.random.default_rng(3))
    assert sorted(order) == list(range(len(groups)))
    assert np.count_nonzero(np.diff(groups[order])) == 59
    assert ends == sorted(set(ends))
    assert ends[-1] == len(groups)
    for end in ends[:-1]:
        assert groups[order][end - 1] != groups[order][end]
    single, ends = random_order(np.arange(1000), np.random.default_rng(3))
    assert ends == [round(1000 * share) for share in SHARES]
    assert len(set(single)) == 1000
    assert random_order(np.zeros(5, int), np.random.default_rng(0))[1] == [5]
