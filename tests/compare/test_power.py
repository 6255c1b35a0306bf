"""What can be found with 80 % power, against the non-central t distribution and simulation."""

import numpy as np
import pytest
from scipy.stats import nct, norm, t

from trajprobe.compare.classical_tests import SingleCase
from trajprobe.compare.power import minimum_detectable, minimum_equivalence
from trajprobe.compare.random_effects import MeanEstimate


@pytest.mark.parametrize("df", [7.0, 1e6])
@pytest.mark.parametrize("level", [0.9, 0.975])
def test_without_the_second_test_the_detectable_gain_is_the_textbooks(df: float, level: float) -> None:
    gain = minimum_detectable(MeanEstimate(0.0, 0.01, df), None, level)
    critical = t.ppf((1 + level) / 2, df)
    assert nct.sf(critical, df, gain / 0.01) == pytest.approx(0.8, abs=2e-3)
    if df == 1e6 and level == 0.9:
        assert gain == pytest.approx(0.01 * (1.644854 + 0.841621), rel=1e-3)


@pytest.mark.parametrize(("error", "scale"), [(0.02, 0.04), (0.04, 0.02), (0.03, 0.03)])
def test_the_detectable_gain_is_detected_by_both_tests_four_times_in_five(error: float, scale: float) -> None:
    draw = SingleCase(0.0, scale, 7)
    gain = minimum_detectable(MeanEstimate(0.0, error, 20.0), draw, 0.95)
    rng, count = np.random.default_rng(4), 200_000
    observed = gain + error * rng.normal(size=count)
    first = observed / (error * np.sqrt(rng.chisquare(20, count) / 20)) > t.ppf(0.975, 20)
    second = observed / (scale * np.sqrt(rng.chisquare(7, count) / 7)) > t.ppf(0.975, 7)
    assert (first & second).mean() == pytest.approx(0.8, abs=5e-3)


@pytest.mark.parametrize(("df", "unseen"), [(1e6, 0.0), (9.0, 0.0), (9.0, 0.02**2)])
def test_equal_arms_are_called_equal_within_the_region_four_times_in_five(df: float, unseen: float) -> None:
    region = minimum_equivalence(MeanEstimate(0.0, 0.03, df), unseen, 0.95)
    rng, count = np.random.default_rng(5), 200_000
    error = np.sqrt(0.03**2 * rng.chisquare(df, count) / df + unseen)
    outermost = np.abs(0.03 * rng.normal(size=count)) + t.ppf(0.975, df) * error
    assert (outermost <= region).mean() == pytest.approx(0.8, abs=5e-3)
    if (
        df == 1e6
    ):  # Julious, Sample sizes for clinical trials with normal data, Statistics in Medicine 23, 2004
        assert region == pytest.approx(0.03 * (norm.ppf(0.975) + norm.ppf(0.9)), rel=1e-3)
