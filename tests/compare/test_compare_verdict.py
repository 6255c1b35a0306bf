"""The verdict as the protocol words it: a table of intervals and what must be said of each."""

from dataclasses import replace
from typing import Any

import pytest

from trajprobe.compare.crossed import Estimate
from trajprobe.compare.gain import Gain
from trajprobe.compare.verdict import Verdict, decide

GAIN = Gain(
    value=0.193, low=0.151, high=0.234, bootstrap_low=0.15, bootstrap_high=0.23, p_value=1e-9,
    estimate=Estimate(0.193, 0.02, 50.0), seeds=8, detectable=0.057, rank=1, hedges_g=4.0, mcnemar_p=1e-8,
    resampled=None, halved=True,
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "p_adjusted": 1e-9, "encoders": 1, "confidence": 0.95, "rope": 0.02, "pretrained_above_noise": True,
    "random_above_noise": True, "saturated": False, "confounded": False,
    "at_edge": 0.0,
}  # fmt: skip


def verdict(low: float, high: float, **settings: Any) -> Verdict:
    middle = (low + high) / 2
    return decide(replace(GAIN, value=middle, low=low, high=high), **{**SETTINGS, **settings})


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


def test_classes_too_small_to_be_halved_are_told() -> None:
    found = decide(replace(GAIN, halved=False), **SETTINGS)
    assert found.word == "helps"
    assert "too few items to be halved" in found.warning


def test_two_arms_at_the_level_of_noise_differ_by_luck() -> None:
    nothing = {"pretrained_above_noise": False, "random_above_noise": False}
    for low, high in ((0.01, 0.07), (-0.07, -0.01)):
        found = verdict(low, high, p_adjusted=0.01, **nothing)
        assert found.word == "inconclusive"
        assert "does not beat hash noise" in found.warning
    worse = verdict(
        -0.3, -0.2, pretrained_above_noise=False
    )  # pretraining destroyed what random features show
    assert worse.word == "hurts"


def test_several_encoders_are_paid_for() -> None:
    found = verdict(0.01, 0.07, p_adjusted=0.08, encoders=4)
    assert found.word == "inconclusive"
    assert "Holm's correction over 4 encoders" in found.warning


@pytest.mark.parametrize(
    ("settings", "said"), [({"saturated": True}, "saturated"), ({"confounded": True}, "confounded")]
)
def test_what_stands_in_the_way_is_said(settings: dict[str, bool], said: str) -> None:
    assert said in verdict(0.1, 0.2, **settings).warning


def test_one_initialisation_is_not_a_distribution() -> None:
    assert "one random initialisation" in decide(replace(GAIN, seeds=1), **SETTINGS).warning
