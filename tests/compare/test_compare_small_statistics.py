"""Holm, McNemar, the corrected t-test, effect size, power and the interval of a proportion, each against an
independent implementation (baycomp, SciPy), a published example or a closed form."""

from itertools import product
from math import comb

import baycomp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from trajprobe.compare import mcnemar
from trajprobe.compare.crossed import Estimate
from trajprobe.compare.effect import hedges_g, rank
from trajprobe.compare.holm import holm
from trajprobe.compare.power import minimum_detectable
from trajprobe.compare.proportion import interval
from trajprobe.compare.resampled import corrected


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
    assert mcnemar.mid_p(first, second) == pytest.approx(min(1.0, 2 * exact / 2**n))


def test_mcnemar_on_a_published_table() -> None:
    # Fagerland, Lydersen & Laake 2013, airway hyper-responsiveness: 1 and 7 discordant pairs, mid-p 0.039.
    assert mcnemar.mid_p(1, 7) == pytest.approx(0.039, abs=5e-4)


def test_p_values_of_several_seeds_are_combined_by_twice_their_median() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((1, 40)) < 0.9, rng.random((3, 1, 40)) < 0.5
    each = [mcnemar.mid_p(int((first[0] & ~s[0]).sum()), int((~first[0] & s[0]).sum())) for s in second]
    assert mcnemar.combined(first, second) == pytest.approx(min(1.0, 2 * sorted(each)[1]))


def test_the_resampled_test_without_overlap_is_the_ordinary_one() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.2, 12)
    plain = corrected(differences, 0.0)
    assert plain.p_value == pytest.approx(ttest_1samp(differences, 0).pvalue)
    overlapping = corrected(differences, 1 / 4)  # 5 folds: variance (1/J + 1/4) s^2
    assert (overlapping.scale / plain.scale) ** 2 == pytest.approx((1 / 12 + 1 / 4) * 12)


def test_the_rope_by_integrating_the_posterior() -> None:
    posterior = corrected(np.random.default_rng(2).normal(0.01, 0.05, 10), 0.25)
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
    assert corrected(ours - theirs, 1 / 4).rope(0.02) == pytest.approx(expected, abs=1e-12)


def test_folds_that_all_agree_have_no_spread() -> None:
    same = corrected(np.zeros(4), 0.25)
    assert same.p_value == 1
    assert same.rope(0.02) == (0, 1, 0)
    assert corrected(np.full(4, 0.5), 0.25).p_value == 0


def test_hedges_g_by_hand_and_rank_by_counting() -> None:
    sample = [0.5, 0.6, 0.7]  # mean 0.6, sd 0.1, J = 1 - 3 / 7
    assert hedges_g(0.9, sample) == pytest.approx(3 * 4 / 7)
    assert [rank(value, sample) for value in (0.9, 0.7, 0.65, 0.1)] == [1, 1, 2, 4]


def test_seeds_that_differ_by_rounding_are_equal() -> None:
    third = 1 / 3 + 1 / 3 + 1 / 3
    nearly = [np.mean([third, 1.0, 1.0]) * 0.7, 0.7, 0.7 + 1e-16]
    assert hedges_g(0.9, nearly) is None
    assert rank(0.7 - 1e-16, [0.7, 0.7]) == 1
    assert hedges_g(0.9, [0.5, 0.6]) is None  # for two, J is zero whatever the gain


@pytest.mark.parametrize("freedom", [7.0, 40.0, 1e6])
def test_the_detectable_gain_is_detected_four_times_in_five(freedom: float) -> None:
    gain = minimum_detectable(Estimate(0.0, 0.01, freedom), 0.95)
    rng = np.random.default_rng(4)
    error = 0.01 * np.sqrt(rng.chisquare(freedom, 200_000) / freedom)
    found = (gain + 0.01 * rng.normal(size=200_000)) / error > t.ppf(0.975, freedom)
    assert found.mean() == pytest.approx(0.8, abs=0.004)


def test_the_detectable_gain_of_many_items_is_the_textbooks() -> None:
    assert minimum_detectable(Estimate(0.3, 1.0, 1e9), 0.95) == pytest.approx(1.959964 + 0.841621, abs=1e-3)


@pytest.mark.parametrize(("right", "n"), [(0, 20), (1, 20), (13, 40), (40, 40)])
def test_the_interval_of_a_proportion_is_wilsons(right: int, n: int) -> None:
    share = right / n
    estimate = Estimate(share, np.sqrt(share * (1 - share) / n), 1e9)
    z = 1.959964
    # Wilson's ends solve (p - share)^2 = z^2 p (1 - p) / n.
    ends = np.sort(np.roots([1 + z * z / n, -2 * share - z * z / n, share**2]))
    np.testing.assert_allclose(interval(estimate, n, 0.95), ends, atol=1e-5)


def test_the_interval_of_a_proportion_covers() -> None:
    rng = np.random.default_rng(5)
    for share, n in product((0.05, 0.5, 0.97), (40, 400)):
        found = rng.binomial(n, share, 2000) / n
        inside = []
        for value in found:
            low, high = interval(Estimate(value, np.sqrt(value * (1 - value) / n), n - 1), n, 0.95)
            inside.append(low <= share <= high)
        assert 0.92 <= np.mean(inside) <= 0.99
