"""The set of alternatives that are tied for best, held against simulated studies with a known best one."""

import numpy as np
import pytest
from scipy.stats import norm, t

from trajprobe.compare.best_set import tied_for_best

CONFIDENCE = 0.95


def p_less_of(correct: np.ndarray) -> np.ndarray:
    """(k, k) one-sided paired t-tests over (k, N) results."""
    items = correct.shape[1]
    difference = correct[None, :, :] - correct[:, None, :]
    error = np.maximum(difference.std(axis=2, ddof=1) / items**0.5, 1e-9)
    return np.asarray(t.sf(difference.mean(axis=2) / error, items - 1))


def simulated(rng: np.random.Generator, accuracy: list[float], items: int) -> np.ndarray:
    """(k, N) 0 or 1: items differ in difficulty, which all alternatives share."""
    difficulty = rng.normal(0, 1, items)
    own = rng.normal(0, 1, (len(accuracy), items))
    latent = (difficulty + own) / 2**0.5
    return (latent < norm.ppf(accuracy)[:, None]).astype(float)


@pytest.mark.parametrize("accuracy", [[0.8] * 8, [0.82, 0.8, 0.8, 0.78, 0.6], [0.95, 0.7]])
def test_the_true_best_is_in_the_set_in_95_percent_of_studies(accuracy: list[float]) -> None:
    rng = np.random.default_rng(0)
    studies = 1000
    kept = [tied_for_best(p_less_of(simulated(rng, accuracy, 200)), CONFIDENCE)[0] for _ in range(studies)]
    assert np.mean(kept) > CONFIDENCE - 2 * (0.05 * 0.95 / studies) ** 0.5


def test_what_is_clearly_worse_leaves_the_set() -> None:
    rng = np.random.default_rng(1)
    sets = [tied_for_best(p_less_of(simulated(rng, [0.9, 0.89, 0.6], 300)), CONFIDENCE) for _ in range(100)]
    assert not np.any([each[2] for each in sets])
    assert np.mean([each[0] and each[1] for each in sets]) > 0.9


def test_bonferroni_by_hand() -> None:
    p_less = np.array([[0.5, 0.6, 0.7], [0.4, 0.5, 0.02], [0.3, 0.98, 0.5]])
    # The second: 2 x 0.02 = 0.04 < 0.05. The diagonal is not looked at.
    assert tied_for_best(p_less, CONFIDENCE).tolist() == [True, False, True]
    p_less[1, 2] = 0.03
    assert tied_for_best(p_less, CONFIDENCE).tolist() == [True, True, True]


def test_one_alternative_is_the_best() -> None:
    assert tied_for_best(np.array([[0.5]]), CONFIDENCE).tolist() == [True]


def test_the_set_is_never_empty() -> None:
    circle = np.array([[0.5, 0.001, 1.0], [1.0, 0.5, 0.002], [0.002, 1.0, 0.5]])
    assert tied_for_best(circle, CONFIDENCE).tolist() == [False, True, True]
