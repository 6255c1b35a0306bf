"""The ladder held against the gain of the same contrast, the tied set by itself, and sentences on made-up studies."""

from dataclasses import replace

import numpy as np
import pytest

from made_pairs import GROUPS, make_arm, make_pairs
from trajprobe.artifacts.metrics import LADDER_COLUMNS
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.compare.ladder import climb, ladder_rows, worth_using
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions

CONFIDENCE = 0.95


def made(**levels: float) -> PairedPredictions:
    """The study of made_pairs, without split halves, with alternatives of about these accuracies."""
    rng = np.random.default_rng(7)
    paired = make_pairs(coordinates=0.3, hash_noise=0.3)
    contrast = paired.contrasts["e"][0]
    return replace(
        paired,
        contrasts={"e": [Contrast(bare(contrast.pretrained), [bare(arm) for arm in contrast.random])]},
        controls={name: bare(arm) for name, arm in paired.controls.items()},
        split_half_counts=paired.split_half_counts[:0],
        alternatives={name: [bare(make_arm(rng, "baseline", 0, level))] for name, level in levels.items()},
    )


def bare(arm: ArmPredictions) -> ArmPredictions:
    return replace(arm, split_half_scores={"accuracy": arm.split_half_scores["accuracy"][:0]})


def test_the_random_arms_differ_from_the_headline_by_minus_the_gain() -> None:
    paired = made()
    rungs = {(rung.name, rung.arm): rung for rung in climb(paired, "e", CONFIDENCE)}
    contrast = paired.contrasts["e"][0]
    gain = paired.difference([contrast.pretrained], contrast.random)
    found = rungs["e", "random"].difference
    assert found is not None
    assert (found.mean, found.error, found.df) == pytest.approx((-gain.mean, gain.error, gain.df))


def test_rungs_are_in_order_without_hash_noise_and_the_headline_is_first() -> None:
    rungs = climb(made(kinematics=0.95, dtw=0.5), "e", CONFIDENCE)
    names = [rung.name for rung in rungs]
    assert (names[0], rungs[0].arm) == ("e", "pretrained")
    assert sorted(names[1:]) == ["coordinates", "dtw", "e", "kinematics"]
    means = [rung.accuracy.mean for rung in rungs[1:]]
    assert means == sorted(means, reverse=True)


def test_rows_fit_the_columns() -> None:
    paired = made(kinematics=0.95)
    rungs = climb(paired, "e", CONFIDENCE)
    rows = list(ladder_rows(paired, rungs, CONFIDENCE))
    assert all(set(row) <= set(LADDER_COLUMNS) for row in rows)
    assert "difference" not in rows[0]


def test_what_does_better_is_recommended() -> None:
    said = worth_using(climb(made(kinematics=2.0), "e", CONFIDENCE), CONFIDENCE)
    assert said.startswith("But kinematic features alone do better (")
    assert said.endswith("): use those.")


def test_the_sentence_says_how_much_smaller_it_is_where_that_is_known() -> None:
    paired = made(kinematics=2.0)
    for counted, said in ((2000, "; 1/280 of the parameters): use"), (300_000, "): use")):
        known = replace(
            paired,
            features={"e": {"provenance": {"parameters": 565_842}}},
            alternative_features={"kinematics": {"parameters": counted}},
        )
        rungs = climb(known, "e", CONFIDENCE)
        assert said in worth_using(rungs, CONFIDENCE)
        assert ("parameters" in worth_using(rungs, CONFIDENCE)) == (counted == 2000)
        rows = {
            (row["alternative"], row["arm"]): row["parameters"]
            for row in ladder_rows(known, rungs, CONFIDENCE)
        }
        assert rows == {
            ("e", "pretrained"): 565_842,
            ("e", "random"): 565_842,
            ("kinematics", "baseline"): counted,
            ("coordinates", "control"): None,
        }


