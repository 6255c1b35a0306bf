"""Nearest neighbours as scikit-learn finds them, and the number of them that inner folds prefer."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from by_hand import standardise
from made_harness import gaussian, interleaved
from trajprobe.analyse.other_probes import NeighboursProbe, count_votes, nearest_rows


@pytest.mark.parametrize("width", [5, 70])
@pytest.mark.parametrize("size", [1, 10])
def test_neighbours_and_predictions_are_those_of_sklearn(width, size, monkeypatch):
    monkeypatch.setattr("trajprobe.analyse.other_probes.DISTANCES", 500)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    rows = (gaussian(y, 3, rng, width) * rng.uniform(0.1, 9, width)).astype(np.float32)
    new = (gaussian(rng.integers(0, 3, 25), 3, rng, width) * rng.uniform(0.1, 9, width)).astype(np.float32)
    scaler = standardise(rows)

    def by_rank(distances):  # slightly more for the nearer ones, which decides ties
        return np.tile(1 + np.arange(size, 0, -1) / (size * (size + 1)), (len(distances), 1))

    theirs = KNeighborsClassifier(size, weights=by_rank).fit(scaler.transform(rows), y)
    ours = NeighboursProbe([size], cv=interleaved(60)).fit(rows, y)
    assert ours.n_neighbours_ == size
    assert np.array_equal(ours.predict(new), theirs.predict(scaler.transform(new)))
    assert np.allclose(ours.predict_proba(new), theirs.predict_proba(scaler.transform(new)))


def test_the_number_of_neighbours_is_the_one_that_the_inner_folds_prefer():
    # Three of ten labels are false, so one neighbour is often wrong, and many are not.
    rng = np.random.default_rng(0)
    true = np.arange(200) % 2
    y = np.where(rng.random(200) < 0.3, 1 - true, true)
    rows = (rng.normal(size=(200, 2)) + 9 * true[:, None]).astype(np.float32)
    new = np.array([[0, 0], [9, 9]], np.float32)
    model = NeighboursProbe([1, 20], cv=interleaved(200, 4)).fit(rows, y)
    assert model.n_neighbours_ == 20
    assert model.predict(new).tolist() == [0, 1]


def test_no_number_exceeds_an_inner_training_part():
    y = np.arange(8) % 2
    assert NeighboursProbe([70, 90], cv=interleaved(8)).fit(np.eye(8), y).n_neighbours_ == 4


def test_of_numbers_that_do_equally_well_the_largest_is_taken():
    # Two clusters far apart: on the inner folds every number up to 10 is always correct.
    y = np.arange(40) % 2
    rows = (99 * y[:, None] + np.random.default_rng(0).normal(size=(40, 2))).astype(np.float32)
    halves = [(np.arange(20), np.arange(20, 40)), (np.arange(20, 40), np.arange(20))]
    for sizes in ([1, 3, 7], [7, 3, 1]):
        assert NeighboursProbe(sizes, cv=halves).fit(rows, y).n_neighbours_ == 7


def test_a_tie_goes_to_the_nearer():
    assert count_votes(np.array([[1, 0]]), 2).argmax() == 1
    assert count_votes(np.array([[2, 0, 0, 1, 1]]), 3).argmax() == 0
    assert nearest_rows(np.eye(3), np.array([[0, 0.9, 0.2]]), 3).tolist() == [[1, 2, 0]]


def test_constant_features_are_all_equally_near():
    model = NeighboursProbe([1, 3]).fit(np.ones((12, 4)), np.repeat([0, 1], [8, 4]))
    assert model.predict_proba(np.ones((2, 4))).sum(axis=1) == pytest.approx([1, 1])
