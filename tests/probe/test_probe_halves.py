"""Halves: they share no item and no group, each is a whole protocol by itself, and what is counted in them is what a
probe fitted by hand on that half gets right."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.features.store import Features, items_digest
from trajprobe.params.study import load_params
from trajprobe.probe.halves import held_in_halves, plan_halves, right_in_halves
from trajprobe.probe.logistic import fit_folds
from trajprobe.stages import probe as stage
from trajprobe.trajectories.table import Items


def halvings(codes, groups=None, splits=None, split="auto", folds=5, count=3, seed=0):
    n = len(codes)
    return plan_halves(
        np.asarray(codes),
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
    codes = (groups % n_classes)[order := rng.permutation(len(groups))]
    groups = groups[order]
    for pair in halvings(codes, groups, seed=seed):
        one, other = pair
        assert np.array_equal(np.sort(np.concatenate([one.items, other.items])), np.arange(len(codes)))
        assert not set(groups[one.items]) & set(groups[other.items])
        assert (np.bincount(codes[one.items]) == 6 * size).all()
        for half in pair:
            assert np.array_equal(np.sort(np.concatenate(half.held)), np.arange(len(half.items)))
            assert len(half.held) == 5
            where = {
                group: {
                    fold
                    for fold, held in enumerate(half.held)
                    for g in groups[half.items[held]]
                    if g == group
                }
                for group in groups[half.items]
            }
            assert all(len(folds) == 1 for folds in where.values())


def test_a_half_has_as_many_folds_as_its_rarest_class_allows():
    codes = np.repeat([0, 1], [40, 6])
    assert all(len(half.held) == 3 for pair in halvings(codes) for half in pair)
    assert halvings(np.repeat([0, 1], [40, 3])) == []


def test_a_published_split_is_halved_part_by_part():
    codes = np.tile([0, 1, 2], 20)
    splits = ["test" if i >= 30 else "train" for i in range(60)]
    groups = [*range(59), 0]  # the last test item has a twin in the training part, which is left out
    for pair in halvings(codes, groups, splits):
        together = np.concatenate([half.items for half in pair])
        assert sorted(together) == list(range(1, 60))
        for half in pair:
            (held,) = half.held
            assert np.array_equal(half.items[held], half.items[half.items >= 30])
            assert set(codes[half.items[half.items < 30]]) == {0, 1, 2}
    assert halvings([0, 0, 1, 1], splits=["train", "test", "train", "test"]) == []
    assert halvings(codes, splits=splits, split="folds")[0][0].items[-1] < 60


def test_what_is_counted_is_what_a_probe_of_that_half_gets_right():
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.arange(60) % 3)
    arms = [
        (rng.normal(size=(60, 8)).astype(np.float32) + codes[:, None], 0.1),
        (rng.normal(size=(60, 4)), 1.0),
    ]
    pairs, ticks = halvings(codes), []
    right = right_in_halves(arms, codes, 3, pairs, workers=2, advance=lambda: ticks.append(1))
    assert right.shape == (2, 3, 2, 3)
    assert len(ticks) == 2 * 3 * 2
    held = held_in_halves(codes, 3, pairs)
    assert (held.sum(axis=(1, 2)) == 60).all()
    assert (right <= held).all()
    half = pairs[1][0]
    for arm, (rows, strength) in enumerate(arms):
        own = codes[half.items]
        predicted = fit_folds(rows[half.items], own, 3, half.held, strength)
        counted = np.zeros(3, int)
        for items, named in zip(half.held, predicted, strict=True):
            for item, name in zip(items, named, strict=True):
                counted[name] += own[item] == name
        assert np.array_equal(right[arm, 1, 0], counted)
    alone = right_in_halves(arms, codes, 3, pairs, workers=1, advance=lambda: None)
    assert np.array_equal(alone, right)


def test_each_arm_is_probed_with_its_own_strength():
    # A penalty that leaves no coefficients names the larger class always, one that is hardly there tells both apart.
    codes = np.repeat([0, 1], [40, 20])
    rows = np.where(codes == 1, 3.0, -3.0)[:, None] + np.random.default_rng(0).normal(size=(60, 2))
    pairs = halvings(codes)
    arms = [(rows, strength) for strength in (1e4, 1e-3)]
    strong, weak = right_in_halves(arms, codes, 2, pairs, workers=1, advance=lambda: None)
    held = held_in_halves(codes, 2, pairs)
    assert np.array_equal(strong, held * [1, 0])
    assert np.array_equal(weak, held)


def test_the_stage_takes_the_median_of_the_strengths_that_the_folds_chose(monkeypatch):
    rng = np.random.default_rng(0)
    ids, codes = [str(item) for item in range(60)], np.arange(60) % 3
    arms = np.float32(0.6 * codes[:, None] + rng.normal(size=(3, 60, 40)))
    items = Items(
        ids, [f"class {code}" for code in codes], ids, [""] * 60, [f"class {code}" for code in range(3)]
    )
    metadata = {"items": items_digest(ids), "layers": ["mid"], "poolings": ["mean"]}
    features = Features({"pretrained/mid/mean": arms[0], "random/mid/mean": arms[1:]}, metadata)
    changes = {"split": "folds", "folds": 3, "repeats": 1, "inner_folds": 2, "halvings": 6, "seed": 0}
    settings = load_params(Path(__file__).parents[2] / "params.yaml").probe.model_copy(update=changes)
    written = []
    monkeypatch.setattr(stage, "read_items", lambda _: items)
    monkeypatch.setattr(stage, "read_features", lambda _: features)
    monkeypatch.setattr(stage, "write_predictions", lambda _, predictions: written.append(predictions))
    stage.run(SimpleNamespace(probe=settings), "tiny")
    pairs = halvings(codes, folds=3, count=6)

    def right(strengths):
        chosen = list(zip(arms, strengths, strict=True))
        return right_in_halves(chosen, codes, 3, pairs, workers=1, advance=lambda: None)

    found = np.array([held.halves for held in written[0].arms])
    assert np.array_equal(found, right([float(np.median(held.strength)) for held in written[0].arms]))
    assert not np.array_equal(found, right([1.0] * 3))


def test_no_halves_are_an_empty_table():
    right = right_in_halves(
        [(np.zeros((4, 2)), 1.0)], np.arange(4) % 2, 2, [], workers=1, advance=lambda: None
    )
    assert right.shape == (1, 0, 2, 2)
    assert held_in_halves(np.arange(4) % 2, 2, []).shape == (0, 2, 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_halves_every_time(seed):
    codes = np.arange(40) % 2
    one, other = halvings(codes, seed=seed), halvings(codes, seed=seed)
    assert all(
        np.array_equal(a.items, b.items)
        for p, q in zip(one, other, strict=True)
        for a, b in zip(p, q, strict=True)
    )
    assert not np.array_equal(one[0][0].items, one[1][0].items)