def test_a_row_has_the_multiply_adds_of_its_network_or_of_the_encoder_that_it_contains() -> None:
    paired = replace(
        made(kinematics=0.5, static=0.5, cnn3d=0.5),
        features={"e": {"provenance": {"parameters": 9}, "multiply_adds": 700}},
        alternative_features={
            "kinematics": {"parameters": 5},
            "static": {"parameters": 10, "encoder": "e"},
            "cnn3d": {"parameters": 6, "multiply_adds": 80},
        },
    )
    rows = ladder_rows(paired, climb(paired, "e", CONFIDENCE), CONFIDENCE)
    assert {(row["alternative"], row["arm"]): row["multiply_adds"] for row in rows} == {
        ("e", "pretrained"): 700,
        ("e", "random"): 700,
        ("static", "baseline"): 700,
        ("cnn3d", "baseline"): 80,
        ("kinematics", "baseline"): None,
        ("coordinates", "control"): None,
    }


def test_what_is_tied_is_said_to_be_no_worse() -> None:
    said = worth_using(climb(made(dtw=0.8), "e", CONFIDENCE), CONFIDENCE)
    assert said.startswith("Dynamic time warping does not differ significantly from it (")


def contaminated(paired: PairedPredictions) -> PairedPredictions:
    return replace(paired, features={"e": {"seen": {"recorded": 9, "held_out": 2}}})


def test_nothing_is_said_in_favour_of_a_contaminated_encoder() -> None:
    for level, silent in ((0.1, True), (0.8, True), (2.0, False)):
        rungs = climb(contaminated(made(kinematics=level)), "e", CONFIDENCE)
        assert (worth_using(rungs, CONFIDENCE) == "") == silent


def test_what_contains_a_contaminated_encoder_is_contaminated_too() -> None:
    paired = made(kinematics=0.5, reversed=0.5)
    rng = np.random.default_rng(8)
    tuned = [bare(make_arm(rng, kind, seed, 2.0)) for kind in ("pretrained", "random") for seed in (0, 1)]
    paired = replace(
        paired,
        alternatives={**paired.alternatives, "finetune": tuned},
        alternative_features={"reversed": {"encoder": "e"}, "finetune": {"encoder": "e"}},
    )
    said = worth_using(climb(paired, "e", CONFIDENCE), CONFIDENCE)
    assert said.startswith("But the encoder fine-tuned end to end does better (")
    paired = contaminated(paired)
    rungs = climb(paired, "e", CONFIDENCE)
    assert {(rung.name, rung.arm): rung.contaminated for rung in rungs} == {
        ("e", "pretrained"): True,
        ("e", "random"): False,
        ("coordinates", "control"): False,
        ("kinematics", "baseline"): False,
        ("reversed", "baseline"): True,
        ("finetune", "pretrained"): True,
        ("finetune", "random"): False,
    }
    assert {len(rung.arms) for rung in rungs if rung.name == "finetune"} == {2}
    marked = [row["contaminated"] for row in ladder_rows(paired, rungs, CONFIDENCE)]
    assert sum(marked) == 3
    assert worth_using(rungs, CONFIDENCE) == ""


def test_nothing_simpler_is_as_accurate() -> None:
    said = worth_using(climb(made(dtw=0.1), "e", CONFIDENCE), CONFIDENCE)
    assert said.startswith(
        "None of the 2 simpler alternatives is as accurate: the best of them is the resampled"
    )


def test_a_rung_with_seeds_and_fewer_halves_is_compared_with_several_seeds() -> None:
    """The variance of both sides' seeds: held against that of many pairs of seeds drawn from the same levels."""
    rng = np.random.default_rng(3)
    paired = make_pairs()
    short = [make_arm(rng, "baseline", seed, level) for seed, level in enumerate((0.3, 0.6, 0.9))]
    short = [
        replace(arm, split_half_scores={"accuracy": arm.split_half_scores["accuracy"][:2]}) for arm in short
    ]
    random = paired.contrasts["e"][0].random
    both = paired.difference(short, random)
    mean = np.mean([paired.correct(arm).mean() for arm in short]) - np.mean(
        [paired.correct(arm).mean() for arm in random]
    )
    assert both.mean == pytest.approx(mean)
    one_sided = [paired.difference([arm], random).error for arm in short]
    spread = np.std([paired.correct(arm).mean() for arm in short], ddof=1) / 3**0.5
    assert both.error > spread  # the three seeds' own standard error is part of it
    assert both.error**2 < max(one_sided) ** 2 + spread**2 + 3.6 / (GROUPS.max() + 1) ** 2
    flipped = paired.difference(random, short)
    assert (flipped.mean, flipped.error) == pytest.approx((-both.mean, both.error))
