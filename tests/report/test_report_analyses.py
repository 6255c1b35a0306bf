"""What was asked beyond accuracy, from its file to words: held against hand-made files and hand-written sentences."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.errors import UserError
from trajprobe.report.analyses import Analyses, LabelEfficiency, read_analyses
from trajprobe.report.few_labels import budgets, needed, sentence, typical
from trajprobe.report.strips import strips
from trajprobe.report.tables import Arm, Comparison, Estimate
from trajprobe.report.ways import agreement, bits_saved, ways

LABELS = [1, 2, 5, 10, 20, 50]
OFF: dict[str, Any] = {
    "encoder": "e",
    "confidence": 0.95,
    "label_efficiency": None,
    "description_length": None,
    "selectivity": None,
    "probes": [],
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
    Arm("e", "pretrained", 0, "mid", "mean", Estimate(0.865, 0.834, 0.891), 0.05),
    (Arm("e", "random", 0, "mid", "mean", Estimate(0.622, 0.58, 0.66), 0.06),),
    Estimate(0.243, 0.203, 0.284),
    0.001,
    "helps",
    confounded=False,
    warning="",
)


def efficiency(
    labels: list[int], worths: dict[int, tuple[float | None, float, float | None]]
) -> LabelEfficiency:
    """Made-up curves; `worths` by budget, and nothing gained at the others."""
    flat = [0.5 + 0.01 * place for place in range(len(labels))]
    curve = {"value": flat, "low": [v - 0.1 for v in flat], "high": [v + 0.1 for v in flat]}
    found = [(label, *worths.get(label, (float(label), float(label), float(label)))) for label in labels]
    names = ("labels", "random_labels", "low", "high")
    content = {"labels": labels, "draws": 10, "pretrained": curve, "random": curve, "gain": curve}
    return LabelEfficiency.model_validate(
        content | {"worth": [dict(zip(names, each, strict=True)) for each in found]}
    )


@pytest.mark.parametrize(
    ("worth", "ending"),
    [
        ((34.2, 21.0, None), "needs 34 for (21 to more than 50)."),
        ((None, 41.7, None), "needs more than 50 for (42 to more than 50)."),
        ((None, 50.0, None), "needs more than 50 for."),
        ((7.46, 5.0, 9.96), "needs 7.5 for (5 to 10)."),
        ((1.0, 1.0, 1.0), "needs at most 1 for (at most 1)."),
        ((1.0, 1.0, 3.0), "needs at most 1 for (at most 1 to 3)."),
    ],
)
def test_the_worth_of_pretraining_in_labels(
    worth: tuple[float | None, float, float | None], ending: str
) -> None:
    beginning = "With 5 labels a class the pretrained encoder does what the random one "
    assert sentence(efficiency(LABELS, {5: worth})) == beginning + ending


@pytest.mark.parametrize(
    ("labels", "chosen"), [(LABELS, 5), ([1, 4, 6], 6), ([1, 25], 1), ([100], 100), ([2, 3, 8], 8)]
)
def test_the_budget_that_is_told_is_chosen_without_its_result(labels: list[int], chosen: int) -> None:
    ratio = {label: max(label / 5, 5 / label) for label in labels}
    assert ratio[chosen] == min(ratio.values())
    assert typical(efficiency(labels, {})).labels == chosen
    assert f"With {chosen} label{'s' * (chosen > 1)} a class" in sentence(efficiency(labels, {}))


@given(st.floats(1, 50))
def test_labels_are_rounded_to_within_a_twentieth(value: float) -> None:
    text = needed(value, LABELS)
    assert float(text.removeprefix("at most ")) == pytest.approx(value, rel=0.05)


def test_every_budget_has_its_row() -> None:
    rows = budgets(efficiency(LABELS, {20: (None, 44.0, None)}))
    assert [row.labels for row in rows] == LABELS
    assert rows[2].pretrained == Estimate(0.52, pytest.approx(0.42), pytest.approx(0.62))
    assert (rows[4].needed, rows[4].between) == ("more than 50", "44 to more than 50")


def test_ways_are_told_in_their_own_units() -> None:
    asked = Analyses.model_validate(
        OFF | {"description_length": LENGTH, "selectivity": SELECTIVITY, "probes": [KNN]}
    )
    rows = ways(COMPARISON, asked)
    assert [row.name for row in rows] == [
        "linear probe",
        "nearest neighbours",
        "description length",
        "selectivity",
    ]
    linear, knn, length, selectivity = rows
    assert (linear.pretrained[0], linear.random[0]) == ("86.5 %", "62.2 %")
    assert (linear.gain, linear.interval) == ("+24.3", "20.3 to 28.4")
    assert linear.remark.endswith("intervals below leave out what other training items would change")
    assert (knn.gain, knn.interval, knn.outcome) == ("+20.0", "−10.0 to 50.0", "unclear")
    assert (length.pretrained[0], *length.random) == ("0.81 bits", "1.42 bits", "seeds 1.30 to 1.55")
    assert (length.gain, length.interval) == ("+0.61 bits saved", "0.55 to 0.67")
    assert length.remark.endswith("2.00 bits without")
    assert selectivity.pretrained == ("61.0 points", "86.0 % less 25.0 %")
    assert (selectivity.gain, selectivity.interval) == ("+24.0", "20.0 to 28.0")
    assert agreement(rows) == "3 of these 4 ways put the pretrained encoder ahead; the other cannot tell."


def test_a_probe_that_the_page_has_no_words_for_is_told_by_its_name() -> None:
    asked = Analyses.model_validate(OFF | {"probes": [KNN | {"probe": "oracle"}]})
    assert ways(COMPARISON, asked)[1].name == "oracle"


def test_nothing_asked_is_no_table() -> None:
    assert ways(COMPARISON, Analyses.model_validate(OFF)) == []


AHEAD, BEHIND, UNCLEAR = (0.1, 0.2), (-0.2, -0.1), (-0.2, 0.1)
NO_SIDE = "However it is asked, this much data cannot tell the two apart."
NO_WAY = "The verdict is inconclusive, whichever side of zero an interval in this table lies on."
LEVEL = "The linear probe finds no difference that matters"
DEPENDS = "Which encoder comes out ahead depends on how it is asked."


@pytest.mark.parametrize(
    ("verdict", "interval", "others", "said"),
    [
        ("helps", AHEAD, [AHEAD], "However it is asked, the pretrained encoder comes out ahead."),
        ("hurts", BEHIND, [BEHIND, BEHIND], "However it is asked, the pretrained encoder comes out behind."),
        (
            "helps",
            AHEAD,
            [AHEAD, UNCLEAR],
            "2 of these 3 ways put the pretrained encoder ahead; the other cannot tell.",
        ),
        (
            "hurts",
            BEHIND,
            [UNCLEAR, UNCLEAR],
            "1 of these 3 ways puts the pretrained encoder behind; the others cannot tell.",
        ),
        ("helps", AHEAD, [BEHIND, UNCLEAR], DEPENDS),
        ("hurts", BEHIND, [BEHIND, AHEAD], DEPENDS),
        ("no_difference", (-0.01, 0.01), [UNCLEAR], f"{LEVEL}, and no other way tells the two apart."),
        # an interval beside zero but inside the rope is no difference either
        ("no_difference", (0.001, 0.01), [UNCLEAR], f"{LEVEL}, and no other way tells the two apart."),
        (
            "no_difference",
            (0.001, 0.01),
            [AHEAD, UNCLEAR],
            f"{LEVEL}, while 1 of these 3 ways puts the pretrained encoder ahead.",
        ),
        (
            "no_difference",
            (-0.01, 0.01),
            [BEHIND, BEHIND],
            f"{LEVEL}, while 2 of these 3 ways put the pretrained encoder behind.",
        ),
        ("no_difference", (-0.01, 0.01), [BEHIND, AHEAD], DEPENDS),
        ("inconclusive", UNCLEAR, [UNCLEAR, UNCLEAR], NO_SIDE),
        # the placeholder: both arms are noise, so that an interval beside zero is luck
        ("inconclusive", (-0.065, -0.002), [UNCLEAR], NO_WAY),
        ("inconclusive", (-0.065, -0.002), [BEHIND, BEHIND], NO_WAY),
        ("inconclusive", UNCLEAR, [AHEAD, UNCLEAR], NO_WAY),
        ("inconclusive", UNCLEAR, [AHEAD, BEHIND], NO_WAY),
    ],
)
def test_whether_the_ways_agree_and_never_against_the_verdict(
    verdict: str, interval: tuple[float, float], others: list[tuple[float, float]], said: str
) -> None:
    comparison = replace(COMPARISON, verdict=verdict, gain=Estimate(sum(interval) / 2, *interval))
    probes = [KNN | {"gain": {"value": sum(ends) / 2, "low": ends[0], "high": ends[1]}} for ends in others]
    assert agreement(ways(comparison, Analyses.model_validate(OFF | {"probes": probes}))) == said


def test_bits() -> None:
    assert [bits_saved(value) for value in (0.612, -0.1, -0.004, 0.0)] == ["+0.61", "−0.10", "0.00", "0.00"]


def test_intervals_share_one_scale_that_holds_them_and_the_band() -> None:
    first, second = strips([Estimate(0.2, 0.1, 0.3), Estimate(-0.1, -0.2, 0.0)], 0.02)
    length = (first.value - second.value) / 0.3  # percent of the strip for a gain of 1
    assert first.zero == second.zero
    assert first.width == pytest.approx(0.2 * length, abs=0.02)
    assert first.low - first.zero == pytest.approx(0.1 * length, abs=0.02)
    assert first.rope_width == pytest.approx(0.04 * length, abs=0.02)
    assert 0 < second.low < first.low + first.width < 100
    (alone,) = strips([Estimate(0, 0, 0)], 0.02)
    assert 0 < alone.rope_low < alone.rope_low + alone.rope_width < 100


def test_a_file_is_read_and_what_it_adds_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text(json.dumps(OFF | {"selectivity": SELECTIVITY, "news": 1}))
    found = read_analyses(path, "e")
    assert found.selectivity is not None
    assert found.selectivity.difference.value == 0.24
    assert found.label_efficiency is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is missing"),
        ("{", "cannot be read"),
        ("[]", "does not hold the analyses of e"),
        (json.dumps(OFF | {"encoder": "other"}), "does not hold the analyses of e"),
        (json.dumps(OFF | {"probes": [KNN | {"random": None}]}), r"probes\.0\.random: required a number"),
        (json.dumps(OFF | {"confidence": float("nan")}), "confidence: required a finite number"),
    ],
)
def test_another_file_is_one_line_with_its_remedy(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "e.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"e\.json: {complaint}.*; run `dvc repro analyse@e`"):
        read_analyses(path, "e")


def test_curves_of_other_lengths_are_refused() -> None:
    found = efficiency(LABELS, {}).model_dump()
    with pytest.raises(ValueError, match="one entry for each of its labels"):
        LabelEfficiency.model_validate(found | {"labels": LABELS[:5]})
