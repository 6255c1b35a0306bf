"""Scores held against scikit-learn's metrics, and calibration error against its definition written out as a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from trajprobe.probe.scores import confusion, log_loss, reliability, score


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(3, 80))
def test_scores_are_those_of_sklearn(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    probability = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    predicted = probability.argmax(axis=1)
    ours = score(codes, predicted, probability)
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(codes, predicted))
    recalls = metrics.recall_score(codes, predicted, labels=np.unique(codes), average=None, zero_division=0)
    assert ours.balanced_accuracy == pytest.approx(recalls.mean())
    assert ours.macro_f1 == pytest.approx(
        metrics.f1_score(codes, predicted, average="macro", zero_division=0)
    )
    expected = -np.log(
        np.maximum(probability[np.arange(n), codes].astype(float), np.finfo(np.float32).eps)
    ).mean()
    assert ours.log_loss == pytest.approx(expected)
    assert (
        confusion(codes, predicted, n_classes)
        == metrics.confusion_matrix(codes, predicted, labels=range(n_classes))
    ).all()
    assert ours.ece == pytest.approx(by_definition(codes, predicted, probability))


def by_definition(codes, predicted, probability, bins=10):
    total = 0.0
    confidence = probability.max(axis=1).astype(float)
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins + 1e-12)
        if inside.any():
            accuracy = (predicted == codes)[inside].mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return total


def test_a_probability_of_zero_costs_much_but_not_infinitely():
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]], np.float32)) == pytest.approx(15.94, abs=0.01)


def test_a_calibrated_forecast_has_no_error_and_bins_add_up():
    codes = np.repeat([0, 1], [7, 3])
    probability = np.tile(np.array([[0.7, 0.3]]), (10, 1))
    bins = reliability(codes, np.zeros(10, int), probability)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 0, 10, 0, 0, 0]
    assert bins.accuracy[6] == pytest.approx(0.7)
    assert bins.expected_error == pytest.approx(0, abs=1e-12)
    certain = reliability(codes, codes, np.eye(2)[codes])
    assert certain.count[9] == 10
    assert certain.expected_error == 0
