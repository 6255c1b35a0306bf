"""McNemar, the corrected t-test, Holm, effect size and bootstrap, each against an independent implementation (baycomp,
SciPy), a published example or a closed form."""

from math import comb

import baycomp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm, t, ttest_1samp

from trajprobe.compare.classical_tests import (
    bca_interval,
    bootstrap_means,
    hedges_g,
    holm,
    mcnemar_mid_p,
    mcnemar_over_seeds,
    rank_among,
    resampled_difference,
)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_sequential_procedure_rejects(p_values: list[float], level: float) -> None:
    rejected = set()
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for step, i in enumerate(order):
        if (len(p_values) - step) * p_values[i] > level:
            break
        rejected.add(i)
    adjusted = holm(p_values)
    assert {i for i, value in enumerate(adjusted) if value <= level} == rejected
    assert all(each >= own for each, own in zip(adjusted, p_values, strict=True))


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (1, 7), (5, 5), (0, 12), (30, 11)])
def test_mcnemar_mid_p_by_counting_every_outcome(first: int, second: int) -> None:
    n, fewer = first + second, min(first, second)
    exact = sum(comb(n, k) for k in range(fewer)) + comb(n, fewer) / 2
    assert mcnemar_mid_p(first, second) == pytest.approx(min(1.0, 2 * exact / 2**n))


def test_mcnemar_on_a_published_table() -> None:
    # Fagerland, Lydersen & Laake 2013, airway hyper-responsiveness: 1 and 7 discordant pairs, mid-p 0.039.
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.039, abs=5e-4)


def test_p_values_of_several_seeds_are_combined_by_twice_their_median() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((1, 40)) < 0.9, rng.random((3, 1, 40)) < 0.5
    each = [mcnemar_mid_p(int((first[0] & ~s[0]).sum()), int((~first[0] & s[0]).sum())) for s in second]
    assert mcnemar_over_seeds(first, second) == pytest.approx(min(1.0, 2 * sorted(each)[1]))


def test_the_resampled_test_without_overlap_is_the_ordinary_one() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.2, 12)
    plain = resampled_difference(differences, 0.0)
    assert plain.p_value == pytest.approx(ttest_1samp(differences, 0).pvalue)
    overlapping = resampled_difference(differences, 1 / 4)  # 5 folds: variance (1/J + 1/4) s^2
    assert (overlapping.scale / plain.scale) ** 2 == pytest.approx((1 / 12 + 1 / 4) * 12)


def test_the_rope_by_integrating_the_posterior() -> None:
    posterior = resampled_difference(np.random.default_rng(2).normal(0.01, 0.05, 10), 0.25)
    draws = posterior.mean + posterior.scale * t.rvs(9, size=400_000, random_state=np.random.default_rng(3))
    low, inside, high = posterior.rope(0.02)
    assert low == pytest.approx((draws < -0.02).mean(), abs=4e-3)
    assert high == pytest.approx((draws > 0.02).mean(), abs=4e-3)
    assert low + inside + high == pytest.approx(1)


@pytest.mark.parametrize("runs", [1, 3])
def test_the_rope_is_baycomps(runs: int) -> None:
    rng = np.random.default_rng(runs)
    ours, theirs = rng.normal(0.80, 0.04, 5 * runs), rng.normal(0.78, 0.05, 5 * runs)
    expected = baycomp.CorrelatedTTest.probs(theirs, ours, rope=0.02, runs=runs)
    assert resampled_difference(ours - theirs, 1 / 4).rope(0.02) == pytest.approx(expected, abs=1e-12)


def test_folds_that_all_agree_have_no_spread() -> None:
    same = resampled_difference(np.zeros(4), 0.25)
    assert same.p_value == 1
    assert same.rope(0.02) == (0, 1, 0)
    assert resampled_difference(np.full(4, 0.5), 0.25).p_value == 0


def test_hedges_g_by_hand_and_rank_by_counting() -> None:
    sample = [0.5, 0.6, 0.7]  # mean 0.6, sd 0.1, correction 1 - 3 / 7
    assert hedges_g(0.9, sample) == pytest.approx(3 * 4 / 7)
    assert [rank_among(value, sample) for value in (0.9, 0.7, 0.65, 0.1)] == [1, 1, 2, 4]


def test_seeds_that_differ_by_rounding_are_equal() -> None:
    third = 1 / 3 + 1 / 3 + 1 / 3
    nearly = [np.mean([third, 1.0, 1.0]) * 0.7, 0.7, 0.7 + 1e-16]
    assert hedges_g(0.9, nearly) is None
    assert rank_among(0.7 - 1e-16, [0.7, 0.7]) == 1
    assert hedges_g(0.9, [0.5, 0.6]) is None  # for two the correction is zero whatever the gain


def table(seeds: int, groups: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        0.1
        + rng.normal(size=(seeds, 1)) * 0.3
        + rng.exponential(size=(1, groups))
        + rng.normal(size=(seeds, groups))
    )


@pytest.mark.parametrize("shape", [(2, 30), (8, 100), (1, 50)])
def test_bootstrap_variance_is_that_of_independent_multinomial_weights(shape: tuple[int, int]) -> None:
    scores = table(*shape)
    seeds, groups = shape
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    # Weights of mean 1, variance 1 - 1/n and covariance -1/n: each factor by itself, and where both are drawn.
    exact = scores.mean(axis=0).var() / groups + scores.mean(axis=1).var() / seeds
    exact += (residual**2).mean() / (seeds * groups)
    found = bootstrap_means(scores, 20_000, 1)
    assert found.var() == pytest.approx(exact, rel=0.05)
    assert found.mean() == pytest.approx(scores.mean(), abs=4 * np.sqrt(exact / 20_000))


def test_with_one_seed_bca_is_scipys_over_groups() -> None:
    scores = table(1, 60)
    reference = bootstrap(
        (scores[0],), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(2)
    ).confidence_interval
    np.testing.assert_allclose(
        bca_interval(scores, 40_000, 3, 0.95), reference, atol=0.02 * (reference.high - reference.low)
    )


def test_bca_shifts_and_scales_with_the_scores_and_repeats_itself() -> None:
    scores = table(4, 40)
    low, high = bca_interval(scores, 2000, 5, 0.9)
    np.testing.assert_allclose(bca_interval(3 * scores - 1, 2000, 5, 0.9), (3 * low - 1, 3 * high - 1))
    assert bca_interval(scores, 2000, 5, 0.9) == (low, high)
    wider = bca_interval(scores, 2000, 5, 0.99)
    assert wider[0] < low < scores.mean() < high < wider[1]
    assert bca_interval(np.full((3, 10), 0.25), 500, 0, 0.95) == (0.25, 0.25)


def test_the_acceleration_is_that_of_every_group_and_every_seed() -> None:
    rng = np.random.default_rng(6)
    scores = rng.exponential(size=(5, 1)) ** 2 + rng.exponential(size=(1, 30))
    found, mean = np.sort(bootstrap_means(scores, 4000, 7)), scores.mean()
    influence = [(scores[:, g].mean() - mean) / 30 for g in range(30)]
    influence += [(scores[s].mean() - mean) / 5 for s in range(5)]
    a = sum(u**3 for u in influence) / (6 * sum(u**2 for u in influence) ** 1.5)
    bias = norm.ppf(np.mean(found < mean))
    ends = [norm.cdf(bias + (bias + z) / (1 - a * (bias + z))) for z in norm.ppf([0.025, 0.975])]
    assert a > 0.02  # otherwise the test could not fail
    np.testing.assert_allclose(bca_interval(scores, 4000, 7, 0.95), np.quantile(found, ends), rtol=1e-9)
