"""The pipeline as DVC runs it, on a study of seconds. The oracle is dvc.lock: hashes of everything that was written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from small_project import ENCODER, command, make_project, set_params

pytestmark = pytest.mark.e2e

SUMMARY_KEYS = {
    "encoder", "weights", "n_items", "n_classes", "chance", "accuracy", "macro_f1", "log_loss", "random_accuracy",
    "gain", "gain_ci_low", "gain_ci_high", "p_value", "p_draw", "verdict", "minimum_detectable_gain",
}  # fmt: skip


def hashes(project: Path, costs: bool = True) -> dict[str, str]:
    """MD5 of each output. costs: also of measured seconds, which are kept in a project but differ between two."""
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    return {path: md5 for path, md5 in outs.items() if costs or not path.startswith("data/costs/")}


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def summary(project: Path) -> dict:
    return json.loads((project / "metrics/summary.json").read_text())


def test_the_summary_is_flat_finite_and_complete(reproduced: Path) -> None:
    content = summary(reproduced)
    assert content.keys() >= SUMMARY_KEYS
    for key, value in content.items():
        assert isinstance(value, str | int | float), key
        assert value == value, key
    assert content["n_items"] == 48
    assert content["gain"] == pytest.approx(
        content["accuracy"] - content["random_accuracy"], abs=2e-6
    )  # six decimals


def test_a_second_repro_runs_nothing_and_leaves_git_clean(reproduced: Path) -> None:
    assert stages_run(command(reproduced, "dvc", "repro")) == set()
    assert command(reproduced, "git", "status", "--porcelain") == ""


def test_force_gives_the_same_bytes(reproduced: Path, tmp_path: Path) -> None:
    before = hashes(reproduced)
    # An empty feature cache: otherwise extraction would only be read back.
    output = command(reproduced, "dvc", "repro", "--force", TRAJPROBE_CACHE=str(tmp_path))
    assert len(stages_run(output)) == 11
    assert hashes(reproduced) == before
    assert command(reproduced, "git", "status", "--porcelain") == ""


def test_pretrained_against_random_through_experiments(reproduced: Path) -> None:
    command(reproduced, "dvc", "exp", "run", "-n", "pretrained")
    output = command(reproduced, "dvc", "exp", "run", "-n", "random", "-S", "weights=random")
    assert stages_run(output) == {"compare", "plot"}
    diff = json.loads(command(reproduced, "dvc", "metrics", "diff", "--json", "random", "pretrained"))
    accuracy = diff["metrics/summary.json"]["accuracy"]
    content = json.loads(command(reproduced, "git", "show", "HEAD:metrics/summary.json"))
    assert accuracy["new"] == pytest.approx(content["accuracy"])
    assert accuracy["old"] == pytest.approx(content["random_accuracy"])
    command(reproduced, "git", "checkout", "-q", ".")
    command(reproduced, "dvc", "checkout", "-q")
    assert stages_run(command(reproduced, "dvc", "repro")) == set()


def test_encoders_that_left_are_not_counted(reproduced: Path) -> None:
    before = hashes(reproduced)
    command(reproduced, "dvc", "exp", "run", "-n", "null", "-S", "encoders=[placeholder]")
    assert summary(reproduced)["encoder"] == "placeholder"
    assert summary(reproduced)["verdict"] in {"no_difference", "inconclusive"}
    assert "magvit2" not in (reproduced / "metrics/arms.csv").read_text()
    command(reproduced, "git", "checkout", "-q", ".")
    command(reproduced, "dvc", "checkout", "-q")
    command(reproduced, "dvc", "repro")
    assert hashes(reproduced) == before
    assert command(reproduced, "git", "status", "--porcelain") == ""


def test_an_experiment_in_a_temporary_folder_leaves_the_workspace_alone(reproduced: Path) -> None:
    command(reproduced, "dvc", "exp", "run", "--temp", "-n", "temp", "-S", "compare.rope=0.03")
    assert "temp" in command(reproduced, "dvc", "exp", "list", "--name-only").split()
    assert command(reproduced, "git", "status", "--porcelain") == ""


def test_push_and_pull_into_a_second_clone(reproduced: Path, tmp_path: Path) -> None:
    command(reproduced, "dvc", "push", "-q")
    clone = tmp_path / "clone"
    command(tmp_path, "git", "clone", "-q", str(reproduced), str(clone))
    command(clone, "dvc", "pull", "-q")
    assert "up to date" in command(clone, "dvc", "status")
    assert stages_run(command(clone, "dvc", "repro")) == set()
    assert hashes(clone) == hashes(reproduced)


def test_a_ragged_3d_npz_is_imported_and_classified(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    rng = np.random.default_rng(0)
    lengths = rng.integers(8, 20, 40)
    labels = np.arange(40) % 2
    paths = []
    for length, label in zip(lengths, labels, strict=True):
        t = np.linspace(0, 1, length)[:, None]
        paths.append(t * rng.normal(size=3) if label else np.cumsum(rng.normal(size=(length, 3)), 0))
    np.savez(
        tmp_path / "mine.npz",
        points=np.concatenate(paths),
        lengths=lengths,
        labels=labels,
        class_names=np.array(["straight", "wandering"]),
    )
    command(project, "trajprobe", "import", str(tmp_path / "mine.npz"), "--name", "mine")
    command(project, "git", "add", "-A")
    command(project, "dvc", "exp", "run", "-n", "mine", "-S", "source=mine", "-S", "encoders=[placeholder]")
    assert summary(project)["n_items"] == 40
    assert summary(project)["n_classes"] == 2


def test_killing_repro_at_any_moment_ends_in_the_same_hashes(reproduced: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TRAJPROBE_CACHE": str(tmp_path / "cache"),
    }
    rng = np.random.default_rng(7)
    for _ in range(3):
        process = subprocess.Popen(
            ["dvc", "repro"], cwd=project, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(2, 6))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # A killed dvc leaves its lock file behind; it tells so itself and knows that its owner is gone.
    command(project, "dvc", "repro", TRAJPROBE_CACHE=str(tmp_path / "cache"))
    assert hashes(project, costs=False) == hashes(reproduced, costs=False)


@pytest.mark.parametrize(
    ("key", "value", "stage"),
    [
        ("render.frames", "five", "render"),
        ("encoders", ["magvit2_mani"], "compare"),
        ("synthesis.families", ["linear", "circlar"], "trajectories"),
        ("extract.layer", ["nowhere"], f"extract {ENCODER}"),
    ],
)
def test_a_mistake_in_the_params_is_one_line(
    key: str, value: object, stage: str, reproduced: Path, tmp_path: Path
) -> None:
    set_params(reproduced, {key: value})
    before = (reproduced / "metrics/summary.json").read_bytes()
    try:
        output = command(reproduced, "trajprobe", *stage.split(), fails=True)
    finally:
        command(reproduced, "git", "checkout", "-q", "params.yaml")
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in output
    assert (reproduced / "metrics/summary.json").read_bytes() == before
