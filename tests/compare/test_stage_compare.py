"""The comparison of a made-up study, against what its predictions must amount to, and what it refuses."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from made_study import make_study
from running import run
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.commands import show
from trajprobe.core import paths
from trajprobe.core.costs import Measured, write_costs, write_pass_costs
from trajprobe.core.errors import UserError

PLACES = [("mid", "mean"), ("top", "mean")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def summary() -> dict[str, Any]:
    return json.loads(paths.SUMMARY.read_text())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_summary_is_what_the_predictions_say(here: Path) -> None:
    params = make_study(here, encoders={"tiny": (0.9, 0.6), "other": (0.6, 0.6)}, per_class=60, inits=4)
    found = summary()
    file = read_predictions(paths.predictions("tiny"))
    accuracy = [float(np.mean(arm.predicted == file.y)) for arm in file.arms]
    pretrained, random = accuracy[0], accuracy[1:]
    assert found["encoder"] == "tiny"
    assert found["accuracy"] == pytest.approx(pretrained, abs=1e-6)
    assert found["random_accuracy"] == pytest.approx(np.mean(random), abs=1e-6)
    assert found["gain"] == pytest.approx(pretrained - np.mean(random), abs=2e-6)
    assert found["gain_ci_low"] < found["gain"] < found["gain_ci_high"]
    assert found["p_draw"] == pytest.approx(ttest_ind([pretrained], random).pvalue, rel=1e-3)
    assert found["verdict"] == "helps"
    assert len(found) <= 20
    row = rows(paths.ARMS)[0]
    assert float(row["p_adjusted"]) >= max(found["p_value"], found["p_draw"])
    odds = [accuracy / (1 - accuracy) for accuracy in (pretrained, np.mean(random))]
    assert float(row["odds_ratio"]) == pytest.approx(odds[0] / odds[1], rel=1e-4)
    assert float(row["error_reduction"]) == pytest.approx(
        1 - (1 - pretrained) / (1 - np.mean(random)), abs=1e-5
    )

    run("compare", params.model_copy(update={"weights": "random"}))
    headlined = summary()
    assert headlined["accuracy"] == pytest.approx(found["random_accuracy"])
    about_the_arm = {"weights", "accuracy", "macro_f1", "log_loss"}
    assert {key for key in headlined if headlined[key] != found[key]} <= about_the_arm


def test_every_arm_class_and_bin_has_its_row(here: Path) -> None:
    make_study(here, encoders={"a": (0.9, 0.6), "b": (0.8, 0.7)}, inits=3, places=PLACES)
    arms = rows(paths.ARMS)
    assert len(arms) == 2 * 2 * (1 + 3) + 4
    assert {row["encoder"] for row in arms if row["arm"] == "control"} == {
        *("coordinates", "hash_noise", "pixels", "random_projection")
    }
    assert all(row["gain"] for row in arms if row["arm"] == "pretrained")

    classes = rows(paths.PER_CLASS)
    assert [(row["encoder"], row["label"]) for row in classes] == [
        (encoder, label) for encoder in ("a", "b") for label in ("linear", "circular")
    ]
    y = np.arange(12) % 2
    for encoder in ("a", "b"):
        arm = read_predictions(paths.predictions(encoder)).arms[0]
        own = [float(row["pretrained"]) for row in classes if row["encoder"] == encoder]
        assert own == pytest.approx([np.mean(arm.predicted[:, y == c] == c) for c in (0, 1)], abs=1e-6)

    bins = rows(paths.RELIABILITY)
    assert list(dict.fromkeys((row["encoder"], row["arm"]) for row in bins)) == [
        (encoder, arm) for encoder in ("a", "b") for arm in ("pretrained", "random")
    ]
    assert len(bins) == 4 * 10
    assert sum(float(row["items"]) for row in bins) == pytest.approx(4 * 12)

    confusion = rows(paths.CONFUSION)
    assert len(confusion) == 2 * (1 + 3) * 12
    first = read_predictions(paths.predictions("a")).arms[0].predicted[0]
    assert [row["predicted"] for row in confusion[:12]] == [("linear", "circular")[each] for each in first]


def test_headlines_are_corrected_over_encoders_and_others_over_everything(here: Path) -> None:
    make_study(here, encoders={"a": (0.75, 0.6), "b": (0.7, 0.6)}, per_class=30, places=PLACES)
    found = [row for row in rows(paths.ARMS) if row["arm"] == "pretrained"]
    p_values = [max(float(row["p_value"]), float(row["p_draw"])) for row in found]

    def by_hand(values: list[float], p_value: float) -> float:
        ordered = sorted(values)
        steps = [(len(values) - rank) * value for rank, value in enumerate(ordered)]
        return min(1.0, max(steps[: ordered.index(p_value) + 1]))

    headlines = [p for row, p in zip(found, p_values, strict=True) if row["layer"] == "mid"]
    for row, p_value in zip(found, p_values, strict=True):
        family = headlines if row["layer"] == "mid" else p_values
        assert float(row["p_adjusted"]) == pytest.approx(by_hand(family, p_value), rel=1e-4)
        assert float(row["p_adjusted"]) > 0


def test_hash_noise_above_chance_is_leakage(here: Path) -> None:
    params = make_study(here, per_class=60)
    file = read_predictions(paths.predictions("controls"))
    arms = [
        replace(each, predicted=np.broadcast_to(file.y, each.predicted.shape).copy())
        if each.arm.encoder == "hash_noise"
        else each
        for each in file.arms
    ]
    write_predictions(paths.predictions("controls"), replace(file, arms=arms))
    before = paths.SUMMARY.read_bytes()
    with pytest.raises(UserError, match="leakage"):
        run("compare", params)
    assert paths.SUMMARY.read_bytes() == before


def test_a_gain_is_called_confounded_where_only_the_pretrained_arm_sees_order(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_study(here, encoders={"tiny": (0.9, 0.6), "vivit": (0.9, 0.6)})
    file = read_predictions(paths.predictions("vivit"))
    features = json.loads(json.dumps(file.features))
    features["order"]["random"]["mid/mean"]["shuffled"] = 1e-7
    write_predictions(paths.predictions("vivit"), replace(file, features=features))
    run("compare", params)
    assert summary()["confounded"] is False
    assert {row["encoder"]: row["confounded"] for row in rows(paths.ARMS) if row["arm"] == "pretrained"} == {
        "tiny": "0",
        "vivit": "1",
    }
    order = {(row["encoder"], row["arm"]): row for row in rows(paths.ORDER)}
    assert float(order["vivit", "random"]["shuffled"]) == 1e-7
    assert (order["vivit", "pretrained"]["layer"], order["vivit", "pretrained"]["pooling"]) == ("mid", "mean")
    assert float(order["vivit", "pretrained"]["static"]) == 0.5

    show.run()
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("Confounded: ") == 1
    assert shown.index("Warning for tiny") < shown.index("Warning for vivit") < shown.index("Confounded: ")

    run("plot", params)
    page = (paths.REPORT / "index.html").read_text()
    assert page.count("Confounded: ") == 1
    assert page.count('<span class="interval">confounded</span>') == 1

    said = run("compare", params.model_copy(update={"encoders": ["vivit", "tiny"]}))
    assert said.startswith(summary()["sentence"] + " Warning: Confounded: ")
    assert summary()["confounded"] is True


def test_the_page_and_the_terminal_show_what_the_pretraining_saw(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_study(here, encoders={"tiny": (0.9, 0.6), "own": (0.9, 0.6)}, per_class=60)
    for name, held_out in (("tiny", 0), ("own", 7)):
        file = read_predictions(paths.predictions(name))
        features = {**file.features, "seen": {"recorded": 100, "held_out": held_out}}
        write_predictions(paths.predictions(name), replace(file, features=features))
    run("compare", params)
    assert summary()["contaminated"] is False
    marks = {row["encoder"]: row["contaminated"] for row in rows(paths.ARMS) if row["arm"] == "pretrained"}
    assert marks == {"tiny": "0", "own": "1"}
    show.run()
    shown = " ".join(capsys.readouterr().out.split())
    assert "Warning for own: Contaminated: the pretraining saw 7 of the 120 held-out items" in shown
    run("plot", params)
    page = (paths.REPORT / "index.html").read_text()
    assert page.count('<span class="interval">contaminated</span>') == 2  # beside the gain, and in the ladder
    assert page.count("Warning for own: Contaminated: ") == 1
    assert "its pretraining saw 100 items, among them none of those held out here" in page
    assert "its pretraining saw 100 items, among them 7 of those held out here" in page
    said = run("compare", params.model_copy(update={"encoders": ["own", "tiny"]}))
    assert "Warning: Contaminated: " in said
    assert (summary()["contaminated"], summary()["verdict"]) == (True, "inconclusive")


def test_other_items_and_missing_files_are_refused_and_other_encoders_do_not_count(here: Path) -> None:
    params = make_study(here)
    before = {path: path.read_bytes() for path in Path("metrics").iterdir()}
    file = paths.predictions("tiny").read_bytes()
    paths.predictions("stranger").write_bytes(file)
    run("compare", params)
    assert {path: path.read_bytes() for path in Path("metrics").iterdir()} == before
    assert paths.predictions("stranger").read_bytes() == file  # compare only reads

    other = replace(read_predictions(paths.predictions("tiny")), items="of another day")
    write_predictions(paths.predictions("tiny"), other)
    with pytest.raises(UserError, match="probed with different items"):
        run("compare", params)
    paths.predictions("tiny").unlink()
    with pytest.raises(UserError, match=r"tiny\.parquet: is missing"):
        run("compare", params)


def test_the_ladder_has_sizes_and_no_row_of_what_was_left_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_study(here, per_class=40)
    sizes = {(row["alternative"], row["arm"]): row["parameters"] for row in rows(paths.LADDER)}
    assert (sizes["tiny", "pretrained"], sizes["kinematics", "baseline"]) == ("144900000", "188")
    assert sizes["pixels", "control"] == ""
    measured = Measured(
        training_seconds=0.5, inference_seconds=0.002, parameters=188, bytes=752, trainings=9, device="cpu"
    )
    write_costs("kinematics", measured)
    write_pass_costs("tiny", "0" * 64, "cuda", lambda: 0.01)
    show.run()
    shown = [line.split("│") for line in capsys.readouterr().out.splitlines()]
    costs = {cells[1].strip(): [cell.strip() for cell in cells[4:8]] for cells in shown if len(cells) == 9}
    assert costs["kinematics"] == ["188", "", "0.5 s", "2 ms"]
    # 80 items in three folds: 54 passes of 10 ms
    assert (
        costs["tiny, pretrained"]
        == costs["tiny, random"]
        == ["144,900,000", "", "0.54 s (cuda)", "10 ms (cuda)"]
    )
    assert costs["pixels"] == ["", "", "", ""]

    file = read_predictions(paths.predictions("kinematics"))
    nothing = replace(file, arms=[], split_half_counts=file.split_half_counts[:0])
    write_predictions(paths.predictions("kinematics"), nothing)
    run("compare", params)
    assert {name for name, _ in sizes} - {row["alternative"] for row in rows(paths.LADDER)} == {"kinematics"}


def test_show_prints_the_results(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"summary\.json: is missing; run `dvc repro compare`"):
        show.run()
    make_study(here, per_class=40)
    show.run()
    shown = capsys.readouterr().out
    found = summary()
    assert found["sentence"] in " ".join(shown.split())
    assert f"{100 * found['accuracy']:.1f} %" in shown
    assert "hash_noise" in shown
