"""Designs that were not done, against tables drawn from known components, and against the statistics of the pilot."""

from dataclasses import replace

import numpy as np
import pytest

from made_pairs import make_pairs
from trajprobe.compare.classical_tests import SingleCase, single_case
from trajprobe.compare.design import (
    ENDLESS,
    Design,
    VarianceComponents,
    assumed_components,
    components_of_study,
    components_of_table,
    groups_needed,
    sd_interval,
)
from trajprobe.compare.power import minimum_detectable
from trajprobe.compare.random_effects import (
    TRAINING_DIVISOR,
    VARYING_DIFFERENCE,
    MeanEstimate,
    equality_error,
    interval,
    mean_squares,
    minimum_error,
    two_way_mean,
)

KNOWN = VarianceComponents(0.02**2, 0.25**2, 0.3**2, 0.0, 100, 0, 0.0)


def draw(
    rng: np.random.Generator, parts: VarianceComponents, design: Design
) -> tuple[np.ndarray, np.ndarray]:
    """(G,) and (S, G) accuracies of the pretrained and the random arms, normal, of equal means."""
    shape = (design.seeds, design.groups)
    random = parts.seeds**0.5 * rng.normal(size=(shape[0], 1)) + parts.both**0.5 * rng.normal(size=shape)
    return parts.group**0.5 * rng.normal(size=design.groups), random


def test_the_components_of_a_large_table_are_those_that_it_was_drawn_from() -> None:
    own, random = draw(np.random.default_rng(0), replace(KNOWN, seeds=0.2**2), Design(300, 400))
    table = own - random
    found = components_of_table(mean_squares(table), table.mean(axis=0), np.arange(400))
    known = (0.2, KNOWN.group**0.5, KNOWN.both**0.5)
    assert (found.seeds**0.5, found.group**0.5, found.both**0.5) == pytest.approx(known, rel=0.1)
    assert (found.training, found.split_halves) == (0, 0)


def test_the_design_of_the_pilot_has_the_error_of_the_pilot() -> None:
    paired = make_pairs()
    (contrast,) = paired.contrasts["e"]
    estimate = paired.difference([contrast.pretrained], contrast.random)
    parts, design = components_of_study(paired, contrast), Design(len(contrast.random), paired.n_groups)
    planned = parts.estimate(design)
    assert (planned.error, planned.df) == pytest.approx((estimate.error, estimate.df))
    low, high, _ = interval(estimate, 0.9)
    assert parts.half_width(design, 0.9) == pytest.approx((high - low) / 2)
    accuracies = paired.item_accuracy(contrast.random).mean(axis=1)
    of_pilot = single_case(0.0, accuracies.tolist(), 0.0)
    assert of_pilot is not None
    assert parts.draw(design).scale == pytest.approx(
        of_pilot.scale, rel=0.01
    )  # made groups differ in nothing but luck


def test_where_arms_hardly_differ_the_pilot_has_the_least_error() -> None:
    table, groups = np.zeros((4, 100)), np.arange(100)
    table[:, 0] = 1
    parts = components_of_table(mean_squares(table), table.mean(axis=0), groups)
    least = minimum_error(table.mean(axis=0), groups, VARYING_DIFFERENCE)
    assert parts.estimate(Design(4, 100)).error == pytest.approx(least)
    assert parts.unseen == pytest.approx(equality_error(least, table.mean(axis=0), groups) ** 2 - least**2)


def test_twice_the_training_items_add_a_third_of_the_variance() -> None:
    only = VarianceComponents(0.0, 0.0, 0.0, 0.01**2, 100, 20, 0.0)
    errors = [only.estimate(Design(8, groups)).error for groups in (100, 200)]
    assert errors[0] == pytest.approx(0.01)
    assert (errors[0] / errors[1]) ** 2 == pytest.approx(TRAINING_DIVISOR)


def test_with_any_number_of_items_initialisations_are_what_is_left() -> None:
    limit = minimum_detectable(
        MeanEstimate(0.0, 0.02 / 8**0.5, 7.0), SingleCase(0.0, 0.02 * (9 / 8) ** 0.5, 7), 0.95
    )
    assert KNOWN.detectable(Design(8, ENDLESS), 0.95) == pytest.approx(limit, rel=1e-3)
    # With any number of both, what is left is the region in which 95 % of the untrained networks lie.
    assert KNOWN.detectable(Design(ENDLESS, ENDLESS), 0.95) == pytest.approx(1.96 * 0.02, rel=1e-3)


@pytest.mark.parametrize(("seeds", "groups"), [(8, 60), (20, 150)])
def test_the_promised_gain_is_found_in_four_studies_of_five(seeds: int, groups: int) -> None:
    rng, design = np.random.default_rng(seeds + groups), Design(seeds, groups)
    gain, found, widths = KNOWN.detectable(design, 0.95), [], []
    for _ in range(1000):
        own, random = draw(rng, KNOWN, design)
        low, high, p_value = interval(two_way_mean(own + gain - random), 0.95)
        one = single_case(own.mean() + gain, random.mean(axis=1).tolist(), 0.0)
        assert one is not None
        found.append(max(p_value, one.p_value) < 0.05)
        widths.append(high - low)
    assert 0.76 <= np.mean(found) <= 0.84  # known to 1.3 points
    assert 2 * KNOWN.half_width(design, 0.95) == pytest.approx(np.mean(widths), rel=0.05)


def test_assumed_items_that_disagree_alone_are_mcnemars_sample_size() -> None:
    """Without a spread: items whose difference is 0 or ±1 (Miettinen, Biometrics 24, 1968, with equal arms)."""
    parts = assumed_components(1e-9, 0.3)
    needed = groups_needed(lambda groups: parts.detectable(Design(8, groups), 0.95), 0.05, 100)
    assert needed == pytest.approx(0.3 * (1.96 + 0.8416) ** 2 / 0.05**2, rel=0.015)


@pytest.mark.parametrize("start", [2, 100, 10_000])
def test_the_groups_that_are_needed_are_the_fewest_to_a_hundredth(start: int) -> None:
    found = groups_needed(lambda groups: groups**-0.5, 0.1, start)
    assert found is not None
    assert 100 <= found <= 101
    assert groups_needed(lambda groups: 0.2 + 1 / groups, 0.1, start) is None


def test_the_interval_of_a_standard_deviation_covers() -> None:
    low, high = sd_interval(8, 0.95)
    found = np.random.default_rng(1).normal(size=(20_000, 8)).std(axis=1, ddof=1)
    assert ((low * found <= 1) & (high * found >= 1)).mean() == pytest.approx(0.95, abs=0.005)
    assert low * found.mean() < 1 < high * found.mean()
    assert high / low > 3
