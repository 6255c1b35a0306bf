"""Other measures than accuracy as rows of a table, against hand-written words."""

from dataclasses import replace
from typing import Any

import pytest

from trajprobe.artifacts.analyses import Analyses
from trajprobe.artifacts.comparisons import ArmScores, Comparison
from trajprobe.core.schema import Interval
from trajprobe.plot.other_measures import agreement, other_measures

OFF: dict[str, Any] = {
    "encoder": "e",
    "n_classes": 4,
    "chance": 0.25,
    "seeds": 1,
    "confidence": 0.95,
    "label_efficiency": None,
    "description_length": None,
    "selectivity": None,
    "probes": [],
    "attributes": None,
    "injection": None,
}
LENGTH = {"uniform": 2.0, "draws": 3, "pretrained": 0.81, "random": 1.42, "random_low_seed": 1.3}
LENGTH |= {"random_high_seed": 1.55, "saving": {"value": 0.61, "low": 0.55, "high": 0.67}}
SELECTIVITY = {
    "pretrained": {"true": 0.86, "shuffled": 0.25, "selectivity": 0.61},
    "random": {"true": 0.62, "shuffled": 0.25, "selectivity": 0.37},
    "difference": {"value": 0.24, "low": 0.2, "high": 0.28},
}
KNN = {"probe": "knn", "pretrained": 0.8, "random": 0.6, "gain": {"value": 0.2, "low": -0.1, "high": 0.5}}
COMPARISON = Comparison(
    ArmScores("e", "pretrained", 0, "mid", "mean", Interval(0.865, 0.834, 0.891), 0.05, 0.86, 0.4),
    (ArmScores("e", "random", 0, "mid", "mean", Interval(0.622, 0.58, 0.66), 0.06, 0.6, 0.8),),
    gain=Interval(0.243, 0.203, 0.284),
    prediction=Interval(0.243, 0.15, 0.336),
    p_value=0.001,
    p_draw=0.001,
    p_adjusted=0.001,
    error_reduction=0.64,
    odds_ratio=3.9,
    verdict="helps",
    confounded=False,
    warning="",
)


def test_measures_are_shown_in_their_own_units() -> None:
    asked = Analyses.model_validate(
        OFF | {"description_length": LENGTH, "selectivity": SELECTIVITY, "probes": [KNN]}
    )
    rows = other_measures(COMPARISON, asked)
    assert [row.name for row in rows] == [
        "linear probe",
        "nearest neighbours",
        "description length",
        "selectivity",
    ]
    linear, knn, length, selectivity = rows
    assert (linear.pretrained[0], linear.random[0]) == ("86.5 %", "62.2 %")
    assert (linear.gain, linear.interval) == ("+24.3", "20.3 to 28.4")
    assert linear.remark.endswith("only this interval includes the variance due to the training items")
    assert (knn.gain, knn.interval, knn.side) == ("+20.0", "−10.0 to 50.0", "unclear")
    assert (length.pretrained[0], *length.random) == ("0.81 bits", "1.42 bits", "1.30 to 1.55 over seeds")
    assert (length.gain, length.interval) == ("+0.61 bits saved", "0.55 to 0.67")
    assert length.remark.endswith("2.00 bits without them")
    assert selectivity.pretrained == ("61.0 points", "86.0 % − 25.0 %")
    assert (selectivity.gain, selectivity.interval) == ("+24.0", "20.0 to 28.0")
    assert agreement(rows) == "3 of 4 measures put the pretrained encoder ahead; the other is inconclusive."


def test_an_unknown_probe_is_shown_under_its_own_name() -> None:
    asked = Analyses.model_validate(OFF | {"probes": [KNN | {"probe": "oracle"}]})
    assert other_measures(COMPARISON, asked)[1].name == "oracle"


def test_no_other_measure_is_no_table() -> None:
    assert other_measures(COMPARISON, Analyses.model_validate(OFF)) == []


AHEAD, BEHIND, UNCLEAR = (0.1, 0.2), (-0.2, -0.1), (-0.2, 0.1)
NO_SIDE = "No measure separates the two arms with this much data."
NO_CLAIM = "The verdict is inconclusive, although an interval in this table excludes zero."
LEVEL = "The linear probe finds no difference that matters"
DEPENDS = "Which encoder is ahead depends on the measure."


@pytest.mark.parametrize(
    ("verdict", "interval", "others", "said"),
    [
        ("helps", AHEAD, [AHEAD], "By every measure, the pretrained encoder is ahead."),
        ("hurts", BEHIND, [BEHIND, BEHIND], "By every measure, the pretrained encoder is behind."),
        (
            "helps",
            AHEAD,
            [AHEAD, UNCLEAR],
            "2 of 3 measures put the pretrained encoder ahead; the other is inconclusive.",
        ),
        (
            "hurts",
            BEHIND,
            [UNCLEAR, UNCLEAR],
            "1 of 3 measures puts the pretrained encoder behind; the others are inconclusive.",
        ),
        ("helps", AHEAD, [BEHIND, UNCLEAR], DEPENDS),
        ("hurts", BEHIND, [BEHIND, AHEAD], DEPENDS),
        ("no_difference", (-0.01, 0.01), [UNCLEAR], f"{LEVEL}, and no other measure separates the two arms."),
        # an interval that excludes zero inside the rope is no difference either
        ("no_difference", (0.001, 0.01), [UNCLEAR], f"{LEVEL}, and no other measure separates the two arms."),
        (
            "no_difference",
            (0.001, 0.01),
            [AHEAD, UNCLEAR],
            f"{LEVEL}, but 1 of 3 measures puts the pretrained encoder ahead.",
        ),
        (
            "no_difference",
            (-0.01, 0.01),
            [BEHIND, BEHIND],
            f"{LEVEL}, but 2 of 3 measures put the pretrained encoder behind.",
        ),
        ("no_difference", (-0.01, 0.01), [BEHIND, AHEAD], DEPENDS),
        ("inconclusive", UNCLEAR, [UNCLEAR, UNCLEAR], NO_SIDE),
        # the placeholder: both arms are noise, so an interval that excludes zero is due to chance
        ("inconclusive", (-0.065, -0.002), [UNCLEAR], NO_CLAIM),
        ("inconclusive", (-0.065, -0.002), [BEHIND, BEHIND], NO_CLAIM),
        ("inconclusive", UNCLEAR, [AHEAD, UNCLEAR], NO_CLAIM),
        ("inconclusive", UNCLEAR, [AHEAD, BEHIND], NO_CLAIM),
    ],
)
def test_agreement_never_contradicts_the_verdict(
    verdict: str, interval: tuple[float, float], others: list[tuple[float, float]], said: str
) -> None:
    comparison = replace(COMPARISON, verdict=verdict, gain=Interval(sum(interval) / 2, *interval))
    probes = [KNN | {"gain": {"value": sum(ends) / 2, "low": ends[0], "high": ends[1]}} for ends in others]
    assert agreement(other_measures(comparison, Analyses.model_validate(OFF | {"probes": probes}))) == said
