"""The analyse stage: the keys of its file, what each switch leaves out, and the same bytes every time.

That its figures are right, tests/analyses holds against closed forms; here they are held against the probe stage.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_features import made_params, make_features
from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.features.store import read_features, write_features
from trajprobe.probe.predictions import read_predictions
from trajprobe.stages import analyse, probe

SWITCHES = ("label_efficiency", "description_length", "selectivity", "knn", "mlp", "attentive")
NONE = dict.fromkeys(SWITCHES, False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found() -> dict[str, Any]:
    return json.loads(paths.analyses("tiny").read_text())


def test_the_defaults_fill_the_file() -> None:
    make_features(layers=("mid", "deep"))
    message = analyse.run(made_params(), "tiny")
    assert message.endswith("tiny.json: label efficiency, description length, selectivity, knn")
    written = found()
    assert list(written) == [
        "encoder",
        "n_classes",
        "chance",
        "seeds",
        "confidence",
        "label_efficiency",
        "description_length",
        "selectivity",
        "probes",
    ]
    assert (written["n_classes"], written["seeds"], written["confidence"]) == (3, 2, 0.95)
    assert written["chance"] == pytest.approx(1 / 3, abs=1e-6)
    efficiency = written["label_efficiency"]
    assert (efficiency["labels"], efficiency["draws"]) == ([1, 5], 4)
    for curve in ("pretrained", "random", "gain"):
        assert {len(efficiency[curve][end]) for end in ("value", "low", "high")} == {2}
    assert [list(each) for each in efficiency["worth"]] == [["labels", "random_labels", "low", "high"]] * 2
    assert efficiency["gain"]["value"] == pytest.approx(
        np.subtract(efficiency["pretrained"]["value"], efficiency["random"]["value"]), abs=2e-6
    )
    assert written["description_length"]["saving"]["value"] > 0.3
    assert [each["probe"] for each in written["probes"]] == ["knn"]


def test_accuracy_on_true_labels_is_that_of_the_probe_stage() -> None:
    make_features(poolings=("mean", "delta"), widths=(6, 9))
    params = made_params(analyses=NONE | {"selectivity": True})
    analyse.run(params, "tiny")
    probe.run(params, "tiny")
    predictions = read_predictions(paths.predictions("tiny"))
    first = [np.mean(held.predicted[0] == predictions.codes) for held in predictions.arms[:3]]
    assert found()["selectivity"]["pretrained"]["true"] == pytest.approx(first[0], abs=1e-6)
    assert found()["selectivity"]["random"]["true"] == pytest.approx(np.mean(first[1:]), abs=1e-6)


@pytest.mark.parametrize("switch", [None, "label_efficiency", "description_length", "knn"])
def test_what_is_switched_off_is_left_out(switch: str | None) -> None:
    make_features()
    changes = NONE | ({switch: True} if switch else {})
    analyse.run(made_params(analyses=changes), "tiny")
    written = found()
    for name in ("label_efficiency", "description_length", "selectivity"):
        assert (written[name] is not None) == (name == switch)
    assert bool(written["probes"]) == (switch == "knn")


def test_networks_are_probes_beside_the_neighbours() -> None:
    make_features(poolings=("grid", "mean"), widths=(24, 6))
    networks = NONE | {"mlp": True, "attentive": True, "epochs": 5, "hidden": 8}
    analyse.run(made_params(analyses=networks), "tiny")
    probes = {each["probe"]: each for each in found()["probes"]}
    assert set(probes) == {"mlp", "attentive"}
    for each in probes.values():
        assert each["gain"]["low"] <= each["gain"]["value"] <= each["gain"]["high"]
        assert each["pretrained"] > 0.7


def test_attention_without_tokens_is_one_line_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    make_features()
    with pytest.raises(UserError, match=r"analyses.attentive: needs tokens.*'mean'.*\[grid, mean\]"):
        analyse.run(made_params(analyses={"attentive": True}), "tiny")
    assert capsys.readouterr().err == ""
    assert not paths.analyses("tiny").exists()


def test_too_few_groups_for_every_budget_are_said() -> None:
    make_features()
    message = analyse.run(made_params(analyses=NONE | {"label_efficiency": True, "labels": [500]}), "tiny")
    assert "label efficiency left out" in message
    assert found()["label_efficiency"] is None


@pytest.mark.parametrize("tests", [0, 30])
def test_reruns_and_threads_give_the_same_bytes(tests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    make_features(tests=tests, poolings=("per_frame", "mean"), widths=(12, 6))
    everything = dict.fromkeys(SWITCHES, True) | {"epochs": 3, "hidden": 8}
    written = set()
    for workers in ("1", "1", "2"):
        monkeypatch.setenv("TRAJPROBE_WORKERS", workers)
        analyse.run(made_params(analyses=everything), "tiny")
        written.add(paths.analyses("tiny").read_bytes())
    assert len(written) == 1


def test_features_of_other_items_are_one_line() -> None:
    make_features()
    features = read_features(paths.features("tiny"))
    write_features(paths.features("tiny"), features.arrays, {**features.metadata, "items": "of another day"})
    with pytest.raises(UserError, match="was made from other items"):
        analyse.run(made_params(), "tiny")


def test_torch_is_loaded_for_networks_alone() -> None:
    code = "import sys; import trajprobe.stages.analyse; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
