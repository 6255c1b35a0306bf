"""Stage `analyse`: the content of its file, what each switch leaves out, few groups in a class, the same bytes always.

The other tests of this folder compare its figures with closed forms; here they are compared with the probe stage.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_features import made_params, make_features
from running import run
from trajprobe.artifacts.analyses import Analyses, read_analyses
from trajprobe.artifacts.features import read_features, write_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.trajectories import ReadyClips, read_trajectories, write_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError

MEASURES = ("label_efficiency", "description_length", "selectivity", "attributes", "injection")
SWITCHES = (*MEASURES, "knn", "mlp", "attentive")
NONE = dict.fromkeys(SWITCHES, False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found() -> Analyses:
    return read_analyses(paths.analyses("tiny"), "tiny")


def test_the_defaults_fill_the_file() -> None:
    make_features(layers=("mid", "deep"))
    message = run("analyse", made_params(), "tiny")
    assert message.endswith("tiny.json: label efficiency, description length, selectivity, knn")
    written = found()
    assert (written.n_classes, written.seeds, written.confidence) == (3, 2, 0.95)
    assert written.chance == pytest.approx(1 / 3, abs=1e-6)
    efficiency, length = written.label_efficiency, written.description_length
    assert efficiency
    assert length
    assert (efficiency.labels, efficiency.draws) == ([1, 5], 4)
    for own, random, gain in zip(efficiency.pretrained, efficiency.random, efficiency.gain, strict=True):
        assert gain.value == pytest.approx(own.value - random.value, abs=2e-6)
    assert length.saving.value > 0.3
    assert [each.probe for each in written.probes] == ["knn"]


def test_accuracy_on_true_labels_is_that_of_the_probe_stage() -> None:
    make_features(poolings=("mean", "delta"), widths=(6, 9))
    params = made_params(analyse=NONE | {"selectivity": True})
    run("analyse", params, "tiny")
    run("probe", params, "tiny")
    predictions = read_predictions(paths.predictions("tiny"))
    first = [np.mean(arm.predicted[0] == predictions.y) for arm in predictions.arms[:3]]
    selectivity = found().selectivity
    assert selectivity
    assert selectivity.pretrained.true == pytest.approx(first[0], abs=1e-6)
    assert selectivity.random.true == pytest.approx(np.mean(first[1:]), abs=1e-6)


@pytest.mark.parametrize(
    ("rare", "tests"), [(3, False), (5, False), (1, True), (2, True)], ids=lambda value: str(value)
)
def test_a_few_groups_of_a_class_are_enough_for_every_analysis(rare: int, tests: bool) -> None:
    # Real data has classes with fewer tested groups than there are draws, and any names. tests: published.
    names = ["1", "2.0", "läuft, weg", "nan"]
    y = [*np.arange(60) % 3, *[3] * rare]
    own = [*np.arange(30) % 4, *y] if tests else y
    make_features(y=own, classes=names, tests=len(y) if tests else 0)
    run("analyse", made_params(analyse={"draws": 10, "labels": [1, 2]}), "tiny")
    written = found()
    assert written.label_efficiency
    assert written.label_efficiency.draws == max(rare, 2)
    assert written.selectivity
    assert written.description_length
    assert written.probes


@pytest.mark.parametrize("switch", [None, "label_efficiency", "description_length", "knn"])
def test_what_is_switched_off_is_left_out(switch: str | None) -> None:
    make_features()
    changes = NONE | ({switch: True} if switch else {})
    run("analyse", made_params(analyse=changes), "tiny")
    written = found()
    for name in ("label_efficiency", "description_length", "selectivity"):
        assert (getattr(written, name) is not None) == (name == switch)
    assert bool(written.probes) == (switch == "knn")


def test_networks_are_probes_beside_the_neighbours() -> None:
    make_features(poolings=("grid", "mean"), widths=(24, 6))
    networks = NONE | {"mlp": True, "attentive": True, "epochs": 5, "hidden": 8}
    run("analyse", made_params(analyse=networks), "tiny")
    probes = found().probes
    assert [each.probe for each in probes] == ["mlp", "attentive"]
    for each in probes:
        assert each.gain.low <= each.gain.value <= each.gain.high
        assert each.pretrained > 0.7


def test_attention_without_tokens_is_one_line_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    make_features()
    with pytest.raises(UserError, match=r"analyse.attentive: needs tokens.*'mean'.*\[grid, mean\]"):
        run("analyse", made_params(analyse={"attentive": True}), "tiny")
    assert capsys.readouterr().err == ""
    assert not paths.analyses("tiny").exists()


def test_too_few_groups_for_every_budget_are_reported() -> None:
    make_features()
    message = run("analyse", made_params(analyse=NONE | {"label_efficiency": True, "labels": [500]}), "tiny")
    assert "label efficiency left out" in message
    assert found().label_efficiency is None


@pytest.mark.parametrize("tests", [0, 30])
def test_reruns_and_threads_give_the_same_bytes(tests: int) -> None:
    make_features(inits=3, tests=tests, poolings=("per_frame", "mean"), widths=(12, 6))
    write_pixels()
    everything = dict.fromkeys(SWITCHES, True) | {"epochs": 3, "hidden": 8}
    written = set()
    for workers in (1, 1, 2):
        run("analyse", made_params(analyse=everything), "tiny", workers)
        written.add(paths.analyses("tiny").read_bytes())
    assert len(written) == 1


def test_features_of_other_items_are_one_line() -> None:
    make_features()
    features = read_features(paths.features("tiny"))
    write_features(paths.features("tiny"), features.arrays, {**features.metadata, "items": "of another day"})
    with pytest.raises(UserError, match="was made from other items"):
        run("analyse", made_params(), "tiny")


def write_pixels(**metadata: str) -> None:
    """A control `pixels` of 60 items and 5 frames."""
    own = read_features(paths.features("tiny")).metadata["items"]
    pixels = np.random.default_rng(0).random((60, 5 * 9))
    write_features(paths.features(paths.CONTROLS), {"control/pixels": pixels}, {"items": own, **metadata})


def test_attributes_are_read_from_paths_features_and_controls() -> None:
    make_features()
    write_pixels()
    message = run("analyse", made_params(analyse=NONE | {"attributes": True}), "tiny")
    assert message.endswith("tiny.json: attributes")
    attributes = found().attributes
    assert attributes
    # the made-up paths are noise, of which the features tell nothing
    assert {each.attribute for each in attributes} == {
        "speed",
        "direction",
        "curvature",
        "acceleration",
        "length",
    }
    assert max(each.pretrained.value for each in attributes) < 0.3


def test_controls_of_other_items_are_one_line() -> None:
    make_features()
    write_pixels(items="of another day")
    with pytest.raises(UserError, match=r"controls.safetensors: was made from other clips"):
        run("analyse", made_params(analyse=NONE | {"attributes": True}), "tiny")


def test_attributes_of_clips_without_paths_are_one_line() -> None:
    make_features()
    before = read_trajectories(paths.TRAJECTORIES)
    clips = ReadyClips([f"a.zip/{item}" for item in before.item_ids], [5] * 60, {}, ["0" * 64] * 60)
    write_trajectories(replace(before, points=[], clips=clips), paths.TRAJECTORIES)
    with pytest.raises(UserError, match=r"analyse.attributes: needs trajectories"):
        run("analyse", made_params(analyse={"attributes": True}), "tiny")


def test_a_planted_gain_needs_three_initialisations() -> None:
    make_features(inits=2)  # before extract.random_inits, which is 8, was raised
    needed = r"analyse.injection needs at least 3 .*, found 2; run `dvc repro extract@tiny`"
    with pytest.raises(UserError, match=needed):
        run("analyse", made_params(analyse={"injection": True}), "tiny")


def test_a_gain_that_does_not_fit_above_the_random_arm_is_left_out() -> None:
    make_features(inits=3)
    message = run("analyse", made_params(analyse=NONE | {"injection": True, "planted": 0.9}), "tiny")
    assert "injection left out: no planted signal raises the random arm by 90 points" in message
    assert found().injection is None


def test_torch_is_loaded_for_networks_alone() -> None:
    code = "import sys; import trajprobe.analyse.stage; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
