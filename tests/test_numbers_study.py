"""A study whose labels are numbers, through all stages: the files against scikit-learn's R^2 of the predictions, what
is left out, and what people read."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import mean_absolute_error, r2_score

from made_numbers import INITS, make_numbers_study
from running import run
from small_project import ENCODER, command, make_project
from trajprobe.artifacts.analyses import read_analyses
from trajprobe.artifacts.comparisons import read_arms, read_ladder
from trajprobe.artifacts.metrics import read_summary
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.artifacts.trajectories import read_items
from trajprobe.commands import comparing, planning, show
from trajprobe.commands.output_differences import compare_outputs
from trajprobe.core import paths
from trajprobe.core.errors import UserError

OF_ACCURACY = re.compile(r"accura|percentage|\bpoints\b|macro|log loss|confusion matri", re.IGNORECASE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_all_stages(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = make_numbers_study(here)
    file = read_predictions(paths.predictions("tiny"))
    assert file.classes == []
    assert file.y.tolist() == [float(label) for label in read_items(paths.TRAJECTORIES).labels]
    before = paths.predictions("tiny").read_bytes()
    write_predictions(paths.predictions("tiny"), file)
    assert paths.predictions("tiny").read_bytes() == before

    said = run("analyse", params, "tiny", workers=1)
    assert "left out, as they are of classes and labels are numbers: label efficiency" in said
    analyses = read_analyses(paths.analyses("tiny"), "tiny")
    assert (analyses.n_classes, analyses.label_efficiency, analyses.probes) == (0, None, [])
    assert analyses.attributes
    assert "kinematics.parquet: R² " in run("baseline", params, "kinematics", workers=1)
    for name in ("dtw", "cnn3d"):
        left_out = (
            f"{name} is left out: it needs classes, and the labels of this source are numbers to predict"
        )
        assert run("baseline", params, name, workers=1) == left_out

    sentence = run("compare", params)
    found = json.loads(paths.SUMMARY.read_text())
    r2 = [np.mean([r2_score(file.y, each) for each in arm.predicted]) for arm in file.arms]
    assert found["r2"] == pytest.approx(r2[0], abs=1e-6)
    assert found["random_r2"] == pytest.approx(np.mean(r2[1:]), abs=1e-6)
    assert found["gain"] == pytest.approx(r2[0] - np.mean(r2[1:]), abs=2e-6)
    assert found["mean_absolute_error"] == pytest.approx(
        np.mean([mean_absolute_error(file.y, each) for each in file.arms[0].predicted]), abs=1e-6
    )
    assert (found["verdict"], found["chance"]) == ("helps", 0)
    assert found["gain_ci_low"] < found["gain"] < found["gain_ci_high"]
    assert None not in found.values()
    assert sentence.startswith("Pretraining helps: R² is 0.")
    assert read_summary(paths.SUMMARY).accuracy == found["r2"]
    for table in (paths.CONFUSION, paths.PER_CLASS, paths.RELIABILITY):
        assert len(table.read_text().splitlines()) == 1
    with paths.ARMS.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 1 + INITS + 4
    assert [float(row["r2"]) for row in rows[: 1 + INITS]] == pytest.approx(r2, abs=1e-6)
    assert not {"accuracy", "log_loss", "macro_f1", "ece", "odds_ratio"} & rows[0].keys()
    assert read_arms(paths.ARMS).headlines[0].pretrained.accuracy.value == float(rows[0]["r2"])
    assert read_ladder(paths.LADDER)[0].name == "tiny"
    assert "dtw" not in paths.LADDER.read_text()

    run("plot", params)
    page = (paths.REPORT / "index.html").read_text()
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    absent = (
        "Results by class, confusion matrices, calibration, few labels and the other measures are of classes"
    )
    assert absent in text
    assert not OF_ACCURACY.search(text.replace(absent, ""))
    assert "Predicted against true numbers" in text
    pictures = set(re.findall(r'(?:src|srcset)="([^"]+)"', page))
    assert {"scatter-tiny.png", "scatter-tiny-dark.png"} <= pictures
    assert all((paths.REPORT / name).is_file() for name in pictures)
    assert f"{found['r2']:.2f}" in text
    first = {path.name: path.read_bytes() for path in paths.REPORT.iterdir()}
    run("plot", params)
    assert {path.name: path.read_bytes() for path in paths.REPORT.iterdir()} == first

    capsys.readouterr()
    show.run()
    shown = capsys.readouterr().out
    assert f"{found['mean_absolute_error']:.4g}" in shown
    assert not OF_ACCURACY.search(shown)
    pilot = planning.read_pilot("tiny")
    assert pilot.about.endswith(f"gain +{found['gain']:.2f} in R².")
    assert compare_outputs("data/predictions/tiny.parquet", *[paths.predictions("tiny")] * 2).close  # type: ignore[union-attr]

    comparing.run(["tiny", "tiny/random"], 0.95, "json")
    first_row, second = json.loads(capsys.readouterr().out)
    assert first_row["r2"] == pytest.approx(r2[0], abs=1e-6)
    assert second["difference"] == pytest.approx(-found["gain"], abs=1e-5)
    comparing.run(["tiny", "kinematics"], 0.95, "table")
    assert not OF_ACCURACY.search(capsys.readouterr().out)
    with pytest.raises(UserError, match="--score brier is of classes"):
        comparing.run(["tiny", "kinematics"], 0.95, "table", "brier")
    with pytest.raises(UserError, match="dtw has no results: it needs classes"):
        comparing.run(["tiny", "dtw"], 0.95, "table")


@pytest.mark.slow
def test_from_a_file_to_the_page_by_the_command_line(tmp_path: Path) -> None:
    """Arcs of a known curvature are imported and read off the clips: far above chance."""
    project = make_project(tmp_path / "project")
    rng = np.random.default_rng(0)
    curvature, along = rng.uniform(0.3, 4, 90), np.linspace(0, 1, 30)
    angle = curvature[:, None] * along + rng.uniform(0, 2 * np.pi, (90, 1))
    points = np.cumsum(np.stack([np.cos(angle), np.sin(angle)], axis=2) / 30, axis=1)
    np.savez(tmp_path / "arcs.npz", points=points.astype(np.float32), curvature=curvature)
    options = ("--name", "arcs", "--array", "labels=curvature", "--target", "regression")
    said = command(project, "trajprobe", "import", str(tmp_path / "arcs.npz"), *options)
    assert "arcs: 90 trajectories with numbers to predict, 0.3" in said
    assert yaml.safe_load((project / "data/sources/arcs/card.yaml").read_text())["target"] == "regression"
    command(project, "git", "add", "data/sources/arcs")
    preview = command(project, "trajprobe", "preview", fails=None)
    assert "Traceback" not in preview
    command(project, "dvc", "exp", "run", "-n", "arcs", "-S", "source=arcs", "-S", f"encoders=[{ENCODER}]")
    found = json.loads((project / paths.SUMMARY).read_text())
    assert found["n_items"] == 90
    assert found["r2"] > 0.5
    assert "R²" in command(project, "trajprobe", "show")
    assert "Predicted against true numbers" in (project / paths.REPORT / "index.html").read_text()
    assert "Traceback" not in command(project, "trajprobe", "plan", fails=None)
