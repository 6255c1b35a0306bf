"""The mean over items and seeds: its variance against the components that made the table, its interval against how
often it covers, and its special cases against the tests they reduce to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from trajprobe.compare.crossed import SMALLEST, Estimate, crossed_mean, group_scores, of_difference
from trajprobe.compare.gain import equality, exceeds, interval


def drawn(rng: np.random.Generator, seeds: int, groups: int, sd: tuple[float, float, float]) -> np.ndarray:
    of_seeds, of_groups, both = sd
    return (
        of_seeds * rng.normal(size=(seeds, 1))
        + of_groups * rng.normal(size=(1, groups))
        + both * rng.normal(size=(seeds, groups))
    )


@pytest.mark.parametrize("sd", [(0.3, 0.5, 0.8), (0.0, 0.5, 0.8), (0.5, 0.1, 0.2)])
def test_the_error_is_that_of_the_components_and_the_interval_covers(sd: tuple[float, float, float]) -> None:
    seeds, groups, rng = 8, 100, np.random.default_rng(0)
    true = sd[0] ** 2 / seeds + sd[1] ** 2 / groups + sd[2] ** 2 / (seeds * groups)
    estimates = [crossed_mean(drawn(rng, seeds, groups, sd)) for _ in range(3000)]
    found = np.mean([estimate.error**2 for estimate in estimates])
    assert found == pytest.approx(
        true, rel=0.08
    )  # a negative component is taken for zero: a little too large
    assert np.var([estimate.mean for estimate in estimates]) == pytest.approx(true, rel=0.1)
    covered = [low <= 0 <= high for low, high, _ in (interval(estimate, 0.95) for estimate in estimates)]
    assert 0.93 <= np.mean(covered) <= 0.975


def test_with_one_seed_it_is_the_one_sample_t_test() -> None:
    scores = drawn(np.random.default_rng(1), 1, 30, (0, 1, 0.5)) + 0.2
    reference = ttest_1samp(scores[0], 0)
    low, high, p_value = interval(crossed_mean(scores), 0.9)
    assert p_value == pytest.approx(reference.pvalue)
    np.testing.assert_allclose((low, high), reference.confidence_interval(0.9))
    assert exceeds(crossed_mean(scores), 0.1) == pytest.approx(
        ttest_1samp(scores[0], 0.1, alternative="greater").pvalue
    )


def test_where_seeds_are_all_that_varies_it_is_the_t_test_over_seeds() -> None:
    scores = np.repeat(np.random.default_rng(2).normal(size=(6, 1)), 50, axis=1)
    estimate = crossed_mean(scores)
    reference = ttest_1samp(scores[:, 0], 0)
    assert estimate.freedom == pytest.approx(5)
    assert interval(estimate, 0.95)[2] == pytest.approx(reference.pvalue)


def test_arms_that_always_agree_are_not_certain_to() -> None:
    assert crossed_mean(np.zeros((4, 25))).error == SMALLEST / 25


@pytest.mark.parametrize("groups", [60, 480])
def test_where_arms_never_differ_the_bound_is_the_exact_one(groups: int) -> None:
    low, high, _ = interval(of_difference(crossed_mean(np.zeros((8, groups))), groups), 0.95)
    assert high == -low
    assert high == pytest.approx(1 - 0.025 ** (1 / groups), rel=0.07)  # Clopper & Pearson: 0.975 on one side
    assert of_difference(Estimate(0.1, 0.2, 5.0), groups) == Estimate(0.1, 0.2, 5.0)


@pytest.mark.parametrize("groups", [60, 100, 200, 300, 400, 500, 600, 1000])
@pytest.mark.parametrize("common", [0.8, 1.0])
def test_arms_set_apart_by_the_rope_are_seldom_called_equal(groups: int, common: float) -> None:
    """Near the ceiling, where it is hardest: the pretrained arm is always right, and the seeds miss 2 % of the items,
    most of them the same ones. The interval, which is symmetrical where the truth is not, then covers 90 % at worst."""
    rng, gain = np.random.default_rng(groups), 0.02
    wrong, covered = [], []
    for _ in range(2000):
        shared = rng.random(groups) < gain * common
        own = rng.random((8, groups)) < 1 - (1 - gain) / (1 - gain * common)
        estimate = of_difference(crossed_mean((shared | own).astype(float)), groups)
        wrong.append(equality(estimate, groups, 0.95) <= 0.02)
        low, high, _ = interval(estimate, 0.95)
        covered.append(low <= gain <= high)
    assert np.mean(wrong) <= 0.06  # 5 %, known to half a point
    assert np.mean(covered) >= 0.88


def test_degrees_of_freedom_do_not_fall_below_those_of_the_seeds() -> None:
    """Where the interaction is taken away from little, the approximation by itself would give less than one."""
    rng = np.random.default_rng(6)
    for _ in range(500):
        assert crossed_mean(drawn(rng, 3, 4, (0.3, 0.05, 0.5))).freedom >= 2


@given(st.integers(0, 10_000))
def test_the_mean_over_groups_is_the_mean_over_items(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(0, 8, 40), return_inverse=True)[1]
    values = rng.random((3, 40))
    scores = group_scores(values, groups)
    assert scores.shape == (3, groups.max() + 1)
    assert scores.mean() == pytest.approx(values.mean())
    alone = group_scores(values, np.arange(40))
    np.testing.assert_allclose(alone, values)


def test_copies_of_an_item_in_one_group_add_no_certainty() -> None:
    values = np.random.default_rng(3).random((4, 50))
    once = crossed_mean(group_scores(values, np.arange(50)))
    thrice = crossed_mean(group_scores(np.repeat(values, 3, axis=1), np.repeat(np.arange(50), 3)))
    assert (thrice.mean, thrice.error, thrice.freedom) == pytest.approx((once.mean, once.error, once.freedom))


def test_halves_add_what_training_items_cause() -> None:
    """Items that are tested and what probes learned, both drawn: the error is that of their sum."""
    seeds, groups, learned, rng = 8, 200, 0.05, np.random.default_rng(4)
    errors, means = [], []
    for _ in range(2000):
        scores = drawn(rng, seeds, groups, (0.0, 0.5, 0.8))
        # Half of the items teach with three times the variance; a halving parts the tested items at random.
        taught = learned * rng.normal()
        sides = np.argsort(rng.random((20, groups)), axis=1) < groups // 2
        of_items = scores.mean(axis=0)
        halves = np.stack(
            [np.where(side, of_items, 0).sum(1) / (groups // 2) for side in (sides, ~sides)], axis=1
        )
        halves += 3**0.5 * learned * rng.normal(size=halves.shape)
        estimate = crossed_mean(scores + taught, halves)
        errors.append(estimate.error**2)
        means.append(estimate.mean)
    assert np.mean(errors) == pytest.approx(np.var(means), rel=0.1)


def test_halves_that_differ_as_items_do_add_nothing() -> None:
    scores = drawn(np.random.default_rng(5), 4, 60, (0.2, 0.5, 0.5))
    alone = crossed_mean(scores)
    assert crossed_mean(scores, np.full((20, 2), 0.3)) == alone
    assert crossed_mean(scores, np.zeros((0, 2))) == alone
    apart = crossed_mean(scores, np.tile([-3.0, 3.0], (20, 1)))
    assert apart.mean == alone.mean
    assert apart.error > alone.error
    # All of the variance is then from halves, of which there are 20.
    assert crossed_mean(np.zeros((4, 60)), np.tile([-3.0, 3.0], (20, 1))).freedom == pytest.approx(20)
