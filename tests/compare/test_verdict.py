"""The verdict as the protocol words it: a table of intervals and what must be said of each."""

from dataclasses import replace
from typing import Any

import pytest

from trajprobe.compare.checks import Checks
from trajprobe.compare.gain import Gain
from trajprobe.compare.random_effects import MeanEstimate
from trajprobe.compare.verdict import Verdict, decide

GAIN = Gain(
    value=0.193, low=0.151, high=0.234, equality_bound=0.235, bootstrap_low=0.15, bootstrap_high=0.23, p_value=1e-9,
    estimate=MeanEstimate(0.193, 0.02, 50.0), seeds=8, detectable=0.057, rank=1, hedges_g=4.0, mcnemar_p=1e-8,
    resampled=None, covers_training=True,
)  # fmt: skip
FINE = Checks(
    pretrained_above_noise=True, random_above_noise=True, saturated="neither", confounded=False, at_edge=0.0
)
NOISE = {"pretrained_above_noise": False, "random_above_noise": False}


def verdict(gain: Gain = GAIN, p_adjusted: float = 1e-9, **checks: Any) -> Verdict:
    return decide(gain, replace(FINE, **checks), p_adjusted, confidence=0.95, rope=0.02)


def between(low: float, high: float) -> Gain:
    return replace(GAIN, value=(low + high) / 2, low=low, high=high, equality_bound=max(-low, high) + 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "p_value", "word"),
    [
        (0.15, 0.23, 1e-9, "helps"),
        (-0.23, -0.15, 1e-9, "hurts"),
        (-0.015, 0.018, 0.9, "no_difference"),
        (0.001, 0.019, 0.03, "no_difference"),  # not zero, yet too small to matter
        (-0.019, -0.001, 0.03, "no_difference"),
        (-0.03, 0.03, 0.9, "inconclusive"),
        (-0.01, 0.05, 0.2, "inconclusive"),
        (0.01, 0.07, 0.02, "helps"),
    ],
)
def test_the_word_follows_from_the_interval(low: float, high: float, p_value: float, word: str) -> None:
    assert verdict(between(low, high), p_value).word == word


def test_arms_that_hardly_ever_differ_are_not_equal_for_that() -> None:
    found = verdict(replace(GAIN, value=0.004, low=-0.011, high=0.019, equality_bound=0.024))
    assert found.word == "inconclusive"
    assert "differ on too few items to be called equal" in found.warning


def test_the_sentence_is_plain_and_has_the_figures() -> None:
    found = verdict()
    assert found.sentence == (
        "Pretraining helps: the gain in accuracy is +19.3 points (95 % interval 15.1 to 23.4; p < 0.001; "
        "8 random initialisations)."
    )
    assert found.warning == ""
    unclear = verdict(between(-0.03, 0.03), 0.9).sentence
    assert unclear.endswith("; a comparison of this size detects a gain of 5.7 points with 80 % power.")
    assert "beyond ±2 points" in verdict(between(-0.01, 0.01), 0.9).sentence


def test_no_zero_has_a_sign_and_no_detectable_gain_exceeds_one() -> None:
    found = verdict(replace(GAIN, value=-0.0004, low=-0.9, high=0.9, detectable=1.7))
    assert found.sentence.startswith("Inconclusive: the gain in accuracy is 0.0 points")
    assert "cannot detect any gain" in found.sentence


def test_penalties_at_the_edge_of_their_grid_are_a_warning_unless_rare() -> None:
    assert verdict(at_edge=0.1).warning == ""
    found = verdict(at_edge=0.25)
    assert found.word == "helps"
    assert "In 25 % of the folds" in found.warning
    assert "of the folds" not in verdict(at_edge=0.9, **NOISE).warning


def test_classes_too_small_to_be_split_are_a_warning() -> None:
    found = verdict(replace(GAIN, covers_training=False))
    assert found.word == "helps"
    assert "too few items to split in half" in found.warning


def test_two_arms_at_the_level_of_noise_differ_by_chance() -> None:
    for low, high in ((0.01, 0.07), (-0.07, -0.01)):
        found = verdict(between(low, high), 0.01, **NOISE)
        assert found.word == "inconclusive"
        assert "Neither arm is significantly better than hash noise" in found.warning
    worse = verdict(
        between(-0.3, -0.2), pretrained_above_noise=False
    )  # pretraining destroyed what random features have
    assert worse.word == "hurts"
    assert "The pretrained arm is not significantly better" in worse.warning


def test_several_encoders_are_paid_for() -> None:
    found = verdict(between(0.01, 0.07), 0.08)
    assert found.word == "inconclusive"
    assert "Holm's correction" in found.warning
    assert "80 % power" not in found.sentence  # it was detected, had it been alone


def test_a_random_arm_that_cannot_see_order_is_a_warning() -> None:
    found = verdict(confounded=True)
    assert found.confounded
    assert found.warning.startswith("Confounded: ")


def test_an_arm_that_saw_held_out_items_never_helps() -> None:
    found = verdict(seen=12, held_out=48)
    assert found.contaminated
    assert found.word == "inconclusive"
    assert found.sentence.startswith("Inconclusive: the gain in accuracy is +19.3 points")
    assert found.warning.startswith(
        "Contaminated: the pretraining saw 12 of the 48 held-out items, so the gain may "
    )
    assert "--items train" in found.warning
    for low, high in ((-0.23, -0.15), (-0.015, 0.018)):  # these it did not bring about
        assert verdict(between(low, high), seen=12, held_out=48).word == verdict(between(low, high)).word
    assert not verdict(held_out=48).contaminated


def test_a_ceiling_hides_a_difference_or_bounds_it() -> None:
    assert "cannot separate" in verdict(between(-0.03, 0.03), 0.9, saturated="both").warning
    for which in ("one", "both"):
        found = verdict(saturated=which)
        assert found.word == "helps"
        assert found.warning.startswith("Saturated: ")
        assert "a larger gain could not show" in found.warning
        assert "cannot separate" not in found.warning


def test_one_initialisation_concludes_nothing_and_a_few_are_a_warning() -> None:
    for low, high in ((0.1, 0.2), (-0.2, -0.1), (-0.01, 0.01)):
        found = verdict(replace(between(low, high), seeds=1))
        assert found.word == "inconclusive"
        assert "A single random initialisation" in found.warning
    few = verdict(replace(GAIN, seeds=4))
    assert few.word == "helps"
    assert "poorly known from 4" in few.warning
    assert verdict(replace(GAIN, seeds=5)).warning == ""
