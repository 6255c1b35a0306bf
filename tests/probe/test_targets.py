"""Numbers as labels: their folds against what stratified means, R^2 in halves against scikit-learn's, and a linear
target against the best that anything could predict."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from trajprobe.artifacts.predictions import Arm
from trajprobe.core.errors import UserError
from trajprobe.probe.folds import Fold, make_folds, strata
from trajprobe.probe.held_out import make_split_halves, probe_arms, split_half_counts
from trajprobe.probe.ridge import predict_split
from trajprobe.probe.targets import Numbers

GRID = np.geomspace(1e2, 1e-6, 9)


def folds_of(y: np.ndarray, groups: list[str], folds: int = 5, splits: list[str] | None = None) -> list[Fold]:
    splits = splits or [""] * len(y)
    return make_folds(y, groups, splits, [], split="auto", folds=folds, repeats=2, inner_folds=4, seed=0)


def names(count: int, size: int = 1) -> list[str]:
    return [f"g{index // size}" for index in range(count)]


def test_folds_hold_every_part_of_the_range_in_equal_numbers() -> None:
    y = np.random.default_rng(0).lognormal(size=200)
    order = np.argsort(np.argsort(y))
    for fold in folds_of(y, names(200)):
        assert len(fold.test) == 40
        assert np.bincount(order[fold.test] // 20, minlength=10).tolist() == [4] * 10
        for train, test in fold.inner:
            assert len(train) + len(test) == 160
            # 16 of each tenth of the range are in the training part
            assert np.abs(np.bincount(order[fold.train][test] // 20, minlength=10) - 4).max() == 0


def test_groups_are_whole_and_equal_numbers_are_in_one_stratum() -> None:
    rng = np.random.default_rng(1)
    y, groups = np.repeat(rng.normal(size=30), 4), names(120, 4)  # a subject has one value
    for fold in folds_of(y, groups):
        tested = {groups[item] for item in fold.test}
        assert not tested & {groups[item] for item in fold.train}
    ties = np.repeat([1.0, 2.0, 5.0], [60, 30, 10])
    assert len(np.unique(np.stack([ties, strata(ties, 5)]), axis=1).T) == 3
    assert strata(np.array([2, 0, 1]), 5).tolist() == [2, 0, 1]  # classes are strata


def test_too_few_groups_are_refused_as_a_whole() -> None:
    y = np.arange(40.0)
    with pytest.raises(UserError, match="the source has 4 independent groups of items; 5 folds"):
        folds_of(y, names(40, 10))
    assert len(folds_of(y, names(40, 10), folds=2)) == 4


def test_a_linear_target_is_predicted_exactly_and_a_noisy_one_as_well_as_can_be() -> None:
    rng = np.random.default_rng(2)
    features, noise = rng.normal(size=(600, 3)), rng.normal(size=600)
    signal = features @ [2.0, -1.0, 0.5]  # variance 5.25
    for spread in (0.0, 2.0):
        y = signal + spread * noise
        folds = folds_of(y, names(600))
        pairs = make_split_halves(y, names(600), [""] * 600, split="auto", folds=5, count=4, seed=0)
        (arm,) = probe_arms("test", [(Arm("e", "control"), features)], y, 0, folds, pairs, GRID, 1)
        assert arm.predicted.shape == (2, 600)
        assert arm.probability.shape == (2, 600, 0)
        for predicted in arm.predicted:  # beside the signal itself, a few coefficients cost little
            assert r2_score(y, predicted) == pytest.approx(r2_score(y, signal), abs=0.01 if spread else 1e-6)
            assert np.abs(y - predicted).mean() == pytest.approx(
                np.abs(y - signal).mean(), rel=0.02, abs=2e-3
            )
        if not spread:
            counts = split_half_counts(y, 0, pairs)
            assert arm.split_half_scores["r2"] == pytest.approx(counts, rel=1e-5)  # R^2 is 1 in every half
            assert counts.sum(axis=1).tolist() == [[600.0]] * 4


def test_the_figure_of_a_half_is_scikit_learns_r2_of_its_tested_items() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(80, 4))
    y = features[:, 0] + rng.normal(size=80)
    pairs = make_split_halves(y, names(80, 2), [""] * 80, split="auto", folds=4, count=3, seed=0)
    assert len(pairs) == 3
    for half in (half for pair in pairs for half in pair):
        true, predicted = [], []
        for train, test in half.folds:
            split = half.items[train], half.items[test]
            predicted.append(predict_split(features, y[:, None], [slice(0, 1)], split, np.array([0.3]))[:, 0])
            true.append(y[split[1]])
        expected = r2_score(np.concatenate(true), np.concatenate(predicted))
        found = Numbers(y).half_scores(features, 0.3, half.items, half.folds)
        assert found["r2"] / Numbers(y).half_sizes(half.items, half.folds) == pytest.approx([expected])


def test_a_published_split_is_used_and_halved() -> None:
    y = np.random.default_rng(4).normal(size=60)
    splits = ["train"] * 40 + ["test"] * 20
    (fold,) = folds_of(y, names(60), splits=splits)
    assert fold.test.tolist() == list(range(40, 60))
    for pair in make_split_halves(y, names(60), splits, split="auto", folds=5, count=5, seed=0):
        for half in pair:
            (split,) = half.folds
            assert [len(part) for part in split] == [20, 10]
