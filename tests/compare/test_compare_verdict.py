"""The verdict as the protocol words it: a table of intervals and what must be said of each."""

from dataclasses import replace
from typing import Any

import pytest

from trajprobe.compare.crossed import Estimate
from trajprobe.compare.gain import Gain
from trajprobe.compare.verdict import Verdict, decide

GAIN = Gain(
    value=0.193, low=0.151, high=0.234, equality=0.235, bootstrap_low=0.15, bootstrap_high=0.23, p_value=1e-9,
    estimate=Estimate(0.193, 0.02, 50.0), seeds=8, detectable=0.057, rank=1, hedges_g=4.0, mcnemar_p=1e-8,
    resampled=None, halved=True,
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "p_adjusted": 1e-9, "confidence": 0.95, "rope": 0.02, "pretrained_above_noise": True,
    "random_above_noise": True, "saturated": "neither", "confounded": False,
    "at_edge": 0.0,
}  # fmt: skip


def verdict(low: float, high: float, **settings: Any) -> Verdict:
    middle = (low + high) / 2
    equality = max(-low, high) + 1e-6
    return decide(
        replace(GAIN, value=middle, low=low, high=high, equality=equality), **{**SETTINGS, **settings}
    )


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
    assert verdict(low, high, p_adjusted=p_value).word == word


def test_arms_that_hardly_ever_differ_are_not_equal_for_that() -> None:
    found = decide(replace(GAIN, value=0.004, low=-0.011, high=0.019, equality=0.024), **SETTINGS)
    assert found.word == "inconclusive"
    assert "differ on too few items to be called equal" in found.warning


def test_the_sentence_is_plain_and_carries_the_figures() -> None:
    found = decide(GAIN, **SETTINGS)
    assert found.sentence == (
        "Pretraining helps: +19.3 points (95 % interval 15.1 to 23.4; 8 random inits; p < 0.001)."
    )
    assert found.warning == ""
    assert "four times in five" in verdict(-0.03, 0.03, p_adjusted=0.9).sentence
    assert "±2 points" in verdict(-0.01, 0.01, p_adjusted=0.9).sentence


def test_penalties_at_the_edge_of_their_grid_are_told_unless_rare() -> None:
    assert decide(GAIN, **{**SETTINGS, "at_edge": 0.1}).warning == ""
    found = decide(GAIN, **{**SETTINGS, "at_edge": 0.25})
    assert found.word == "helps"
    assert "in 25 % of the folds" in found.warning
    nothing = {"at_edge": 0.9, "pretrained_above_noise": False, "random_above_noise": False}
    assert "of the folds" not in decide(GAIN, **{**SETTINGS, **nothing}).warning


def test_classes_too_small_to_be_halved_are_told() -> None:
    found = decide(replace(GAIN, halved=False), **SETTINGS)
    assert found.word == "helps"
    assert "too few items to be halved" in found.warning


def test_two_arms_at_the_level_of_noise_differ_by_luck() -> None:
    nothing = {"pretrained_above_noise": False, "random_above_noise": False}
    for low, high in ((0.01, 0.07), (-0.07, -0.01)):
        found = verdict(low, high, p_adjusted=0.01, **nothing)
        assert found.word == "inconclusive"
        assert "not shown to beat hash noise, and neither is the random arm" in found.warning
    worse = verdict(
        -0.3, -0.2, pretrained_above_noise=False
    )  # pretraining destroyed what random features show
    assert worse.word == "hurts"


def test_several_encoders_are_paid_for() -> None:
    found = verdict(0.01, 0.07, p_adjusted=0.08)
    assert found.word == "inconclusive"
    assert "Holm's correction" in found.warning
    assert "would have been detected" not in found.sentence  # it was, had it been alone


def test_a_random_arm_without_a_clock_is_said() -> None:
    found = verdict(0.1, 0.2, confounded=True)
    assert found.confounded
    assert "confounded" in found.warning


def test_a_ceiling_hides_a_difference_or_bounds_it() -> None:
    assert "cannot separate" in verdict(-0.03, 0.03, p_adjusted=0.9, saturated="both").warning
    for which in ("one", "both"):
        found = verdict(0.1, 0.2, saturated=which)
        assert found.word == "helps"
        assert "saturated" in found.warning
        assert "a larger gain could not show" in found.warning
        assert "cannot separate" not in found.warning


def test_one_initialisation_concludes_nothing_and_a_few_are_told() -> None:
    for low, high in ((0.1, 0.2), (-0.2, -0.1), (-0.01, 0.01)):
        middle = (low + high) / 2
        found = decide(replace(GAIN, value=middle, low=low, high=high, equality=0.2, seeds=1), **SETTINGS)
        assert found.word == "inconclusive"
        assert "one random initialisation" in found.warning
    few = decide(replace(GAIN, seeds=4), **SETTINGS)
    assert few.word == "helps"
    assert "hardly tell their spread" in few.warning
    assert decide(replace(GAIN, seeds=5), **SETTINGS).warning == ""


def test_no_zero_has_a_sign_and_no_gain_exceeds_one() -> None:
    found = decide(replace(GAIN, value=-0.0004, low=-0.9, high=0.9, detectable=1.7), **SETTINGS)
    assert found.sentence.startswith("Inconclusive: +0.0 points")
    assert "no gain that is possible" in found.sentence
