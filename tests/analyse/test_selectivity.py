"""Selectivity: shuffled labels are guessed and true ones read, and shuffling keeps what the folds need."""

from dataclasses import replace

import numpy as np
import pytest

from made_harness import gaussian, make_harness
from trajprobe.analyse import selectivity as module
from trajprobe.analyse.harness import held_out_hits
from trajprobe.analyse.selectivity import selectivity, shuffle_labels


def test_shuffled_labels_are_guessed_and_true_ones_read():
    rng = np.random.default_rng(0)
    y = np.arange(240) % 4
    weak = gaussian(y, 1, rng)
    rows = [gaussian(y, 40, rng), weak, weak]
    made = make_harness(rows, y)
    found = selectivity(made)
    shuffles = [found, *(selectivity(make_harness(rows, y, seed=seed)) for seed in (1, 2, 3))]
    for arm in ("pretrained", "random"):  # over 4 shuffles, of 240 items each: 3.6 standard errors
        assert np.mean([getattr(each, arm).shuffled for each in shuffles]) == pytest.approx(0.25, abs=0.05)
    for arm in (found.pretrained, found.random):
        assert arm.selectivity == pytest.approx(arm.true - arm.shuffled)
    assert found.pretrained.true == 1
    assert found.random.true == pytest.approx(held_out_hits(made, made.probe(), "again")[1].mean())
    difference = found.difference
    assert difference.value == pytest.approx(found.pretrained.selectivity - found.random.selectivity)
    assert 0 < difference.low < difference.value < difference.high


def test_shuffling_keeps_groups_together_and_the_sizes_of_every_part():
    groups = np.repeat(np.arange(45), 2)
    y = groups % 3
    made = make_harness([np.random.default_rng(0).normal(size=(90, 2))], y, groups)
    new = shuffle_labels(made)
    assert not np.array_equal(new, y)
    assert np.array_equal(new[::2], new[1::2])
    for fold in made.folds:
        assert np.array_equal(np.bincount(new[fold.test]), np.bincount(y[fold.test]))
    assert np.array_equal(new, shuffle_labels(made))
    new = shuffle_labels(make_harness(made.arms, y, groups, splits=["train"] * 60 + ["test"] * 30))
    assert np.array_equal(np.bincount(new[:60]), np.bincount(y[:60]))
    assert np.array_equal(np.bincount(new[60:]), np.bincount(y[60:]))


def test_the_penalty_for_shuffled_labels_is_chosen_by_folds_made_for_them(monkeypatch):
    met = []

    def watched(harness, estimator, what, y=None, folds=None):
        for fold in folds or harness.folds:
            met.append(((harness.y if y is None else y)[fold.train], fold.inner))
        return np.zeros((len(harness.arms), len(harness.tested)), bool)

    monkeypatch.setattr(module, "held_out_hits", watched)
    # Two items of the rarest class are in each training part: with folds made for other labels, both may be tested.
    y = np.repeat([0, 1, 2], [48, 48, 3])
    made = make_harness([np.zeros((99, 2))] * 2, y)
    for seed in range(3):
        selectivity(replace(made, seed=seed))
    assert len(met) == 3 * 2 * 3  # seeds, labels, folds
    for labels, inner in met:
        assert len(inner) == 2
        for _, test in inner:
            whole, part = np.bincount(labels, minlength=3), np.bincount(labels[test], minlength=3)
            assert np.abs(part - whole / 2).max() <= 0.5
