"""Every statistic of a gain against the same thing counted item by item; the gain that can be detected against
simulation; and how rarely arms that differ by the region of equivalence are called equal."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import nct, t, ttest_ind

from by_hand import anova
from made_pairs import REPEATS, SEEDS, SPLITS, Y, make_pairs
from trajprobe.compare.classical_tests import SingleCase
from trajprobe.compare.gain import estimate_gain, minimum_detectable
from trajprobe.compare.paired_predictions import Contrast
from trajprobe.compare.random_effects import (
    VARYING_DIFFERENCE,
    MeanEstimate,
    equality_error,
    interval,
    minimum_error,
    two_way_mean,
)

CONFIDENCE = 0.9


def by_group(of: Contrast) -> np.ndarray:
    """(S, G) gain of each group over each seed, counted item by item; all groups have two items."""
    table = np.zeros((SEEDS, 30))
    for (seed, random), item, repeat in product(enumerate(of.random), range(60), range(REPEATS)):
        ours = int(of.pretrained.predicted[repeat, item] == Y[item])
        table[seed, item // 2] += (ours - int(random.predicted[repeat, item] == Y[item])) / (2 * REPEATS)
    return table


@pytest.mark.parametrize("seed", range(2))
def test_a_gain_and_its_interval_count_groups_seeds_and_halves(seed: int) -> None:
    given = make_pairs(seed)
    (contrast,) = given.contrasts["e"]
    gain = estimate_gain(given, contrast, CONFIDENCE, 2)
    halves = []
    for split in range(SPLITS):
        pair = []
        for half in (0, 1):
            ours = contrast.pretrained.split_half_hits[split, half].sum() / 30
            random = sum(arm.split_half_hits[split, half].sum() / 30 for arm in contrast.random) / SEEDS
            pair.append(ours - random)
        halves.append((pair[0], pair[1]))
    mean, half_width, p_value = anova(by_group(contrast), halves, CONFIDENCE)
    assert (gain.value, gain.low, gain.high) == pytest.approx((mean, mean - half_width, mean + half_width))
    assert gain.p_value == pytest.approx(p_value)
    assert gain.covers_training

    none = np.zeros((0, 2, 3), int)
    unsplit = Contrast(
        replace(contrast.pretrained, split_half_hits=none),
        [replace(arm, split_half_hits=none) for arm in contrast.random],
    )
    alone = estimate_gain(replace(given, split_half_counts=none), unsplit, CONFIDENCE, 2)
    assert not alone.covers_training
    mean, half_width, _ = anova(by_group(contrast), [], CONFIDENCE)
    assert (alone.low, alone.high) == pytest.approx((mean - half_width, mean + half_width))


def test_the_second_question_is_that_of_one_against_the_initialisations() -> None:
    given = make_pairs()
    (contrast,) = given.contrasts["e"]
    gain = estimate_gain(given, contrast, CONFIDENCE, 1)
    each = [np.mean(arm.predicted == Y) for arm in contrast.random]
    own = np.mean(contrast.pretrained.predicted == Y)
    assert gain.accuracies == pytest.approx(each)
    assert (gain.accuracy, gain.random_accuracy) == pytest.approx((own, np.mean(each)))
    assert gain.p_draw == pytest.approx(ttest_ind([own], each).pvalue)
    half = t.ppf(0.95, SEEDS - 1) * np.std(each, ddof=1) * (1 + 1 / SEEDS) ** 0.5
    assert gain.prediction_high == pytest.approx(min(1, gain.value + half))
    assert gain.p_both == max(gain.p_value, gain.p_draw)

    alone = estimate_gain(given, Contrast(contrast.pretrained, contrast.random[:1]), CONFIDENCE, 1)
    assert (alone.prediction_low, alone.prediction_high, alone.p_draw) == (-1, 1, 1)


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


def test_several_comparisons_raise_the_detectable_gain() -> None:
    given = make_pairs()
    (contrast,) = given.contrasts["e"]
    one, four = (estimate_gain(given, contrast, CONFIDENCE, count).detectable for count in (1, 4))
    assert four > one


def test_any_two_arms_can_be_compared_also_without_split_halves() -> None:
    given = make_pairs(pixels=0.6)
    (contrast,) = given.contrasts["e"]
    pixels = replace(given.controls["pixels"], split_half_hits=np.zeros((0, 2, 3), int))
    found = given.difference([contrast.pretrained], [pixels])
    ours, theirs = (np.mean(arm.predicted == Y, axis=0) for arm in (contrast.pretrained, pixels))
    by_hand = np.array([np.mean((ours - theirs)[2 * g : 2 * g + 2]) for g in range(30)])
    assert found.mean == pytest.approx(by_hand.mean())
    assert found.error == pytest.approx(by_hand.std(ddof=1) / 30**0.5)
    assert found.df == pytest.approx(29)


@pytest.mark.parametrize("groups", [60, 200, 400, 1000])
@pytest.mark.parametrize("common", [0.8, 1.0])
def test_arms_set_apart_by_the_rope_are_seldom_called_equal(groups: int, common: float) -> None:
    """Near the ceiling, where it is hardest: the pretrained arm is always right, and the seeds miss 2 % of the items,
    most of them the same ones. The interval, which is symmetric where the truth is not, then covers 90 % at worst."""
    rng, gain = np.random.default_rng(groups), 0.02
    wrong, covered = [], []
    for _ in range(1200):
        shared = rng.random(groups) < gain * common
        own = rng.random((8, groups)) < 1 - (1 - gain) / (1 - gain * common)
        table, each = (shared | own).astype(float), np.arange(groups)
        found = two_way_mean(table)
        error = max(found.error, minimum_error(table.mean(axis=0), each, VARYING_DIFFERENCE))
        equal = replace(found, error=equality_error(error, table.mean(axis=0), each))
        wrong.append(max(np.abs(interval(equal, 0.95)[:2])) <= 0.02)
        low, high, _ = interval(replace(found, error=error), 0.95)
        covered.append(low <= gain <= high)
    assert np.mean(wrong) <= 0.06  # 5 %, known to 0.6 points
    assert np.mean(covered) >= 0.88
