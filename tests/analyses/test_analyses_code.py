"""The online code: codes computed by hand, pure noise at log2 K, and labels that are there to be read."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from made_bench import bench, gaussian
from trajprobe.analyses.description_length import SHARES, description_length, predict, random_order


def never(*_):
    raise AssertionError("no probe can be trained on fewer than two classes")


def law(codes, n_classes, learner=never, new=1):
    codes = np.asarray(codes, int)
    return predict(np.zeros((len(codes), 2), np.float32), codes, n_classes, [], np.zeros((new, 2)), learner)


def test_the_first_label_costs_the_uniform_law_and_the_second_laplaces():
    assert law([], 4)[0] == pytest.approx([0.25] * 4)
    assert law([2], 4)[0] == pytest.approx([1 / 5, 1 / 5, 2 / 5, 1 / 5])
    # three labels of one class, two classes unseen: weight 3/6 on the uniform law
    assert law([1, 1, 1], 3)[0] == pytest.approx([1 / 6, 4 / 6, 1 / 6])


def test_a_probe_codes_the_classes_it_saw_and_no_label_costs_infinity():
    sure = lambda *_: np.array([[1.0, 0.0]])  # noqa: E731
    found = law([3, 1, 1, 3], 4, sure)[0]
    weight = 3 / 7
    assert found == pytest.approx([weight / 4, 1 - weight + weight / 4, weight / 4, weight / 4])
    assert found.sum() == pytest.approx(1)
    assert -np.log2(found).max() <= math.log2(4 * 7)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_small_code_computed_by_hand(n_classes):
    # Four items in groups of two: the first group is coded by the uniform law, the second by what follows from it.
    codes = np.array([0, 0, 1, 1]) if n_classes == 2 else np.array([0, 1, 2, 3])
    rows = np.zeros((4, 1), np.float32)  # which tell nothing: the probe predicts the classes' shares
    made = bench([np.zeros((12, 1))], np.arange(12) % n_classes)
    made = replace(made, arms=[rows, rows], codes=codes, groups=np.repeat([0, 1], 2))
    found = description_length(made, 3)
    if n_classes == 2:  # one class seen twice: weight 2/4, and the unseen class has half of it
        second = -math.log2(1 / 4)
    else:  # two of four seen, equally often: weight 3/5, a quarter of it for each unseen class
        second = -math.log2(3 / 5 / 4)
    by_hand = (2 * math.log2(n_classes) + 2 * second) / 4
    assert found["pretrained"] == pytest.approx(by_hand, abs=1e-6)
    assert found["random"] == pytest.approx(by_hand, abs=1e-6)
    assert found["saving"]["value"] == 0


def test_noise_costs_log2_k_and_labels_that_can_be_read_cost_their_first_blocks():
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.arange(480) % 4)
    noise = [rng.normal(size=(480, 8)) for _ in range(3)]
    found = description_length(bench([gaussian(codes, 80, rng, 8), *noise], codes), 2)
    assert found["uniform"] == 2
    assert found["random"] == pytest.approx(2, abs=0.06)
    assert found["random_low_seed"] <= found["random"] <= found["random_high_seed"]
    # What no code avoids: about two bits for each of the few labels before all classes are seen.
    assert 8 / 480 < found["pretrained"] < 0.3
    saving = found["saving"]
    assert saving["value"] == pytest.approx(found["random"] - found["pretrained"])
    assert 1.5 < saving["low"] < saving["value"] < saving["high"]


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


def test_threads_and_reruns_change_nothing():
    rng = np.random.default_rng(0)
    codes = np.arange(90) % 3
    arms = [gaussian(codes, signal, rng) for signal in (2, 1, 1)]
    texts = {json.dumps(description_length(bench(arms, codes, workers=n), 2)) for n in (1, 1, 3)}
    assert len(texts) == 1
