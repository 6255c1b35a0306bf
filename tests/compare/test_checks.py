"""The checks on a comparison: leakage, arms at the level of noise, ceilings, penalties at the edge, frame order."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from made_pairs import HALF_COUNTS, STRONGEST, WEAKEST, Y, make_arm, make_pairs
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.compare.checks import (
    above_noise,
    check_contrast,
    fraction_at_edge,
    refuse_leakage,
    saturated,
    unpinned_weights,
)
from trajprobe.compare.paired_predictions import Contrast
from trajprobe.core.errors import UserError


def test_chance_is_that_of_the_most_frequent_class_and_leakage_is_measured_against_it() -> None:
    assert make_pairs().chance == 0.5
    refuse_leakage(make_pairs())  # without the control nothing is known
    refuse_leakage(make_pairs(hash_noise=0.5))  # above a third, at chance
    leaking = make_pairs(hash_noise=1.0)
    certain = replace(
        leaking.controls["hash_noise"], split_half_scores={"accuracy": HALF_COUNTS}
    )  # right in every half, too
    leaking.controls["hash_noise"] = certain
    with pytest.raises(UserError, match=r"leakage: the control hash_noise reaches .* expected chance"):
        refuse_leakage(leaking)


def test_an_arm_is_above_noise_or_it_is_not() -> None:
    given, rng = make_pairs(hash_noise=0.45), np.random.default_rng(9)
    good, luck = (
        replace(make_arm(rng, "pretrained", 0, level), split_half_scores={"accuracy": HALF_COUNTS})
        for level in (1.0, 0.5)
    )
    given.controls["hash_noise"] = replace(
        given.controls["hash_noise"], split_half_scores={"accuracy": HALF_COUNTS}
    )
    assert above_noise(given, [good])
    assert not above_noise(given, [luck])
    without = replace(given, controls={})  # against chance, without that control
    assert above_noise(without, [good])
    assert not above_noise(without, [luck])


@pytest.mark.parametrize(
    ("pretrained", "random", "coordinates", "which"),
    [
        (1.0, 1.0, None, "both"),
        (1.0, 0.6, None, "one"),
        (0.6, 1.0, None, "one"),
        (0.8, 0.7, None, "neither"),
        (0.95, 0.95, 0.93, "both"),  # as good as the paths themselves allow
        (0.95, 0.95, None, "neither"),
        (0.95, 0.6, 0.93, "neither"),
        (0.8, 0.8, 0.75, "neither"),  # coordinates that do badly are no ceiling
    ],
)
def test_ceilings(pretrained: float, random: float, coordinates: float | None, which: str) -> None:
    given = make_pairs()
    (contrast,) = given.contrasts["e"]

    def reaches(accuracy: float) -> ArmPredictions:
        correct = np.arange(60) < 60 * accuracy
        return replace(contrast.pretrained, predicted=np.where(correct, Y, (Y + 1) % 3)[None])

    if coordinates is not None:
        given.controls["coordinates"] = reaches(coordinates)
    assert saturated(given, Contrast(reaches(pretrained), [reaches(random)])) == which


def test_both_ends_of_the_grid_are_edges() -> None:
    given, rng = make_pairs(), np.random.default_rng(1)
    ends = make_arm(rng, "pretrained", 0, 0.5, l2=(WEAKEST, STRONGEST, 0.1, 1.0, 10.0, 1e-3))
    inside = make_arm(rng, "random", 0, 0.5)
    assert fraction_at_edge(given, [ends]) == pytest.approx(1 / 3)
    assert fraction_at_edge(given, [ends, inside]) == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("pretrained", "random", "confounded"),
    [(0.5, 1e-7, True), (0.5, 0.5, False), (1e-7, 0.5, False), (1e-7, 1e-7, False)],
)
def test_only_a_pretrained_arm_that_alone_sees_order_is_confounded(
    pretrained: float, random: float, confounded: bool
) -> None:
    order = {
        "pretrained": {"mid/mean": {"shuffled": pretrained}},
        "random": {"mid/mean": {"shuffled": random}},
    }
    given = replace(make_pairs(hash_noise=0.4), features={"e": {"order": order}})
    found = check_contrast(given, "e", given.contrasts["e"][0])
    assert found.confounded is confounded
    assert (found.saturated, found.at_edge) == ("neither", 0)


def test_weights_that_no_card_pins_are_named() -> None:
    features: dict[str, Any] = {
        "pinned": {"provenance": {"sha256": "ab"}},
        "hub": {"provenance": {"sha256": "cd", "first_seen": "cd"}},
        "noise": {"provenance": {"summary": "no weights"}},
    }
    assert unpinned_weights(replace(make_pairs(), features=features)) == [
        "Weights of hub: sha256 cd, as first seen; `trajprobe fetch hub` shows how to pin them."
    ]
