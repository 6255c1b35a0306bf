"""Split halves: they share no item and no group, each is a whole protocol by itself, and the hits counted in them are
those of probes fitted on that half."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from running import run
from trajprobe.artifacts.features import FeatureFile
from trajprobe.artifacts.trajectories import Items, items_digest
from trajprobe.params import load_params
from trajprobe.probe import stage
from trajprobe.probe.held_out import make_split_halves, split_half_counts, split_half_scores
from trajprobe.probe.logistic import predict_folds


def divide(y, groups=None, splits=None, split="auto", folds=5, count=3, seed=0):
    n = len(y)
    return make_split_halves(
        np.asarray(y),
        [str(group) for group in (range(n) if groups is None else groups)],
        splits or [""] * n,
        split=split,
        folds=folds,
        count=count,
        seed=seed,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 3), st.integers(2, 4))
def test_halves_are_disjoint_and_keep_groups_and_classes(seed, size, n_classes):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(12 * n_classes), size)
    y = (groups % n_classes)[order := rng.permutation(len(groups))]
    groups = groups[order]
    for pair in divide(y, groups, seed=seed):
        one, other = pair
        assert np.array_equal(np.sort(np.concatenate([one.items, other.items])), np.arange(len(y)))
        assert not set(groups[one.items]) & set(groups[other.items])
        assert (np.bincount(y[one.items]) == 6 * size).all()
        for half in pair:
            tests = [test for _, test in half.folds]
            assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(len(half.items)))
            assert len(tests) == 5
            where = {
                group: {
                    fold for fold, test in enumerate(tests) for g in groups[half.items[test]] if g == group
                }
                for group in groups[half.items]
            }
            assert all(len(folds) == 1 for folds in where.values())


def test_no_two_halvings_are_the_same():
    sizes = [80, 60, 50, 40, 30, 25, 20, 10]  # of 8 writers
    groups = np.repeat(np.arange(8), sizes)
    y = np.random.default_rng(0).integers(0, 3, len(groups))
    pairs = divide(y, groups, count=20)
    sides = {frozenset(frozenset(groups[half.items]) for half in pair) for pair in pairs}
    assert len(sides) == len(pairs) >= 8
    shares = [abs(len(one.items) - len(other.items)) / len(y) for one, other in pairs]
    assert max(shares) < 0.2
    assert len(divide(np.tile([0, 1], 40), np.repeat(np.arange(4), 20), count=20)) == 3  # 2 + 2 groups


def test_a_half_has_as_many_folds_as_its_rarest_class_allows():
    y = np.repeat([0, 1], [40, 6])
    assert all(len(half.folds) == 3 for pair in divide(y) for half in pair)
    assert divide(np.repeat([0, 1], [40, 3])) == []


def test_a_published_split_is_halved_part_by_part():
    y = np.tile([0, 1, 2], 20)
    splits = ["test" if i >= 30 else "train" for i in range(60)]
    groups = [*range(59), 0]  # the last test item has a duplicate in the training part, which is left out
    for pair in divide(y, groups, splits):
        together = np.concatenate([half.items for half in pair])
        assert sorted(together) == list(range(1, 60))
        for half in pair:
            ((train, test),) = half.folds
            assert np.array_equal(half.items[test], half.items[half.items >= 30])
            assert np.array_equal(half.items[train], half.items[half.items < 30])
            assert set(y[half.items[train]]) == {0, 1, 2}
    assert divide([0, 0, 1, 1], splits=["train", "test", "train", "test"]) == []
    assert divide(y, splits=splits, split="folds")[0][0].items[-1] < 60


def accuracies(arms, y, n_classes, pairs, workers=1, advance=lambda: None):
    """(A, B, 2, K)"""
    scores = split_half_scores(arms, y, n_classes, pairs, workers=workers, advance=advance)
    return np.array([own["accuracy"] for own in scores])


def test_scores_are_those_of_probes_fitted_on_that_half():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(60) % 3)
    arms = [
        (rng.normal(size=(60, 8)).astype(np.float32) + y[:, None], 0.1),
        (rng.normal(size=(60, 4)), 1.0),
    ]
    pairs, ticks = divide(y), []
    scores = split_half_scores(arms, y, 3, pairs, workers=2, advance=lambda: ticks.append(1))
    assert [list(own) for own in scores] == [["accuracy", "brier"]] * 2
    assert all(sums.shape == (3, 2, 3) for own in scores for sums in own.values())
    assert len(ticks) == 2 * 3 * 2
    counts = split_half_counts(y, 3, pairs)
    assert (counts.sum(axis=(1, 2)) == 60).all()
    assert all((sums <= counts).all() for own in scores for sums in own.values())
    half = pairs[1][0]
    for arm, (rows, l2) in enumerate(arms):
        own = y[half.items]
        predicted = predict_folds(rows[half.items], own, 3, half.folds, l2)
        expected = {score: np.zeros(3) for score in scores[arm]}
        for items, probabilities in zip([test for _, test in half.folds], predicted, strict=True):
            for item, p in zip(items, probabilities, strict=True):
                true = own[item]
                expected["accuracy"][true] += p[true] == max(p)
                expected["brier"][true] += 1 - sum((p[k] - (k == true)) ** 2 for k in range(3)) / 2
        for score, sums in expected.items():
            assert scores[arm][score][1, 0] == pytest.approx(sums, rel=1e-12), score
    alone = split_half_scores(arms, y, 3, pairs, workers=1, advance=lambda: None)
    for one, other in zip(scores, alone, strict=True):
        assert all(np.array_equal(one[score], other[score]) for score in one)


def test_each_arm_is_probed_with_its_own_penalty():
    # A penalty that leaves no coefficients always predicts the larger class; a tiny one separates both.
    y = np.repeat([0, 1], [40, 20])
    rows = np.where(y == 1, 3.0, -3.0)[:, None] + np.random.default_rng(0).normal(size=(60, 2))
    pairs = divide(y)
    arms = [(rows, l2) for l2 in (1e4, 1e-3)]
    strong, weak = accuracies(arms, y, 2, pairs)
    counts = split_half_counts(y, 2, pairs)
    assert np.array_equal(strong, counts * [1, 0])
    assert np.array_equal(weak, counts)


def test_the_stage_takes_the_median_of_the_penalties_that_the_folds_chose(monkeypatch):
    rng = np.random.default_rng(0)
    ids, y = [str(item) for item in range(60)], np.arange(60) % 3
    arms = np.float32(0.6 * y[:, None] + rng.normal(size=(3, 60, 40)))
    items = Items(
        ids, [f"class {code}" for code in y], ids, [""] * 60, [f"class {code}" for code in range(3)]
    )
    metadata = {"items": items_digest(ids), "layers": ["mid"], "poolings": ["mean"]}
    features = FeatureFile({"pretrained/mid/mean": arms[0], "random/mid/mean": arms[1:]}, metadata)
    changes = {"split": "folds", "folds": 3, "repeats": 1, "inner_folds": 2, "split_halves": 6, "seed": 0}
    settings = load_params(Path(__file__).parents[2] / "params.yaml").probe.model_copy(update=changes)
    written = []
    monkeypatch.setattr(stage, "read_items", lambda _: items)
    monkeypatch.setattr(stage, "read_features", lambda _: features)
    monkeypatch.setattr(stage, "write_predictions", lambda _, predictions: written.append(predictions))
    run("probe", SimpleNamespace(probe=settings), "tiny")
    pairs = divide(y, folds=3, count=6)

    def hits(penalties):
        return accuracies(list(zip(arms, penalties, strict=True)), y, 3, pairs)

    probed = written[0].arms
    found = np.array([arm.split_half_scores["accuracy"] for arm in probed])
    assert np.array_equal(found, hits([float(np.median(arm.l2)) for arm in probed]))
    assert not np.array_equal(found, hits([1.0] * 3))


def test_no_halves_are_an_empty_table():
    arms, y = [(np.zeros((4, 2)), 1.0)], np.arange(4) % 2
    (scores,) = split_half_scores(arms, y, 2, [], workers=1, advance=lambda: None)
    assert scores == {}
    assert split_half_counts(y, 2, []).shape == (0, 2, 2)


def test_the_same_halves_every_time():
    y = np.arange(40) % 2
    one, other = divide(y), divide(y)
    assert all(
        np.array_equal(a.items, b.items)
        for p, q in zip(one, other, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    assert not np.array_equal(one[0][0].items, one[1][0].items)
