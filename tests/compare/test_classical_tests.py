"""One value against a sample, outliers, Holm's correction and effect sizes, each against a closed form, a published
table or simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_ind

from trajprobe.compare.classical_tests import error_reduction, holm, odds_ratio, outlier, single_case


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


def test_one_against_a_sample_is_the_two_sample_t_test_with_one_value() -> None:
    """Crawford & Howell's test is Student's with a second sample of one, which adds nothing to the variance."""
    sample = np.random.default_rng(0).normal(0.6, 0.05, 8)
    found = single_case(0.75, sample.tolist(), 0)
    assert found is not None
    assert found.p_value == pytest.approx(ttest_ind([0.75], sample).pvalue)
    low, high = found.prediction_interval(1 - found.p_value)
    assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-9)  # it ends at zero at just that level
    low, high = found.prediction_interval(0.95)
    half = t.ppf(0.975, 7) * sample.std(ddof=1) * (1 + 1 / 8) ** 0.5
    assert (low, high) == pytest.approx((0.75 - sample.mean() - half, 0.75 - sample.mean() + half))


@pytest.mark.parametrize("count", [2, 8])
def test_one_more_draw_is_taken_for_another_in_one_sample_of_twenty(count: int) -> None:
    rng, found, covered = np.random.default_rng(1), [], []
    for _ in range(3000):
        own, another, *sample = rng.normal(0.6, 0.05, count + 2).tolist()
        case = single_case(own, sample, 0)
        assert case is not None
        found.append(case.p_value < 0.05)
        low, high = case.prediction_interval(0.95)
        covered.append(low <= own - another <= high)
    assert np.mean(found) == pytest.approx(0.05, abs=0.012)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_a_single_value_has_no_spread_and_equal_values_have_the_least() -> None:
    assert single_case(0.9, [0.5], 0.01) is None
    same = single_case(0.9, [0.5] * 4, 0.01)
    assert same is not None
    assert same.scale == pytest.approx(0.01 * (5 / 4) ** 0.5)
    assert same.df == 3


@pytest.mark.parametrize(("count", "critical"), [(3, 1.155), (4, 1.496), (8, 2.274), (20, 3.001)])
def test_outliers_are_those_of_grubbs_table(count: int, critical: float) -> None:
    """Critical values of the two-sided test at 1 % (Grubbs 1969, table 1, at 0.5 % on one side)."""
    rest = np.resize([1.0, -1.0], count - 1)
    for factor, expected in ((0.999, None), (1.001, count - 1)):
        # The value at which the last point has that distance from the mean, by bisection.
        low, high = 1.0, 1e6
        for _ in range(200):
            middle = (low + high) / 2
            values = np.append(rest, middle)
            reached = (middle - values.mean()) / values.std(ddof=1)
            low, high = (middle, high) if reached < critical * factor else (low, middle)
        if high < 1e5:  # three values never get far beyond the table's value
            assert outlier(np.append(rest, high).tolist()) == expected


def test_a_collapsed_initialisation_is_an_outlier_and_small_samples_have_none() -> None:
    assert outlier([0.61, 0.63, 0.6, 0.31, 0.62, 0.64, 0.6, 0.62]) == 3
    assert outlier([0.61, 0.63, 0.6, 0.59, 0.62, 0.64, 0.6, 0.62]) is None
    assert outlier([0.5, 0.9]) is None
    assert outlier([0.5] * 5) is None
    rng = np.random.default_rng(2)
    assert np.mean([outlier(rng.normal(size=8).tolist()) is not None for _ in range(2000)]) < 0.02


def test_effect_sizes_by_hand_and_where_they_are_not_defined() -> None:
    assert error_reduction(0.9, 0.6) == pytest.approx(0.75)
    assert error_reduction(0.5, 0.6) == pytest.approx(-0.25)
    assert error_reduction(0.9, 1.0) is None
    assert odds_ratio(0.9, 0.6) == pytest.approx(9 / 1.5)
    assert odds_ratio(1.0, 0.6) is None
    assert odds_ratio(0.9, 0.0) is None
