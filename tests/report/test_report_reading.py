"""What the report reads, held against hand-made files: arms.csv, predictions, cards with their provenance."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard
from trajprobe.probe.predictions import Arm, Held, Predictions
from trajprobe.report.classes import ClassGain, read_class_gains
from trajprobe.report.outcomes import outcomes
from trajprobe.report.provenance import describe, weight_lines
from trajprobe.report.tables import COLUMNS, Estimate, read_arms

BASE = dict.fromkeys(COLUMNS, "")


def row(
    encoder: str, arm: str, init: int, accuracy: float, layer: str = "mid", **more: object
) -> dict[str, object]:
    cells = {
        "encoder": encoder,
        "arm": arm,
        "init": init,
        "layer": layer,
        "pooling": "mean",
        "accuracy": accuracy,
        "ece": accuracy / 10,
    }
    ends = {"accuracy_ci_low": accuracy - 0.1, "accuracy_ci_high": accuracy + 0.1}
    return {**BASE, **cells, **ends, **more}


GAIN = {"gain": 0.2, "gain_ci_low": 0.1, "gain_ci_high": 0.3, "p_adjusted": 0.004, "verdict": "helps"}
GAIN |= {"confounded": 0, "warning": ""}
ROWS = [
    row("b", "pretrained", 0, 0.8, **GAIN),
    row("b", "random", 1, 0.62),
    row("b", "random", 0, 0.58),
    row("b", "pretrained", 0, 0.7, "deep", **GAIN),
    row("b", "random", 0, 0.5, "deep"),
    row("a", "pretrained", 0, 0.9, **GAIN),
    row("a", "random", 0, 0.6),
    row("pixels", "control", 0, 0.4, ""),
    row("removed", "pretrained", 0, 0.1, **GAIN),
]


def written(path: Path, rows: list[dict[str, object]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_rows_come_together_as_comparisons_headline_first(tmp_path: Path) -> None:
    arms = read_arms(written(tmp_path / "arms.csv", ROWS), ["a", "b"])
    assert list(arms.encoders) == ["a", "b"]
    assert [c.pretrained.layer for c in arms.encoders["b"]] == ["mid", "deep"]
    first = arms.encoders["b"][0]
    assert [arm.accuracy.value for arm in first.random] == [0.58, 0.62]
    assert first.random_mean == pytest.approx(0.6)
    assert (first.pretrained.ece, first.random_ece) == pytest.approx((0.08, 0.06))
    assert first.random_sd == pytest.approx(0.02 * 2**0.5)
    assert first.gain == Estimate(0.2, 0.1, 0.3)
    assert (first.p_value, first.verdict) == (0.004, "helps")
    assert arms.encoders["a"][0].random_sd is None
    assert [(arm.encoder, arm.accuracy.value) for arm in arms.controls] == [("pixels", 0.4)]


@pytest.mark.parametrize(
    ("change", "encoders", "complaint"),
    [
        (lambda rows: rows, ["a", "c"], "no rows of c"),
        (lambda rows: rows[:6], ["a"], "a/mid/mean: .* got 1 pretrained and 0 random"),
        (lambda rows: rows[1:], ["b"], "got 0 pretrained and 2 random"),
    ],
)
def test_a_missing_arm_is_an_error(
    change: Callable, encoders: list[str], complaint: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "arms.csv", change(ROWS))
    with pytest.raises(UserError, match=complaint):
        read_arms(path, encoders)


def test_another_table_or_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="columns missing: confounded, warning"):
        read_arms(written(tmp_path / "arms.csv", ROWS, COLUMNS[:-2]), ["a"])
    with pytest.raises(UserError, match=r"none\.csv: cannot be read .*`dvc repro compare`"):
        read_arms(tmp_path / "none.csv", ["a"])


def predicted(*arms: tuple[str, str, list[list[int]]]) -> Predictions:
    """Two repeats over four items of the classes 0, 0, 1, 2."""
    held = [
        Held(
            Arm("e", arm, number, layer, "mean"),
            np.array([[0, 1, 0, 1], [1, 0, 0, 1]]),
            np.array(said),
            np.ones((2, 4)),
            np.full((2, 4, 3), 1 / 3, np.float32),
        )
        for number, (arm, layer, said) in enumerate(arms)
    ]
    codes = np.array([0, 0, 1, 2])
    return Predictions(list("pqrs"), list("pqrs"), codes, ["x", "y", "z"], "digest", (1e-4, 1e2), held)


def test_outcomes_are_means_over_repeats_and_initialisations() -> None:
    seen = outcomes(
        predicted(
            ("pretrained", "mid", [[0, 0, 1, 2], [0, 1, 1, 2]]),
            ("random", "mid", [[1, 0, 1, 0], [1, 0, 1, 0]]),
            ("random", "mid", [[2, 0, 1, 0], [0, 0, 1, 1]]),
            ("pretrained", "deep", [[2, 2, 2, 0], [2, 2, 2, 0]]),
            ("random", "deep", [[2, 2, 2, 0], [2, 2, 2, 0]]),
        ),
        "e",
    )
    np.testing.assert_array_equal(seen.pretrained, [[1.5, 0.5, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(seen.random, [[1.25, 0.5, 0.25], [0, 1, 0], [0.75, 0.25, 0]])
    np.testing.assert_array_equal(seen.right_pretrained, [1, 0.5, 1, 1])
    np.testing.assert_array_equal(seen.right_random, [0.25, 1, 1, 0])
    np.testing.assert_array_equal(seen.mistaken_pretrained, [-1, 1, -1, -1])
    np.testing.assert_array_equal(seen.mistaken_random, [1, -1, -1, 0])
    assert (seen.inits, seen.folds, seen.repeats) == (2, 2, 2)


def test_an_encoder_without_both_arms_is_an_error() -> None:
    with pytest.raises(UserError, match=r"required a pretrained and a random arm, got 1 and 0.*probe@e"):
        outcomes(predicted(("pretrained", "mid", [[0] * 4] * 2)), "e")


def seen(ratios: Mapping[str, float], **features: Any) -> dict[str, Any]:
    """Metadata of the features of an encoder whose arms move so much when frames are shuffled."""
    card = {
        "name": "e",
        "summary": "An encoder",
        "family": "transformers",
        "architecture": {},
        "weights": {"hub": "someone/something"},
        "training": "captions",
        "licence": "MIT",
        "input": {"frames": "any", "size": 64, "scale": "x/255"},
        "features": {"layer": "last", "pooling": "mean", **features},
    }
    order = {arm: {"last/mean": {"shuffled": ratio}} for arm, ratio in ratios.items()}
    dumped = EncoderCard.model_validate(card).model_dump()
    provenance = {"summary": "7 of 7 tensors"}
    return {
        "card": dumped,
        "provenance": provenance,
        "layers": ["last"],
        "poolings": ["mean"],
        "order": order,
    }


def test_weights_are_told_by_what_was_read_and_from_where() -> None:
    provenance = {"summary": "133 of 133 tensors", "source": "hub", "revision": "1f2e", "sha256": "ab"}
    assert weight_lines(provenance) == ["133 of 133 tensors", "hub · 1f2e", "sha256 ab"]
    assert weight_lines({"summary": "no weights: seeded noise"}) == ["no weights: seeded noise"]
    assert weight_lines({"summary": "recipe", "source": "card", "revision": None}) == ["recipe", "card"]


def test_an_encoder_introduces_itself() -> None:
    facts = describe(seen({"pretrained": 0.3, "random": 0.2}))
    assert (facts.name, facts.summary, facts.trained) == ("e", "An encoder", True)
    assert facts.weights == ["7 of 7 tensors"]
    assert facts.random_arm == "the same architecture at its own random initialisation"
    assert facts.lacks == "both what was learned and the scale that trained weights have"
    assert facts.order == ""


@pytest.mark.parametrize(
    ("ratios", "order"),
    [
        ({"pretrained": 0.3, "random": 1e-6}, "its random arm cannot tell the order of frames"),
        ({"pretrained": 1e-5, "random": 1e-6}, "neither arm can tell the order of frames"),
        ({"pretrained": 0.0, "random": 0.3}, "its pretrained arm cannot tell the order of frames"),
    ],
)
def test_an_arm_without_a_clock_is_told(ratios: dict[str, float], order: str) -> None:
    kept = {"positions": "pretrained", "recipe": "shuffled_weights"}
    facts = describe(seen(ratios, random=kept))
    assert facts.order == order
    assert facts.random_arm.startswith("the trained values of every tensor in shuffled places")
    assert facts.random_arm.endswith("trained positions")
    assert facts.lacks == "only the places of the trained values, not their scale"


def test_classes_are_read_for_the_encoders_that_are_asked(tmp_path: Path) -> None:
    table = tmp_path / "per_class.csv"
    names = (
        "encoder",
        "label",
        "items",
        "pretrained",
        "random",
        "gain",
        "gain_ci_low",
        "gain_ci_high",
        "p_value_holm",
    )
    cells = (
        ("e", "a, b", 7, 0.9, 0.5, 0.4, 0.1, 0.7, 0.02),
        ("removed", "a, b", 7, 0.9, 0.5, 0.4, 0.1, 0.7, 0.02),
    )
    rows: list[dict[str, object]] = [dict(zip(names, each, strict=True)) for each in cells]
    found = read_class_gains(written(table, rows, names), ["e"])
    assert found == {"e": [ClassGain("a, b", 7, 0.9, 0.5, Estimate(0.4, 0.1, 0.7), 0.02)]}
    with pytest.raises(UserError, match="no rows of other"):
        read_class_gains(table, ["other"])
    with pytest.raises(UserError, match="columns missing: p_value_holm"):
        read_class_gains(written(table, rows, names[:-1]), ["e"])
