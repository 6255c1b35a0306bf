"""Every statistic of a gain against the same thing counted item by item; the gain that can be detected against
simulation; and how rarely arms that differ by the region of equivalence are called equal."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, nct, t

from by_hand import anova
from made_pairs import FOLDS, REPEATS, SEEDS, SPLITS, Y, make_pairs
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.compare.classical_tests import bca_interval
from trajprobe.compare.gain import equality_bound, estimate_gain, minimum_detectable
from trajprobe.compare.paired_predictions import Contrast
from trajprobe.compare.params import CompareParams
from trajprobe.compare.random_effects import MeanEstimate, interval, two_way_mean, with_minimum_error

SETTINGS = CompareParams(confidence=0.9, bootstrap=500, rope=0.02, seed=3)


def correct(arm: ArmPredictions) -> np.ndarray:
    return arm.predicted == Y


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
    gain = estimate_gain(given, contrast, SETTINGS, 2)
    halves = []
    for split in range(SPLITS):
        pair = []
        for half in (0, 1):
            ours = contrast.pretrained.split_half_hits[split, half].sum() / 30
            random = sum(arm.split_half_hits[split, half].sum() / 30 for arm in contrast.random) / SEEDS
            pair.append(ours - random)
        halves.append((pair[0], pair[1]))
    mean, half_width, p_value = anova(by_group(contrast), halves, SETTINGS.confidence)
    assert (gain.value, gain.low, gain.high) == pytest.approx((mean, mean - half_width, mean + half_width))
    assert gain.p_value == pytest.approx(p_value)
    assert gain.covers_training
    assert (gain.bootstrap_low, gain.bootstrap_high) == bca_interval(by_group(contrast), 500, 3, 0.9)

    none = np.zeros((0, 2, 3), int)
    unsplit = Contrast(
        replace(contrast.pretrained, split_half_hits=none),
        [replace(arm, split_half_hits=none) for arm in contrast.random],
    )
    alone = estimate_gain(replace(given, split_half_counts=none), unsplit, SETTINGS, 2)
    assert not alone.covers_training
    mean, half_width, _ = anova(by_group(contrast), [], SETTINGS.confidence)
    assert (alone.low, alone.high) == pytest.approx((mean - half_width, mean + half_width))


def test_the_detectable_gain_has_its_power_at_the_level_of_several_comparisons() -> None:
    given = make_pairs()
    (contrast,) = given.contrasts["e"]
    for comparisons in (1, 4):
        gain = estimate_gain(given, contrast, SETTINGS, comparisons)
        critical = t.ppf(1 - 0.1 / comparisons / 2, gain.estimate.df)
        shift = gain.detectable / gain.estimate.error
        assert nct.sf(critical, gain.estimate.df, shift) == pytest.approx(0.8, abs=1e-6)


def test_mcnemar_and_the_resampled_test_use_every_seed_repeat_and_fold() -> None:
    given = make_pairs()
    (contrast,) = given.contrasts["e"]
    gain = estimate_gain(given, contrast, SETTINGS, 1)
    values = []
    for arm, repeat in product(contrast.random, range(REPEATS)):
        ours, theirs = correct(contrast.pretrained)[repeat], correct(arm)[repeat]
        b, c = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        values.append(2 * binom.cdf(min(b, c), b + c, 0.5) - binom.pmf(min(b, c), b + c, 0.5))
    assert gain.mcnemar_p == pytest.approx(min(1, 2 * np.median(values)))
    differences = []
    for repeat, fold in product(range(REPEATS), range(FOLDS)):
        here = contrast.pretrained.fold[repeat] == fold
        assert here.sum() == 12
        random = np.mean([correct(arm)[repeat, here].mean() for arm in contrast.random])
        differences.append(correct(contrast.pretrained)[repeat, here].mean() - random)
    assert gain.resampled is not None
    assert gain.resampled.mean == pytest.approx(np.mean(differences))
    ratio = 12 / 48  # test items over training items
    assert gain.resampled.scale == pytest.approx((np.var(differences, ddof=1) * (1 / 10 + ratio)) ** 0.5)


@pytest.mark.parametrize("df", [7.0, 1e6])
def test_the_detectable_gain_is_detected_four_times_in_five(df: float) -> None:
    gain = minimum_detectable(MeanEstimate(0.0, 0.01, df), 0.95)
    rng = np.random.default_rng(4)
    error = 0.01 * np.sqrt(rng.chisquare(df, 200_000) / df)
    found = (gain + 0.01 * rng.normal(size=200_000)) / error > t.ppf(0.975, df)
    assert found.mean() == pytest.approx(0.8, abs=0.004)


def test_the_detectable_gain_of_many_items_is_the_textbooks() -> None:
    found = minimum_detectable(MeanEstimate(0.3, 1.0, 1e9), 0.95)
    assert found == pytest.approx(1.959964 + 0.841621, abs=1e-3)


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
        estimate = with_minimum_error(two_way_mean((shared | own).astype(float)), groups)
        wrong.append(equality_bound(estimate, groups, 0.95) <= 0.02)
        low, high, _ = interval(estimate, 0.95)
        covered.append(low <= gain <= high)
    assert np.mean(wrong) <= 0.06  # 5 %, known to 0.6 points
    assert np.mean(covered) >= 0.88
