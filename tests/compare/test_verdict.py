"""The verdict as the protocol words it: a table of intervals and what must be said of each."""

from dataclasses import replace
from typing import Any

import pytest

from trajprobe.compare.checks import Checks
from trajprobe.compare.gain import Gain
from trajprobe.compare.verdict import Verdict, decide

GAIN = Gain(
    items=480, accuracy=0.81, accuracies=(0.60, 0.61, 0.62, 0.63, 0.60, 0.61, 0.62, 0.646), value=0.193, low=0.151,
    high=0.234, p_value=1e-9, prediction_low=0.142, prediction_high=0.244, p_draw=2e-5, equality_bound=0.235,
    detectable=0.057, error_reduction=0.5, odds_ratio=2.7, outlier=None, covers_training=True,
)  # fmt: skip
FINE = Checks(
    pretrained_above_noise=True, random_above_noise=True, saturated="neither", confounded=False, at_edge=0.0
)
NOISE = {"pretrained_above_noise": False, "random_above_noise": False}


def verdict(gain: Gain = GAIN, p_adjusted: float = 1e-9, **checks: Any) -> Verdict:
    return decide(gain, replace(FINE, **checks), p_adjusted, confidence=0.95, rope=0.02)


def between(low: float, high: float, p_draw: float = 0.02) -> Gain:
    return replace(
        GAIN, value=(low + high) / 2, low=low, high=high, equality_bound=max(-low, high) + 1e-6, p_draw=p_draw,
        p_value=0.01 if low > 0 or high < 0 else 0.9,
    )  # fmt: skip


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
    found = verdict(replace(between(-0.011, 0.019), equality_bound=0.024), 0.9)
    assert found.word == "inconclusive"
    assert "differ on too few items to be called equal" in found.warning


def test_the_sentence_answers_both_questions_and_says_what_it_does_not_cover() -> None:
    found = verdict()
    assert found.sentence == (
        "Pretraining helps: this checkpoint is 19.3 percentage points more accurate than the average untrained network "
        "(81.0 against 61.7 %; 480 items, 8 initialisations; 95 % confidence interval 15.1 to 23.4, p < 0.001). It is "
        "more accurate than all 8; the 95 % prediction interval of its gain over one untrained network is 14.2 to 24.4 "
        "(p < 0.001). Other pretraining runs are not covered."
    )
    assert found.warning == ""
    unclear = verdict(between(-0.03, 0.03), 0.9).sentence
    assert (
        "A study of this size detects a gain of 5.7 points (80 % power in both tests, two-sided 5 %)."
        in unclear
    )
    assert "beyond ±2 points (equivalence test)" in verdict(between(-0.01, 0.01), 0.9).sentence
    worse = verdict(replace(GAIN, value=-0.1, accuracy=0.605)).sentence
    assert "10.0 percentage points less accurate" in worse
    assert "It is more accurate than 2 of the 8;" in worse
    assert "more accurate than none;" in verdict(replace(GAIN, accuracy=0.5)).sentence


def test_no_zero_has_a_sign_and_no_detectable_gain_exceeds_one() -> None:
    found = verdict(replace(GAIN, value=-0.0004, low=-0.9, high=0.9, detectable=1.7, p_value=0.9), 0.9)
    assert found.sentence.startswith("Inconclusive: this checkpoint is 0.0 percentage points")
    assert "detects no gain" in found.sentence


def test_a_gain_that_another_draw_may_have_is_inconclusive() -> None:
    """Better than the average untrained network, but within what one of them may reach by luck."""
    found = verdict(between(0.01, 0.07, p_draw=0.3), 0.3)
    assert found.word == "inconclusive"
    assert "it may be a lucky draw" in found.warning
    assert "Holm" not in found.warning
    assert "80 % power in both tests" in found.sentence


def test_an_initialisation_that_collapsed_is_a_warning() -> None:
    found = verdict(replace(GAIN, outlier=2))
    assert found.word == "helps"
    assert "Initialisation 2 (62.0 %) lies far from the others" in found.warning
    assert "Raise extract.random_inits to 20" in found.warning


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
    for checks in (NOISE, {"pretrained_above_noise": False}, {"random_above_noise": False}):
        equal = verdict(between(-0.01, 0.01), 0.9, **checks)
        assert equal.word == "inconclusive"  # two arms that only guess are not equal for that
    worse = verdict(
        between(-0.3, -0.2), pretrained_above_noise=False
    )  # pretraining destroyed what random features have
    assert worse.word == "hurts"
    assert "The pretrained arm is not significantly better" in worse.warning


def test_several_encoders_are_paid_for() -> None:
    found = verdict(between(0.01, 0.07), 0.08)
    assert found.word == "inconclusive"
    assert "Holm's correction" in found.warning
    assert "(p = 0.080)" in found.warning
    assert "80 % power" not in found.sentence  # it was detected, had it been alone


def test_a_random_arm_that_cannot_see_order_is_a_warning() -> None:
    found = verdict(confounded=True)
    assert found.confounded
    assert found.warning.startswith("Confounded: ")


def test_an_arm_that_saw_held_out_items_never_helps() -> None:
    found = verdict(seen=12, held_out=48)
    assert found.contaminated
    assert found.word == "inconclusive"
    assert found.sentence.startswith(
        "Inconclusive: this checkpoint is 19.3 percentage points more accurate than"
    )
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
        found = verdict(replace(between(low, high, 1.0), accuracies=(0.6,)))
        assert found.word == "inconclusive"
        assert "A single random initialisation" in found.warning
    few = verdict(replace(GAIN, accuracies=GAIN.accuracies[:4]))
    assert few.word == "helps"
    assert "poorly known from 4" in few.warning
    assert verdict(replace(GAIN, accuracies=GAIN.accuracies[:5])).warning == ""
