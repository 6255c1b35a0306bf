"""The bootstrap against the closed form of its variance, and against SciPy's own BCa where one factor is left."""

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from trajprobe.compare.bootstrap import bca, means


def table(seeds: int, groups: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        0.1
        + rng.normal(size=(seeds, 1)) * 0.3
        + rng.exponential(size=(1, groups))
        + rng.normal(size=(seeds, groups))
    )


@pytest.mark.parametrize("shape", [(2, 30), (8, 100), (1, 50)])
def test_the_variance_is_that_of_independent_multinomial_weights(shape: tuple[int, int]) -> None:
    scores = table(*shape)
    seeds, groups = shape
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    # Weights of mean 1, variance 1 - 1/n and covariance -1/n: each factor by itself, and where both are drawn.
    exact = scores.mean(axis=0).var() / groups + scores.mean(axis=1).var() / seeds
    exact += (residual**2).mean() / (seeds * groups)
    found = means(scores, 40_000, 1)
    assert found.var() == pytest.approx(exact, rel=0.04)
    assert found.mean() == pytest.approx(scores.mean(), abs=4 * np.sqrt(exact / 40_000))


def test_with_one_seed_it_is_scipys_bca_over_groups() -> None:
    scores = table(1, 60)
    reference = bootstrap(
        (scores[0],), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2)
    ).confidence_interval
    np.testing.assert_allclose(
        bca(scores, 40_000, 3, 0.95), reference, atol=0.02 * (reference.high - reference.low)
    )


def test_it_shifts_and_scales_with_the_scores_and_repeats_itself() -> None:
    scores = table(4, 40)
    low, high = bca(scores, 2000, 5, 0.9)
    np.testing.assert_allclose(bca(3 * scores - 1, 2000, 5, 0.9), (3 * low - 1, 3 * high - 1))
    assert bca(scores, 2000, 5, 0.9) == (low, high)
    wider = bca(scores, 2000, 5, 0.99)
    assert wider[0] < low < scores.mean() < high < wider[1]


def test_scores_that_all_agree_give_a_point() -> None:
    assert bca(np.full((3, 10), 0.25), 500, 0, 0.95) == (0.25, 0.25)


def test_the_acceleration_is_that_of_every_group_and_every_seed() -> None:
    rng = np.random.default_rng(6)
    scores = rng.exponential(size=(5, 1)) ** 2 + rng.exponential(size=(1, 30))
    found, mean = np.sort(means(scores, 4000, 7)), scores.mean()
    influence = [(scores[:, g].mean() - mean) / 30 for g in range(30)]
    influence += [(scores[s].mean() - mean) / 5 for s in range(5)]
    a = sum(u**3 for u in influence) / (6 * sum(u**2 for u in influence) ** 1.5)
    bias = norm.ppf(np.mean(found < mean))
    ends = [norm.cdf(bias + (bias + z) / (1 - a * (bias + z))) for z in norm.ppf([0.025, 0.975])]
    assert a > 0.02  # else nothing is held
    np.testing.assert_allclose(bca(scores, 4000, 7, 0.95), np.quantile(found, ends), rtol=1e-9)
