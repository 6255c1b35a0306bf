"""`trajprobe verify` with a `dvc repro` that is played: identical outputs, rounded ones, other ones, and none at hand.

The oracle of the hashes is DVC (tests/e2e/test_verified.py); that of the differences is what the test put in.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from made_artifacts import features, predictions, trajectories
from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.features import read_features, write_features
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.commands import verify
from trajprobe.commands.output_differences import compare_outputs
from trajprobe.core import machine
from trajprobe.core.errors import UserError
from trajprobe.core.machine import differences, environment

ROOT = Path(__file__).parents[2]


def two(tmp_path: Path, write: Callable[[Path], None], name: str) -> tuple[Path, Path]:
    old, new = tmp_path / "old" / name, tmp_path / "new" / name
    for path in (old, new):
        path.parent.mkdir(exist_ok=True)
    write(old)
    new.write_bytes(old.read_bytes())
    return old, new


@pytest.mark.parametrize(("factor", "close"), [(1 + 1e-6, True), (1.01, False)])
def test_features(tmp_path: Path, factor: float, close: bool) -> None:
    old, new = two(tmp_path, features, "e.safetensors")
    file = read_features(old)
    write_features(new, {name: array * factor for name, array in file.arrays.items()}, file.metadata)
    found = compare_outputs("data/features/e.safetensors", old, new)
    assert found is not None
    assert found.close == close
    assert close or found.what == "largest relative difference 1.0e-02"
    write_features(new, {"other": np.zeros((2, 2))}, file.metadata)
    found = compare_outputs("data/features/e.safetensors", old, new)
    assert found is not None
    assert not found.close


@pytest.mark.parametrize(("changes", "close"), [(0, True), (12, False)])
def test_predictions(tmp_path: Path, changes: int, close: bool) -> None:
    old, new = two(tmp_path, predictions, "e.parquet")
    file = read_predictions(old)
    first, *others = file.arms
    predicted, probability = first.predicted.copy(), first.probability.copy()
    predicted.flat[:changes] = 1 - predicted.flat[:changes]
    probability[0, 0, 0] += 1e-3
    write_predictions(
        new, replace(file, arms=[replace(first, predicted=predicted, probability=probability), *others])
    )
    found = compare_outputs("data/predictions/e.parquet", old, new)
    assert found is not None
    assert (found.close, found.what) == (
        close,
        f"{changes} of 48 predictions changed; probabilities differ by up to 1.0e-03",
    )


def test_trajectories_and_clips(tmp_path: Path) -> None:
    old, new = two(tmp_path, trajectories, "trajectories.parquet")
    trajectories(new)  # other draws
    found = compare_outputs("data/trajectories.parquet", old, new)
    assert found is not None
    assert not found.close
    shape = (5, 2, 16, 16, 3)
    clips = np.full(shape, 100, np.uint8)
    for name, value in (("old.zarr", 100), ("one.zarr", 101), ("far.zarr", 200)):
        clips[2, 0, 0, 0] = value
        write_clips(tmp_path / name, shape, [clips], items="i", drawn={})
    one = compare_outputs("data/videos.zarr", tmp_path / "old.zarr", tmp_path / "one.zarr")
    far = compare_outputs("data/videos.zarr", tmp_path / "old.zarr", tmp_path / "far.zarr")
    assert one is not None
    assert far is not None
    assert (one.close, one.what) == (True, "3 values differ, by up to 1 grey levels")
    assert not far.close


@pytest.mark.parametrize(
    ("name", "old", "new", "close", "what"),
    [
        (
            "s.json",
            '{"gain": 0.2341, "verdict": "helps"}',
            '{"gain": 0.2351, "verdict": "helps"}',
            True,
            "gain",
        ),
        ("s.json", '{"gain": 0.23, "verdict": "helps"}', '{"gain": 0.13, "verdict": "helps"}', False, "gain"),
        ("s.json", '{"verdict": "helps"}', '{"verdict": "inconclusive"}', False, "helps became inconclusive"),
        ("s.json", '{"sentence": "a"}', '{"sentence": "b"}', True, "wording"),
        ("s.json", '{"a": [1, {"b": 2}]}', '{"a": [1, {"b": 2}, 3]}', False, "None became 3"),
        ("s.csv", "arm,accuracy\nx,0.5\n", "arm,accuracy\nx,0.51\n", True, "1.1"),
        ("s.csv", "arm,accuracy\nx,0.5\n", "arm,accuracy\ny,0.5\n", False, "x became y"),
    ],
)
def test_metrics(tmp_path: Path, name: str, old: str, new: str, close: bool, what: str) -> None:
    for folder, text in (("old", old), ("new", new)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    found = compare_outputs(f"metrics/{name}", tmp_path / "old" / name, tmp_path / "new" / name)
    assert found is not None
    assert found.close == close
    assert what in found.what


COSTS = {
    "training_seconds": 1.0,
    "inference_seconds": 0.5,
    "parameters": 8,
    "device": "cpu",
    "predictions": "a",
}


@pytest.mark.parametrize(
    ("changes", "only_measured"),
    [
        ({"training_seconds": 9.0, "inference_seconds": 2.5}, True),
        ({"device": "cuda", "predictions": "b"}, True),
        ({"training_seconds": 9.0, "parameters": 9}, False),
    ],
)
def test_seconds_of_costs_are_no_results(
    tmp_path: Path, changes: dict[str, object], only_measured: bool
) -> None:
    """They differ in every run; what was trained does not. Elsewhere seconds are numbers like others."""
    for folder, content in (("old", COSTS), ("new", {**COSTS, **changes})):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "c.json").write_text(json.dumps(content))
    files = (tmp_path / "old/c.json", tmp_path / "new/c.json")
    found = compare_outputs("data/costs/c.json", *files)
    assert found is not None
    assert (found.close, found.only_measured) == (only_measured, only_measured)
    elsewhere = compare_outputs("metrics/c.json", *files)
    assert elsewhere is not None
    assert not elsewhere.close


def test_an_environment_names_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = environment("cpu")
    assert here == environment("cpu")
    assert differences(here, here) == ""
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("flags\t\t: fpu sse4_2 avx avx2\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    other = environment("cuda")
    assert other["cpu"].endswith(" avx2")
    clause = differences({**other, "cpu": "x86_64 avx512f"}, other)
    assert clause == f"cpu x86_64 avx512f then, {other['cpu']} here"
    assert "threads" in differences(here, other)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project with one stage of three outputs, as `dvc repro` would leave it."""
    folder = tmp_path / "project"
    for name in ("params.yaml", "data/sources/synthetic/card.yaml", "models/magvit2_mini/card.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / ".dvc/tmp").mkdir(parents=True)
    (folder / ".dvc/config").write_text("")
    (folder / ".gitignore").write_text("/.dvc/tmp\n/metrics\n/report\n")
    made(folder, 0.25)
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "c"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    return folder


def made(folder: Path, gain: float, figure: str = "drawn") -> None:
    """The outputs and a dvc.lock that names them."""
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "report").mkdir(exist_ok=True)
    (folder / "metrics/summary.json").write_text(f'{{"gain": {gain}, "verdict": "helps"}}')
    (folder / "metrics/arms.csv").write_text("arm\nx\n")
    (folder / "report/index.html").write_text(figure)
    paths = ("metrics/summary.json", "metrics/arms.csv")
    outs: list[dict[str, Any]] = [
        {"path": path, "md5": verify._md5((folder / path).read_bytes())} for path in paths
    ]
    outs.append({"path": "report", "md5": verify._md5(figure.encode())})
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"compare": {"outs": outs}}}))


