"""Scores against their definitions written out, and the interval of an accuracy against Wilson's and its coverage."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from trajprobe.compare.random_effects import MeanEstimate
from trajprobe.compare.scores import log_loss, reliability, score, wilson_interval


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(3, 80))
def test_scores_are_what_their_definitions_say(seed: int, n_classes: int, n: int) -> None:
    """Also where a class is predicted that no item has, or the other way round: no warning, and it counts nowhere."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    probability = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    predicted = probability.argmax(axis=1)
    found = score(y, predicted, probability)
    recalls, f1 = [], []
    for each in range(n_classes):
        true, claimed = y == each, predicted == each
        if true.any():
            recalls.append(claimed[true].mean())
        if (true | claimed).any():
            f1.append(2 * (true & claimed).sum() / (true.sum() + claimed.sum()))
    assert found.accuracy == pytest.approx((y == predicted).mean())
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert found.macro_f1 == pytest.approx(np.mean(f1))
    truth = probability[np.arange(n), y].astype(float)
    assert found.log_loss == pytest.approx(-np.log(np.maximum(truth, np.finfo(np.float32).eps)).mean())
    assert found.ece == pytest.approx(by_definition(y, predicted, probability))


def by_definition(y: np.ndarray, predicted: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    total = 0.0
    confidence = probability.max(axis=1).astype(float)
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins + 1e-12)
        if inside.any():
            accuracy = (predicted == y)[inside].mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return total


def test_a_probability_of_zero_costs_much_but_not_infinitely() -> None:
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]], np.float32)) == pytest.approx(15.94, abs=0.01)


def test_a_calibrated_forecast_has_no_error_and_bins_add_up() -> None:
    y = np.repeat([0, 1], [7, 3])
    probability = np.tile(np.array([[0.7, 0.3]]), (10, 1))
    bins = reliability(y, np.zeros(10, int), probability)
    assert bins.count.tolist() == [0, 0, 0, 0, 0, 0, 10, 0, 0, 0]
    assert bins.accuracy[6] == pytest.approx(0.7)
    assert bins.expected_error == pytest.approx(0, abs=1e-12)
    certain = reliability(y, y, np.eye(2)[y])
    assert certain.count[9] == 10
    assert certain.expected_error == 0


@pytest.mark.parametrize(("correct", "n"), [(0, 20), (1, 20), (13, 40), (40, 40)])
def test_the_interval_of_an_accuracy_is_wilsons(correct: int, n: int) -> None:
    share = correct / n
    estimate = MeanEstimate(share, np.sqrt(share * (1 - share) / n), 1e9)
    z = 1.959964
    # Wilson's ends solve (p - share)^2 = z^2 p (1 - p) / n.
    ends = np.sort(np.roots([1 + z * z / n, -2 * share - z * z / n, share**2]))
    np.testing.assert_allclose(wilson_interval(estimate, n, 0.95), ends, atol=1e-5)


def test_the_interval_of_an_accuracy_covers() -> None:
    for share, n in product((0.05, 0.5, 0.97), (40, 400)):
        inside = np.zeros(n + 1)
        for correct in range(n + 1):
            value = correct / n
            estimate = MeanEstimate(value, np.sqrt(value * (1 - value) / n), n - 1)
            low, high = wilson_interval(estimate, n, 0.95)
            inside[correct] = low <= share <= high
        assert 0.92 <= binom.pmf(np.arange(n + 1), n, share) @ inside <= 0.99
