"""The comparison of a made-up study, against what its predictions must amount to, and what it refuses."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_study import make_study
from trajprobe import paths
from trajprobe.commands import show
from trajprobe.errors import UserError
from trajprobe.probe.predictions import read_predictions, write_predictions
from trajprobe.stages import compare, plot


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def summary() -> dict:
    return json.loads(paths.SUMMARY.read_text())


def test_the_summary_is_what_the_predictions_say(here: Path) -> None:
    make_study(here, encoders={"tiny": (0.9, 0.6), "other": (0.6, 0.6)}, per_class=60, inits=4)
    found = summary()
    file = read_predictions(paths.predictions("tiny"))
    accuracy = {
        held.arm.init if held.arm.arm == "random" else "ours": np.mean(held.predicted == file.codes)
        for held in file.arms
    }
    ours = accuracy.pop("ours")
    assert found["encoder"] == "tiny"
    assert found["accuracy"] == pytest.approx(ours, abs=1e-6)
    assert found["random_accuracy"] == pytest.approx(np.mean(list(accuracy.values())), abs=1e-6)
    assert found["random_accuracy_sd"] == pytest.approx(np.std(list(accuracy.values()), ddof=1), abs=1e-6)
    assert found["gain"] == pytest.approx(ours - np.mean(list(accuracy.values())), abs=2e-6)
    assert found["gain_ci_low"] < found["gain"] < found["gain_ci_high"]
    assert found["gain_bootstrap_low"] < found["gain"] < found["gain_bootstrap_high"]
    assert found["p_adjusted"] >= found["p_value"]
    assert found["verdict"] == "helps"


def test_weights_names_the_arm_of_the_headline_and_nothing_else(here: Path) -> None:
    params = make_study(here, per_class=40)
    pretrained = summary()
    compare.run(params.model_copy(update={"weights": "random"}))
    random = summary()
    assert random["accuracy"] == pytest.approx(pretrained["random_accuracy"])
    about_the_arm = {
        "weights",
        "accuracy",
        "accuracy_ci_low",
        "accuracy_ci_high",
        "balanced_accuracy",
        "macro_f1",
    }
    about_the_arm |= {"log_loss", "ece"}
    assert {key for key in random if random[key] != pretrained[key]} <= about_the_arm


def test_every_arm_has_its_row(here: Path) -> None:
    make_study(
        here, encoders={"a": (0.9, 0.6), "b": (0.8, 0.7)}, inits=3, places=[("mid", "mean"), ("top", "mean")]
    )
    with paths.ARMS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * (1 + 3) + 4
    assert [row["encoder"] for row in rows if row["arm"] == "control"] == sorted(
        ["coordinates", "hash_noise", "pixels", "random_projection"], key=[r["encoder"] for r in rows].index
    )
    assert all(row["gain"] for row in rows if row["arm"] == "pretrained")


def test_first_layers_are_corrected_over_encoders_and_others_over_everything(here: Path) -> None:
    make_study(
        here,
        encoders={"a": (0.75, 0.6), "b": (0.7, 0.6)},
        per_class=30,
        places=[("mid", "mean"), ("top", "mean")],
    )
    with paths.ARMS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["arm"] == "pretrained"]
    p_values = [float(row["p_value"]) for row in rows]

    def by_hand(values: list[float], p_value: float) -> float:
        ordered = sorted(values)
        steps = [(len(values) - rank) * value for rank, value in enumerate(ordered)]
        return min(1.0, max(steps[: ordered.index(p_value) + 1]))

    first = [float(row["p_value"]) for row in rows if row["layer"] == "mid"]
    for row, p_value in zip(rows, p_values, strict=True):
        family = first if row["layer"] == "mid" else p_values
        assert float(row["p_adjusted"]) == pytest.approx(by_hand(family, p_value), rel=1e-4)
        assert float(row["p_adjusted"]) > 0


def test_every_class_and_every_bin_of_each_headline_has_its_row(here: Path) -> None:
    make_study(here, encoders={"a": (0.9, 0.6), "b": (0.8, 0.7)}, places=[("mid", "mean"), ("top", "mean")])
    with paths.PER_CLASS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["encoder"], row["label"]) for row in rows] == [
        (encoder, label) for encoder in ("a", "b") for label in ("linear", "circular")
    ]
    for encoder in ("a", "b"):
        held = read_predictions(paths.predictions(encoder)).arms[0]
        own = [float(row["pretrained"]) for row in rows if row["encoder"] == encoder]
        codes = np.arange(12) % 2
        expected = [np.mean(held.predicted[:, codes == code] == code) for code in (0, 1)]
        assert own == pytest.approx(expected, abs=1e-6)
    with paths.RELIABILITY.open(newline="") as file:
        bins = list(csv.DictReader(file))
    assert list(dict.fromkeys((row["encoder"], row["arm"]) for row in bins)) == [
        (encoder, arm) for encoder in ("a", "b") for arm in ("pretrained", "random")
    ]
    assert len(bins) == 4 * 10
    assert sum(float(row["items"]) for row in bins) == pytest.approx(4 * 12)


def test_hash_noise_above_chance_is_leakage(here: Path) -> None:
    params = make_study(here, per_class=60)
    file = read_predictions(paths.predictions("controls"))
    arms = [
        replace(held, predicted=np.broadcast_to(file.codes, held.predicted.shape).copy())
        if held.arm.encoder == "hash_noise"
        else held
        for held in file.arms
    ]
    write_predictions(paths.predictions("controls"), replace(file, arms=arms))
    before = paths.SUMMARY.read_bytes()
    with pytest.raises(UserError, match="leakage"):
        compare.run(params)
    assert paths.SUMMARY.read_bytes() == before


def test_a_random_arm_without_a_clock_is_confounded(here: Path) -> None:
    params = make_study(here)
    file = read_predictions(paths.predictions("tiny"))
    features = json.loads(json.dumps(file.features))
    features["order"]["random"]["mid/mean"]["shuffled"] = 1e-7
    write_predictions(paths.predictions("tiny"), replace(file, features=features))
    assert "confounded" in compare.run(params)
    assert "confounded" in summary()["warning"]
    assert summary()["confounded"] is True
    with (paths.ARMS.parent / "order.csv").open(newline="") as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    assert float(rows["random"]["shuffled"]) == 1e-7
    assert (rows["pretrained"]["layer"], rows["pretrained"]["pooling"]) == ("mid", "mean")
    assert float(rows["pretrained"]["static"]) == 0.5


def test_every_encoder_is_called_confounded_where_it_is(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_study(here, encoders={"tiny": (0.9, 0.6), "vivit": (0.9, 0.6)})
    file = read_predictions(paths.predictions("vivit"))
    features = json.loads(json.dumps(file.features))
    features["order"]["random"]["mid/mean"]["shuffled"] = 1e-7
    write_predictions(paths.predictions("vivit"), replace(file, features=features))
    compare.run(params)
    assert summary()["confounded"] is False
    with paths.ARMS.open(newline="") as rows:
        told = {
            row["encoder"]: row["confounded"] for row in csv.DictReader(rows) if row["arm"] == "pretrained"
        }
    assert told == {"tiny": "0", "vivit": "1"}
    show.run()
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("confounded: the random arm") == 1
    assert (
        shown.index("Mind, of tiny")
        < shown.index("Mind, of vivit")
        < shown.index("confounded: the random arm")
    )
    plot.run(params)
    page = (paths.REPORT / "index.html").read_text()
    assert page.count("confounded: the random arm") == 1
    assert page.count('<span class="interval">confounded</span>') == 1


def test_other_items_and_missing_files_are_refused(here: Path) -> None:
    params = make_study(here)
    file = read_predictions(paths.predictions("tiny"))
    write_predictions(paths.predictions("tiny"), replace(file, items="of another day"))
    with pytest.raises(UserError, match="items"):
        compare.run(params)
    paths.predictions("tiny").unlink()
    with pytest.raises(UserError, match=r"tiny\.parquet: is missing"):
        compare.run(params)


def test_what_other_experiments_left_is_neither_counted_nor_kept(here: Path) -> None:
    params = make_study(here)
    before = (paths.SUMMARY.read_bytes(), paths.ARMS.read_bytes())
    stranger = paths.predictions("stranger")
    stranger.write_bytes(paths.predictions("tiny").read_bytes())
    compare.run(params)
    assert (paths.SUMMARY.read_bytes(), paths.ARMS.read_bytes()) == before
    assert not stranger.exists()


def test_show_prints_what_was_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_study(here, per_class=40)
    show.run()
    shown = capsys.readouterr().out
    found = summary()
    assert found["sentence"] in " ".join(shown.split())
    assert f"{100 * found['accuracy']:.1f} %" in shown
    assert "hash_noise" in shown