def test_measured_seconds_leave_an_output_identical(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def repeated(seconds: float) -> Callable[..., tuple[list[str], int]]:
        def run_dvc(folder: Path, *_: object, **__: object) -> tuple[list[str], int]:
            content = json.dumps({**COSTS, "training_seconds": seconds})
            (folder / "data/costs").mkdir(parents=True, exist_ok=True)
            (folder / "data/costs/dtw.json").write_text(content)
            outs = [{"path": "data/costs/dtw.json", "md5": verify._md5(content.encode())}]
            lock = {"schema": "2.0", "stages": {"baseline@dtw": {"outs": outs}}}
            (folder / "dvc.lock").write_text(yaml.safe_dump(lock))
            return [], 0

        return run_dvc

    repeated(1.0)(project)
    monkeypatch.setattr(verify, "run_dvc", repeated(9.0))
    verify.run()
    printed = capsys.readouterr().out
    assert "but for the measured seconds" in printed
    assert "1 identical, 0 close, 0 different" in printed


def played(monkeypatch: pytest.MonkeyPatch, gain: float, figure: str = "drawn", code: int = 0) -> None:
    def run_dvc(folder: Path, lock: int, *arguments: str, **variables: str) -> tuple[list[str], int]:
        assert arguments == ("repro", "--force", "--no-run-cache")
        assert not (Path(variables["TRAJPROBE_CACHE"]) / "features").exists()
        made(folder, gain, figure)
        return ["error: no space left\n"], code

    monkeypatch.setattr(verify, "run_dvc", run_dvc)


def test_the_same_outputs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played(monkeypatch, 0.25)
    verify.run()
    printed = capsys.readouterr().out
    assert "3 identical, 0 close, 0 different" in printed
    assert "The verdict holds." in printed
    assert not (project / ".dvc/tmp/study").exists()


def test_rounding_is_close(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    played(monkeypatch, 0.2501)
    verify.run()
    printed = capsys.readouterr().out
    assert "2 identical, 1 close, 0 different" in printed
    assert "1.0e-04 (gain)" in printed


def test_more_than_rounding_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(monkeypatch, 0.5)
    with pytest.raises(
        UserError, match=r"1 of 3 outputs differ by more than rounding, the first is metrics/summary"
    ):
        verify.run()


def test_without_the_original_nothing_is_claimed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "metrics/summary.json").unlink()
    played(monkeypatch, 0.5, figure="otherwise")
    verify.run()
    printed = capsys.readouterr().out
    assert "the original is not here: `dvc pull`" in printed
    assert "The verdict holds" not in printed


def test_a_stage_that_fails_and_a_missing_lock_are_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(monkeypatch, 0.25, code=1)
    with pytest.raises(UserError, match="no space left"):
        verify.run()
    (project / "dvc.lock").write_text("stages: 3")
    with pytest.raises(UserError, match="restore it with git"):
        verify.run()
    (project / "dvc.lock").unlink()
    with pytest.raises(UserError, match="nothing to verify"):
        verify.run()
