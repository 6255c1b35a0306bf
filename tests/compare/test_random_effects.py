"""The mean over groups and seeds: its variance against the components that made the table, its interval against how
often it covers, and its special cases against the tests they reduce to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from trajprobe.compare.random_effects import (
    UNSEEN_DISAGREEMENTS,
    VARYING_DIFFERENCE,
    VARYING_MEAN,
    MeanEstimate,
    equality_error,
    group_scores,
    interval,
    minimum_error,
    p_value_greater,
    two_way_mean,
    varying_groups,
)


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
    estimates = [two_way_mean(drawn(rng, seeds, groups, sd)) for _ in range(1500)]
    found = np.mean([estimate.error**2 for estimate in estimates])
    assert found == pytest.approx(true, rel=0.08)  # a negative component counts as zero: a little too large
    assert np.var([estimate.mean for estimate in estimates]) == pytest.approx(true, rel=0.1)
    covered = [low <= 0 <= high for low, high, _ in (interval(estimate, 0.95) for estimate in estimates)]
    assert 0.93 <= np.mean(covered) <= 0.975


def test_with_one_seed_it_is_the_one_sample_t_test() -> None:
    scores = drawn(np.random.default_rng(1), 1, 30, (0, 1, 0.5)) + 0.2
    reference = ttest_1samp(scores[0], 0)
    low, high, p_value = interval(two_way_mean(scores), 0.9)
    assert p_value == pytest.approx(reference.pvalue)
    np.testing.assert_allclose((low, high), reference.confidence_interval(0.9))
    assert p_value_greater(two_way_mean(scores), 0.1) == pytest.approx(
        ttest_1samp(scores[0], 0.1, alternative="greater").pvalue
    )


def test_if_only_seeds_vary_it_is_the_t_test_over_seeds() -> None:
    scores = np.repeat(np.random.default_rng(2).normal(size=(6, 1)), 50, axis=1)
    estimate = two_way_mean(scores)
    reference = ttest_1samp(scores[:, 0], 0)
    assert estimate.df == pytest.approx(5)
    assert interval(estimate, 0.95)[2] == pytest.approx(reference.pvalue)


def test_arms_that_always_agree_still_have_an_error() -> None:
    each = np.arange(25)
    assert minimum_error(np.zeros(25), each, VARYING_MEAN) == 0.5 / 25
    assert minimum_error(np.zeros(25), each, VARYING_DIFFERENCE) == pytest.approx(1.9 / 25, rel=2e-3)
    agreeing = np.tile([0.0, 1.0], 20)  # subjects who all reach the same accuracy to the item
    assert minimum_error(agreeing, np.repeat(np.arange(4), 10), VARYING_DIFFERENCE) == 0.5 / 40


@pytest.mark.parametrize("groups", [60, 480])
def test_if_arms_never_differ_the_bound_is_the_exact_one(groups: int) -> None:
    error = minimum_error(np.zeros(groups), np.arange(groups), VARYING_DIFFERENCE)
    low, high, _ = interval(MeanEstimate(0.0, error, groups - 1.0), 0.95)
    assert high == -low
    assert high == pytest.approx(1 - 0.025 ** (1 / groups), rel=0.07)  # Clopper & Pearson: 0.975 on one side


def test_the_bound_matters_only_where_less_varies_than_it_assumes() -> None:
    rng = np.random.default_rng(0)
    few = np.zeros(50)
    few[:2] = 1
    assert varying_groups(few, np.arange(50)) == pytest.approx(2 * 0.96**2 + 48 * 0.04**2)
    assert minimum_error(few, np.arange(50), VARYING_DIFFERENCE) == pytest.approx(3.6**0.5 / 50)
    for subjects in (4, 8, 12, 30):
        groups = np.repeat(np.arange(subjects), 40)
        values = rng.integers(-1, 2, len(groups)).astype(float)
        assert varying_groups(values, groups) == subjects
        error = two_way_mean(group_scores(values, groups)).error
        assert minimum_error(values, groups, VARYING_DIFFERENCE) <= error


@pytest.mark.parametrize(("subjects", "items"), [(4, 40), (8, 20), (12, 40), (30, 30)])
def test_a_few_subjects_with_the_same_gain_are_found(subjects: int, items: int) -> None:
    """No gain is found in one study of twenty; 15 points in every subject nearly always, as by a t-test over them."""
    rng, groups = np.random.default_rng(subjects), np.repeat(np.arange(subjects), items)

    def p_value(gain: float) -> float:
        hard = rng.normal(0, 0.1, subjects)[groups]
        ours = rng.random(len(groups)) < 0.6 + gain + hard
        seeds = 0.02 * rng.normal(size=(8, 1))
        values = ours - (rng.random((8, len(groups))) < 0.6 + hard + seeds).astype(float)
        found = two_way_mean(group_scores(values, groups))
        error = max(found.error, minimum_error(values.mean(axis=0), groups, VARYING_DIFFERENCE))
        return interval(MeanEstimate(found.mean, error, found.df), 0.95)[2]

    assert 0.02 <= np.mean([p_value(0.0) < 0.05 for _ in range(400)]) <= 0.08
    power = np.mean([p_value(0.15) < 0.05 for _ in range(200)])
    assert power >= {4: 0.6, 8: 0.75, 12: 0.98, 30: 0.98}[subjects]


def test_equality_takes_three_more_disagreements_of_the_size_that_was_seen() -> None:
    values = np.zeros(100)
    values[:10] = 1
    error = equality_error(0.03, values, np.arange(100))
    assert error == pytest.approx((0.03**2 + UNSEEN_DISAGREEMENTS / 100**2) ** 0.5)
    groups = np.repeat(np.arange(10), 10)
    spread = np.tile([1.0, *[0.0] * 9], 10)
    spread[:2] = 0, 0  # nine groups with one disagreement of ten, one with none
    scores = group_scores(spread, groups)[0]
    square = ((scores - scores.mean()) ** 2).sum() / varying_groups(spread, groups)
    assert equality_error(0.03, spread, groups) == pytest.approx((0.03**2 + 3 * square / 100) ** 0.5)


def test_degrees_of_freedom_do_not_fall_below_those_of_the_seeds() -> None:
    """Where the interaction is subtracted from little, the approximation alone would give less than one."""
    rng = np.random.default_rng(6)
    for _ in range(500):
        assert two_way_mean(drawn(rng, 3, 4, (0.3, 0.05, 0.5))).df >= 2


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
    once = two_way_mean(group_scores(values, np.arange(50)))
    thrice = two_way_mean(group_scores(np.repeat(values, 3, axis=1), np.repeat(np.arange(50), 3)))
    assert varying_groups(values.mean(axis=0), np.arange(50)) > VARYING_MEAN  # so no bound matters
    assert (thrice.mean, thrice.error, thrice.df) == pytest.approx((once.mean, once.error, once.df))


def test_halves_add_the_variance_due_to_training_items() -> None:
    """Test items and what probes learned are both drawn: the error is that of their sum."""
    seeds, groups, learned, rng = 8, 200, 0.05, np.random.default_rng(4)
    errors, means = [], []
    for _ in range(1000):
        scores = drawn(rng, seeds, groups, (0.0, 0.5, 0.8))
        # Half of the items teach with three times the variance; a split divides the tested items at random.
        taught = learned * rng.normal()
        sides = np.argsort(rng.random((20, groups)), axis=1) < groups // 2
        of_items = scores.mean(axis=0)
        halves = np.stack(
            [np.where(side, of_items, 0).sum(1) / (groups // 2) for side in (sides, ~sides)], axis=1
        )
        halves += 3**0.5 * learned * rng.normal(size=halves.shape)
        estimate = two_way_mean(scores + taught, halves)
        errors.append(estimate.error**2)
        means.append(estimate.mean)
    assert np.mean(errors) == pytest.approx(np.var(means), rel=0.1)


def test_halves_that_differ_as_items_do_add_nothing() -> None:
    scores = drawn(np.random.default_rng(5), 4, 60, (0.2, 0.5, 0.5))
    alone = two_way_mean(scores)
    assert two_way_mean(scores, np.full((20, 2), 0.3)) == alone
    assert two_way_mean(scores, np.zeros((0, 2))) == alone
    apart = two_way_mean(scores, np.tile([-3.0, 3.0], (20, 1)))
    assert apart.mean == alone.mean
    assert apart.error > alone.error
    # All of the variance is then due to halves, of which there are 20.
    assert two_way_mean(np.zeros((4, 60)), np.tile([-3.0, 3.0], (20, 1))).df == pytest.approx(20)
    # Splits of a few groups are no more than contrasts between these.
    assert two_way_mean(np.zeros((4, 8)), np.tile([-3.0, 3.0], (20, 1))).df == pytest.approx(7)
