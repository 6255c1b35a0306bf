"""Studies against DVC itself: a pipeline of one second, whose experiments are queued, resumed, and shown.

The oracle is what the toy pipeline must yield for each override; the toy refuses one value, as a failing stage would.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from trajprobe.commands import study
from trajprobe.errors import UserError
from trajprobe.params.study_file import load_study

ROOT = Path(__file__).parents[2]
TOY = """
import json, pathlib, sys, time, yaml
pathlib.Path(sys.argv[1] + ".begun").touch()
params = yaml.safe_load(open("params.yaml"))
seed = params["compare"]["seed"]
if seed == 13:
    sys.exit("error: thirteen is refused")
pathlib.Path("metrics").mkdir(exist_ok=True)
if seed == 7:
    time.sleep(8)
runs = pathlib.Path(sys.argv[1]); runs.write_text(runs.read_text() + f"{seed} " if runs.exists() else f"{seed} ")
json.dump({"n_items": 40, "random_accuracy": 0.5, "gain": seed / 100, "gain_ci_low": -0.01, "gain_ci_high": 0.2,
           "minimum_detectable_gain": 0.1, "verdict": "no_difference", "sentence": "No <difference>.",
           "warning": "few items" if seed == 2 else ""}, open("metrics/summary.json", "w"))
