"""The files of metrics/: what is written is read back, rows come together as comparisons, faults are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from trajprobe.artifacts.comparisons import (
    Bin,
    Bins,
    ClassGain,
    Interval,
    read_arms,
    read_bins,
    read_class_gains,
)
from trajprobe.artifacts.metrics import (
    ARM_COLUMNS,
    CLASS_COLUMNS,
    RELIABILITY_COLUMNS,
    Summary,
    read_summary,
    write_summary,
    write_table,
)
from trajprobe.core.errors import UserError

Row = dict[str, object]
SUMMARY = Summary(
    encoder="e", weights="pretrained", n_items=10, n_classes=2, chance=0.5, accuracy=2 / 3, macro_f1=0.7, log_loss=0.6,
    random_accuracy=0.5, gain=0.25, gain_ci_low=-0.5, gain_ci_high=1.0, p_value=1.23456789e-9, p_draw=0.02,
    minimum_detectable_gain=0.75, verdict="inconclusive", confounded=False, contaminated=False,
    sentence="So.", warning="",
)  # fmt: skip


def test_a_summary_is_flat_rounded_and_without_null(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_summary(path, SUMMARY)
    written = json.loads(path.read_text())
    assert written["accuracy"] == 0.666667
    assert written["p_value"] == 1.23457e-9
    assert list(written)[-2:] == ["sentence", "warning"]
    assert len(written) <= 20
    assert read_summary(path) == replace(SUMMARY, accuracy=0.666667, p_value=1.23457e-9)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is missing"),
        ("{", "cannot be read"),
        ("[]", "is not a summary"),
        ('{"gain": 1}', "is not a summary"),
    ],
)
def test_a_missing_or_foreign_summary_is_refused(content: str | None, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"summary\.json: {complaint}.*; run `dvc repro compare`"):
        read_summary(path)


def test_a_key_that_is_no_column_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="accurracy"):
        write_table(tmp_path / "arms.csv", ARM_COLUMNS, [{"encoder": "e", "accurracy": 1}])
    assert list(tmp_path.iterdir()) == []


def arm(encoder: str, name: str, init: int, accuracy: float, layer: str = "mid", **more: object) -> Row:
    return {
        "encoder": encoder,
        "arm": name,
        "init": init,
        "layer": layer,
        "pooling": "mean",
        "accuracy": accuracy,
        "accuracy_ci_low": accuracy - 0.1,
        "accuracy_ci_high": accuracy + 0.1,
        "ece": accuracy / 10,
        "macro_f1": accuracy,
        "log_loss": 1.0,
        **more,
    }


GAIN = {"gain": 0.2, "gain_ci_low": 0.1, "gain_ci_high": 0.3, "gain_pi_low": 0.0, "gain_pi_high": 0.4}
GAIN |= {"p_value": 0.001, "p_draw": 0.002, "p_adjusted": 0.004, "error_reduction": None, "odds_ratio": 2.5}
GAIN |= {"verdict": "helps", "confounded": 0, "warning": ""}
ROWS = [
    arm("b", "pretrained", 0, 0.8, **GAIN),
    arm("b", "random", 1, 0.62),
    arm("b", "random", 0, 0.58),
    arm("b", "pretrained", 0, 0.7, "deep", **GAIN),
    arm("b", "random", 0, 0.5, "deep"),
    arm("a", "pretrained", 0, 0.9, **GAIN),
    arm("a", "random", 0, 0.6),
    arm("pixels", "control", 0, 0.4, ""),
    arm("removed", "pretrained", 0, 0.1, **GAIN),
]


def written(path: Path, rows: list[Row], columns: tuple[str, ...] = ARM_COLUMNS) -> Path:
    write_table(path, columns, [{key: row[key] for key in row if key in columns} for row in rows])
    return path


def test_rows_come_together_as_comparisons_headline_first(tmp_path: Path) -> None:
    table = written(tmp_path / "arms.csv", ROWS)
    arms = read_arms(table, ["a", "b"])
    assert list(arms.encoders) == ["a", "b"]
    assert [c.pretrained.layer for c in arms.encoders["b"]] == ["mid", "deep"]
    first = arms.encoders["b"][0]
    assert [each.accuracy.value for each in first.random] == [0.58, 0.62]
    assert first.random_mean == pytest.approx(0.6)
    assert (first.pretrained.ece, first.random_ece) == pytest.approx((0.08, 0.06))
    assert first.random_sd == pytest.approx(0.02 * 2**0.5)
    assert first.gain == Interval(0.2, 0.1, 0.3)
    assert first.prediction == Interval(0.2, 0.0, 0.4)
    assert (first.p_value, first.p_draw, first.p_adjusted) == (0.001, 0.002, 0.004)
    assert (first.error_reduction, first.odds_ratio) == (None, 2.5)
    assert (first.verdict, first.confounded) == ("helps", False)
    assert arms.encoders["a"][0].random_sd is None
    assert [(each.encoder, each.accuracy.value) for each in arms.controls] == [("pixels", 0.4)]
    assert list(read_arms(written(table, ROWS[:-1])).encoders) == ["b", "a"]  # all, in the order of the file


@pytest.mark.parametrize(
    ("change", "encoders", "complaint"),
    [
        (lambda rows: rows, ["a", "c"], "no rows of c"),
        (lambda rows: rows[:6], ["a"], "a/mid/mean: .* found 1 pretrained and 0 random"),
        (lambda rows: rows[1:], ["b"], "found 0 pretrained and 2 random"),
    ],
)
def test_a_missing_arm_is_an_error(
    change: Callable[[list[Row]], list[Row]], encoders: list[str], complaint: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "arms.csv", change(ROWS))
    with pytest.raises(UserError, match=complaint):
        read_arms(path, encoders)


def test_another_table_or_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="columns missing: confounded, contaminated, warning"):
        read_arms(written(tmp_path / "arms.csv", ROWS, ARM_COLUMNS[:-3]), ["a"])
    with pytest.raises(UserError, match=r"none\.csv: cannot be read .*`dvc repro compare`"):
        read_arms(tmp_path / "none.csv", ["a"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"\xff\x00" * 50,
        lambda content: content[:-20],  # within the last row
        lambda content: content.replace(b",0.8,", b",0.8,0.8,", 1),
        lambda content: content.replace(b",0.8,", b",much,", 1),
        lambda content: b"<<<<<<< HEAD\n" + content,  # a merge that was not finished
        lambda content: content.replace(b"\nb,", b"\n<<<<<<< HEAD\nb,", 1),
    ],
)
def test_a_damaged_table_is_one_line(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = written(tmp_path / "arms.csv", ROWS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        UserError, match=r"arms\.csv: (is damaged|columns missing).*; run `dvc repro compare`"
    ):
        read_arms(path, ["a", "b"])


def test_classes_are_read_for_the_encoders_that_are_asked(tmp_path: Path) -> None:
    table = tmp_path / "per_class.csv"
    cells = {"label": "a, b", "items": 7, "pretrained": 0.9, "random": 0.5, "gain": 0.4, "gain_ci_low": 0.1}
    cells |= {"gain_ci_high": 0.7, "p_value": 0.01, "p_value_holm": 0.02}
    rows: list[Row] = [{"encoder": name, **cells} for name in ("e", "removed")]
    found = read_class_gains(written(table, rows, CLASS_COLUMNS), ["e"])
    assert found == {"e": [ClassGain("a, b", 7, 0.9, 0.5, Interval(0.4, 0.1, 0.7), 0.02)]}
    with pytest.raises(UserError, match="no rows of other"):
        read_class_gains(table, ["other"])


def test_bins_without_items_are_left_out_and_a_missing_arm_is_an_error(tmp_path: Path) -> None:
    table = tmp_path / "reliability.csv"
    rows: list[Row] = [
        {"encoder": "e", "arm": "pretrained", "bin_low": 0.0, "bin_high": 0.5, "items": 0.0},
        {"encoder": "e", "arm": "pretrained", "bin_low": 0.5, "bin_high": 1.0, "items": 7.0},
        {"encoder": "e", "arm": "random", "bin_low": 0.0, "bin_high": 0.5, "items": 3.0},
    ]
    rows[1] |= {"confidence": 0.8, "accuracy": 0.9}
    rows[2] |= {"confidence": 0.4, "accuracy": 0.2}
    with pytest.raises(UserError, match="no rows of e, random; run `dvc repro compare`"):
        read_bins(written(table, rows[:2], RELIABILITY_COLUMNS), ["e"])
    found = read_bins(written(table, rows, RELIABILITY_COLUMNS), ["e"])
    assert found == {"e": Bins([Bin(0.5, 1, 7, 0.8, 0.9)], [Bin(0, 0.5, 3, 0.4, 0.2)])}
