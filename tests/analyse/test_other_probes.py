"""The contrast of classifiers whose hits are known beforehand, and of every other probe from any number of threads."""

import json

import numpy as np
import pytest
from scipy.stats import t as student
from sklearn.base import BaseEstimator, ClassifierMixin

from made_harness import gaussian, make_harness
from trajprobe.analyse.networks import AttentiveProbe, MLPProbe
from trajprobe.analyse.other_probes import NeighboursProbe, contrast, other_probes


class ReadsFirstColumn(ClassifierMixin, BaseEstimator):
    """Learns nothing: the class that it predicts is in the first column."""

    def fit(self, rows, y):
        return self

    def predict(self, rows):
        return rows[:, 0].astype(int)


def test_random_initialisations_count_as_a_sample():
    # Half of them are always correct and half always wrong, so that items do not differ.
    y = np.arange(300) % 2
    arms = [y, *[y, 1 - y] * 4]
    found = contrast(make_harness([arm[:, None] for arm in arms], y), "it", ReadsFirstColumn())
    assert (found.pretrained, found.random, found.gain.value) == (1, 0.5, 0.5)
    half = student.ppf(0.975, 7) * np.std([0, 1] * 4, ddof=1) / 8**0.5
    assert found.gain.high - 0.5 == pytest.approx(half, rel=0.01)
    assert 0.5 - found.gain.low == pytest.approx(half, rel=0.01)


def test_items_of_a_group_count_as_one():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    arms = [np.where(rng.random(60) < right, y, 1 - y)[:, None] for right in (0.9, 0.6, 0.7, 0.5)]
    once = contrast(make_harness(arms, y), "it", ReadsFirstColumn()).gain
    groups = np.repeat(np.arange(60), 5)
    repeated = make_harness([arm[groups] for arm in arms], y[groups], groups)
    often = contrast(repeated, "it", ReadsFirstColumn()).gain
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))
    assert once.high - once.low > 0.1


def test_threads_and_reruns_change_nothing():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    arms = [gaussian(y, signal, rng) for signal in (2, 1, 1)]
    estimators = {
        "knn": NeighboursProbe([1, 5]),
        "mlp": MLPProbe(hidden=8, epochs=5),
        "attentive": AttentiveProbe(3, heads=2, epochs=5),
    }
    texts = set()
    for workers in (1, 1, 3):
        found = other_probes(make_harness(arms, y, workers=workers), estimators)
        assert [each.probe for each in found] == list(estimators)
        texts.add(json.dumps([each.model_dump() for each in found]))
    assert len(texts) == 1