"""
STUDY = {
    "question": "Does the seed matter?",
    "shared": {"compare.rope": 0.05},
    "experiments": {"one": {"compare.seed": 1}, "two": {"compare.seed": 2, "encoders": ["magvit2_mini"]}},
    "readings": {"two": "Whether two [or more] seeds differ from one."},
    "remarks": "It should not.",
}


def git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@e.org", *arguments], check=True, capture_output=True
    )


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC repository at cwd; returns the file in which its one stage logs the seeds it ran with."""
    repository = tmp_path / "toy"
    repository.mkdir()
    monkeypatch.chdir(repository)
    runs = tmp_path / "runs"
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    Path("toy.py").write_text(TOY)
    stage = {
        "cmd": f"{sys.executable} toy.py {runs}",
        "params": ["compare"],
        "metrics": [{"metrics/summary.json": {"cache": False}}],
    }
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"toy": stage}}))
    Path("studies").mkdir()
    Path("studies/seeds.yaml").write_text(yaml.safe_dump(STUDY))
    git("init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    git("add", "-A")
    git("commit", "-q", "-m", "toy")
    return runs


@pytest.mark.e2e
def test_a_study_runs_what_is_missing_and_shows_one_row_each(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("studies/seeds.yaml")
    with_a_failure = {
        "question": "?",
        "shared": STUDY["shared"],
        "experiments": {"one": {"compare.seed": 1}, "bad": {"compare.seed": 13}},
    }
    path.write_text(yaml.safe_dump(with_a_failure))
    with pytest.raises(UserError, match=r"1 of 2 experiments have no result \(bad\)"):
        study.run(path)
    assert toy.read_text().split() == ["1"]
    assert "\nbad: no result: thirteen is refused\n" in "\n" + capsys.readouterr().out

    path.write_text(yaml.safe_dump(STUDY))
    assert study.run(path).startswith("1 run, 1 already there")
    assert study.run(path).startswith("0 run, 2 already there")
    assert study.run(path, ["two"]).startswith("0 run, 1 already there")
    assert toy.read_text().split() == ["1", "2"]  # nothing was run twice

    path.write_text(
        yaml.safe_dump(STUDY | {"experiments": STUDY["experiments"] | {"bad": {"compare.seed": 13}}})
    )
    capsys.readouterr()
    study.show(path, Path("out/page.html"))
    shown = capsys.readouterr().out
    assert "Does the seed matter?" in shown
    assert "It should not." in shown
    rows = {line.split()[1]: line for line in shown.splitlines() if line.startswith("│")}
    assert "+2.0" in rows["two"]
    assert "−1.0 to 20.0" in rows["two"]
    assert "missing" in rows["bad"]
    assert "two: Whether two [or more] seeds differ from one." in shown
    page = Path("out/page.html").read_text(encoding="utf-8")
    for text in (
        "Does the seed matter?",
        "It should not.",
        "+2.0",
        "−1.0 to 20.0",
        "not run",
        "two [or more] seeds",
    ):
        assert text in page
    assert page.count("No &lt;difference&gt;.") == 1  # of the one that has a reading
    assert "Mind: few items." in page
    assert "http" not in page

    Path("out/page.html").rename("out/kept")
    for wrong, why in (("out", "a folder is there"), ("toy.py/page.html", "cannot be written")):
        with pytest.raises(UserError, match=f"--page {wrong}: .*{why}"):
            study.show(path, Path(wrong))
    assert [file.name for file in Path("out").iterdir()] == ["kept"]


@contextmanager
def interrupted(path: Path, toy: Path) -> Iterator[subprocess.Popen]:
    """A run of the study in a process of its own, once the first stage has begun."""
    command = [
        sys.executable,
        "-c",
        f"from pathlib import Path; from trajprobe.commands.study import run; run(Path({str(path)!r}))",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        begun = Path(f"{toy}.begun")
        for _ in range(600):
            if begun.exists():
                break
            time.sleep(0.1)
        assert begun.exists()
        yield run


@pytest.fixture
def slow(toy: Path) -> Path:
    """A study whose first experiment takes eight seconds."""
    path = Path("studies/seeds.yaml")
    experiments = {"slow": {"compare.seed": 7}, "next": {"compare.seed": 2}}
    path.write_text(yaml.safe_dump({"question": "?", "experiments": experiments}))
    return path


@pytest.mark.e2e
def test_a_killed_study_goes_on_with_the_experiment_it_was_at(toy: Path, slow: Path) -> None:
    with interrupted(slow, toy) as run:
        run.kill()
    assert study.run(slow).startswith("0 run, 2 already there")
    assert study.run(slow).startswith("0 run, 2 already there")
    assert sorted(toy.read_text().split()) == ["2", "7"]  # neither was run twice


@pytest.mark.e2e
def test_a_study_goes_on_after_everything_was_killed(toy: Path, slow: Path) -> None:
    with interrupted(slow, toy) as run:
        for process in psutil.process_iter(["cwd"]):  # as when the machine is switched off
            if (process.info["cwd"] or "").startswith(str(Path.cwd())) and process.pid != os.getpid():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        run.wait()
    assert study.run(slow).endswith(f"trajprobe study show {slow}")
    assert study.run(slow).startswith("0 run, 2 already there")
    assert sorted(toy.read_text().split()) in (
        ["2", "7"],
        ["2", "2", "7"],
    )  # seven was not through, or had not begun


@pytest.mark.parametrize(("folder", "known"), [("here", True), ("here/below", True), ("beside", False)])
def test_a_worker_is_at_work_where_it_was_started_or_above(
    folder: str, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in ("here/below", "beside"):
        (tmp_path / made).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    command = [sys.executable, "-c", "input()", "exp", "queue-worker"]
    with subprocess.Popen(command, cwd=tmp_path / folder, stdin=subprocess.PIPE) as worker:
        assert [process.pid for process in study._at_work()] == ([worker.pid] if known else [])
        worker.communicate(b"\n")
    assert study._at_work() == []


@pytest.mark.e2e
def test_a_worker_killed_as_it_tidied_up_has_lost_nothing(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC then takes the finished experiment for running, in a folder that is gone, and cannot list experiments."""
    path = Path("studies/seeds.yaml")
    study.run(path, ["one"])
    study._wait()
    (told,) = Path(".dvc/tmp/exps/celery/result").iterdir()
    told.unlink()
    study.show(path)
    assert "+1.0" in capsys.readouterr().out
    assert study.run(path, ["one"]).startswith("0 run, 1 already there")
    assert toy.read_text().split() == ["1"]


@pytest.mark.e2e
def test_a_result_counts_for_the_overrides_it_was_obtained_with(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("studies/seeds.yaml")
    assert study.run(path, ["one"]).startswith("1 run, 0 already there")
    path.write_text(yaml.safe_dump(STUDY | {"experiments": {"one": {"compare.seed": 3}}, "readings": {}}))
    capsys.readouterr()
    study.show(path)
    assert "missing" in capsys.readouterr().out
    assert study.run(path).startswith("1 run, 0 already there")
    capsys.readouterr()
    study.show(path)
    assert "+3.0" in capsys.readouterr().out
    assert toy.read_text().split() == ["1", "3"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"render.frame": 5}, "no key render.frame; did you mean frames"),
        ({"rendr.frames": 5}, "no key rendr.frames"),
        ({"render.frames": "five"}, "render.frames: required a whole number"),
    ],
)
def test_a_wrong_override_is_refused_before_anything_runs(
    overrides: dict, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump({"question": "?", "experiments": {"first": overrides}}))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert expected in str(caught.value)
    assert "experiments.first" in str(caught.value)


def test_names_that_are_no_experiments_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = tmp_path / "seeds.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    with pytest.raises(UserError, match="no experiment tow; did you mean two"):
        study.run(path, ["tow"])
    path.write_text(yaml.safe_dump(STUDY | {"readings": {"tow": "?"}}))
    with pytest.raises(UserError, match="readings: no experiment tow; did you mean two"):
        load_study(path)


@pytest.mark.parametrize(
    "value",
    [
        "noise",
        "#ff00aa",
        "true",
        "null",
        "1e3",
        "it's",
        ["a", "b"],
        [1, 2],
        True,
        3,
        0.5,
        {"x": 1, "y": "#0"},
    ],
)
def test_an_override_reaches_params_as_it_stands_in_the_study(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    before = dict.fromkeys(value) if isinstance(value, dict) else "before"
    path.write_text(yaml.safe_dump({"section": {"key": before}}))
    apply_overrides(path, study._hydra("section.key", value))
    assert yaml.safe_load(path.read_text()) == {"section": {"key": value}}


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_we_ship_are_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    loaded = load_study(path)
    assert list(loaded.readings) == list(loaded.experiments)
