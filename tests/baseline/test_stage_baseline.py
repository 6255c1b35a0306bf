"""The stage `baseline`: the contract of `probe` for its predictions, chance where labels are shuffled, the same bytes
when it runs again, and mistakes in one line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

from made_baselines import baseline_params, make_encoder, make_moves, shuffle_labels
from running import run
from trajprobe.artifacts.predictions import Predictions, read_predictions
from trajprobe.artifacts.trajectories import ReadyClips, read_trajectories, write_trajectories
from trajprobe.baseline.task import NEED_PATHS
from trajprobe.core import paths
from trajprobe.core.costs import Measured, write_costs
from trajprobe.core.errors import UserError
from trajprobe.probe.folds import make_folds
from trajprobe.probe.held_out import make_split_halves, split_half_counts

LIGHT = ["kinematics", "dtw", "reversed"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    make_encoder()


def trained(name: str, **baseline: dict) -> Predictions:
    run("baseline", baseline_params(**baseline), name, workers=1)
    return read_predictions(paths.predictions(name))


@pytest.mark.parametrize("name", LIGHT)
def test_predictions_are_of_the_folds_and_halves_of_the_probe(name: str) -> None:
    y = make_moves(group_size=2)
    found, probe = trained(name), baseline_params().probe
    items = read_trajectories(paths.TRAJECTORIES)
    folds = make_folds(
        y,
        items.groups,
        items.splits,
        items.classes,
        split="auto",
        folds=probe.folds,
        repeats=probe.repeats,
        inner_folds=probe.inner_folds,
        seed=probe.seed,
    )
    pairs = make_split_halves(
        y, items.groups, items.splits, split="auto", folds=probe.folds, count=2, seed=probe.seed
    )
    (arm,) = found.arms
    assert (arm.arm.encoder, arm.arm.arm, arm.arm.init) == (name, "baseline", 0)
    assert (found.item_ids, found.groups) == (items.item_ids, items.groups)
    assert np.array_equal(found.y, y)
    for fold in folds:
        assert (arm.fold[fold.repeat, fold.test] == fold.fold).all()
    assert arm.probability.sum(axis=2) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(arm.predicted, arm.probability.argmax(axis=2))
    assert np.array_equal(found.split_half_counts, split_half_counts(y, 2, pairs))
    assert (arm.split_half_scores["accuracy"] <= found.split_half_counts).all()
    assert arm.split_half_scores["accuracy"].sum() > 0


@pytest.mark.parametrize("name", ["kinematics", "dtw"])
def test_a_published_split_is_held_out_once(name: str) -> None:
    y = make_moves(40, tests=12)
    found = trained(name)
    assert found.item_ids == [f"item-{index:03d}" for index in range(28, 40)]
    assert found.arms[0].fold.shape == (1, 12)
    assert np.array_equal(found.y, y[28:])


@pytest.mark.parametrize("name", ["kinematics", "dtw"])
def test_classes_that_move_in_another_way_are_told_apart(name: str) -> None:
    make_moves()
    found = trained(name)
    assert (found.arms[0].predicted == found.y).mean() > 0.9


@pytest.mark.parametrize("name", [*LIGHT, "static", "shuffled"])  # the others have a test of their own
def test_shuffled_labels_bring_it_to_chance(name: str) -> None:
    make_moves(80)
    shuffle_labels()
    found = trained(name)
    correct = int((found.arms[0].predicted == found.y).sum())
    assert binom.ppf(0.001, 80, 0.5) <= correct <= binom.ppf(0.999, 80, 0.5)


@pytest.mark.parametrize("name", LIGHT)
def test_again_and_in_processes_it_writes_the_same_bytes_and_keeps_the_costs(name: str) -> None:
    make_moves()
    written = set()
    for workers in (1, 2):
        run("baseline", baseline_params(), name, workers=workers)
        written.add((paths.predictions(name).read_bytes(), paths.costs(name).read_bytes()))
    assert len(written) == 1
    costs = json.loads(paths.costs(name).read_text())
    assert costs["training_seconds"] > 0
    assert costs["inference_seconds"] > 0
    assert costs["bytes"] == 4 * costs["parameters"] > 0
    assert costs["trainings"] == 3 + 2 * 2 * 3  # folds, and those of both halves of two pairs


def test_costs_are_measured_again_for_other_predictions() -> None:
    first, second = (
        Measured(
            training_seconds=seconds,
            inference_seconds=1.0,
            parameters=1,
            bytes=4,
            trainings=1,
            device="cpu",
        )
        for seconds in (1.0, 2.0)
    )
    paths.predictions("dtw").parent.mkdir(parents=True)
    paths.predictions("dtw").write_bytes(b"one")
    assert write_costs("dtw", first).training_seconds == 1
    assert write_costs("dtw", second).training_seconds == 1
    paths.predictions("dtw").write_bytes(b"other")
    assert write_costs("dtw", second).training_seconds == 2
    paths.costs("dtw").write_text("{broken")
    assert write_costs("dtw", first).training_seconds == 1


def test_probabilities_of_the_nearest_neighbour_come_from_training_items_alone() -> None:
    make_moves(tests=10)
    (arm,) = trained("dtw").arms
    assert (
        len(np.unique(np.sort(arm.probability, axis=2)[..., 1])) == 1
    )  # one confidence for each training part


def test_the_file_says_what_the_features_are() -> None:
    make_moves()
    trained("kinematics")
    written = json.loads(pq.read_schema(paths.predictions("kinematics")).metadata[b"trajprobe"])["features"]
    assert written["baseline"] == "kinematics"
    assert "curvature_50" in written["features"]


def test_an_unknown_alternative_comes_with_the_nearest() -> None:
    make_moves()
    with pytest.raises(UserError, match="no alternative 'kinematic'; did you mean kinematics") as caught:
        trained("kinematic")
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    make_moves()
    monkeypatch.setattr("trajprobe.baseline.task.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"^baselines: multirocket needs sktime and numba, .*\.\[series\]"
    ) as caught:
        trained("multirocket")
    assert "\n" not in str(caught.value)
    assert not paths.predictions("multirocket").exists()


def test_clips_without_paths_have_a_cnn_and_no_kinematics() -> None:
    make_moves(12)
    before = read_trajectories(paths.TRAJECTORIES)
    clips = ReadyClips([f"a.zip/{item}" for item in before.item_ids], [5] * 12, {}, ["0" * 64] * 12)
    write_trajectories(replace(before, points=[], clips=clips), paths.TRAJECTORIES)
    for name in NEED_PATHS:
        said = run("baseline", baseline_params(), name, workers=1)
        assert (
            said
            == f"{name} is left out: it needs trajectories, and the items of this source are clips without them"
        )
        assert read_predictions(paths.predictions(name)).arms == []
        assert json.loads(paths.costs(name).read_text())["trainings"] == 0
    assert len(trained("cnn3d", cnn3d={"pixels": 16, "epochs": 1, "seeds": 1, "split_halves": 0}).y) == 12
