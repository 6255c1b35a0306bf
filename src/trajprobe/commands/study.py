"""A study: several experiments that together answer a question, run as DVC experiments and shown as one table.

`run` queues what has no result on the current commit yet and runs the queue, so that an interrupted study goes on
where it was; whatever two experiments share (videos, features) is computed once, by DVC's run cache. A result counts
as long as it was obtained with the params that the study would use now.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import nearest, validate
from trajprobe.params.study import Params
from trajprobe.params.study_file import Study, load_study, params_of

POLL = 2.0  # seconds between looks at DVC's queue


def run(path: Path, only: Sequence[str] = ()) -> str:
    """Run the study's experiments that have no result yet; returns what to do next.

    only: names of experiments; all where there are none. Raises UserError where a name or an override is wrong, where
    DVC refuses to queue, or where experiments failed: each is named with its last error line before that, and the
    others are kept.
    """
    study = load_study(path)
    wanted = _chosen(path, study, only)
    _wait(path, wanted)
    there = _results(path, study)
    missing = [name for name in wanted if name not in there]
    _forget(path, missing)
    for name in missing:
        overrides = [part for key, value in study.overrides(name).items() for part in _hydra(key, value)]
        options = [part for override in overrides for part in ("-S", override)]
        _dvc("exp", "run", "--queue", "-n", experiment_name(path, name), *options)
    if missing:
        command = [sys.executable, "-m", "dvc", "exp", "run", "--run-all", "-j", "1"]
        subprocess.run(command, env=_environment(), check=False)
    done = _results(path, study)
    failed = [name for name in wanted if name not in done]
    for name in failed:
        print(f"{name}: no result: {_last_error(path, name)}")
    if failed:
        raise UserError(
            f"{path}: {len(failed)} of {len(wanted)} experiments have no result ({', '.join(failed)}); the others are "
            "kept, and the same command goes on with these"
        )
    return f"{len(missing)} run, {len(wanted) - len(missing)} already there; trajprobe study show {path}"


def show(path: Path) -> None:
    """Print the question; one row an experiment: items, accuracies, gain, interval, what could be seen, verdict; and
    what can and cannot be concluded from each.
    """
    from rich.markup import escape
    from rich.table import Table

    from trajprobe.commands.console import console
    from trajprobe.report.words import percent

    study = load_study(path)
    results = _results(path, study)
    out = console()
    out.print(escape(_flowing(study.question)), style="bold")
    table = Table("experiment", "items", "pretrained", "random", "gain", "interval", "detectable", "verdict")
    for name in study.experiments:
        if (row := results.get(name)) is None:
            table.add_row(name, *[""] * 6, "missing")
            continue
        table.add_row(
            name,
            f"{row['n_items']:.0f}",
            percent(row["random_accuracy"] + row["gain"]),
            percent(row["random_accuracy"]),
            f"{100 * row['gain']:+.1f}",
            f"{100 * row['gain_ci_low']:+.1f} to {100 * row['gain_ci_high']:+.1f}",
            f"±{100 * row['minimum_detectable_gain']:.1f}",
            str(row["verdict"]).replace("_", " "),
        )
    out.print(table)
    out.print(
        "Gain, its interval, and the smallest gain the data could have detected are in points of accuracy."
    )
    for name, reading in study.readings.items():
        out.print(f"[bold]{name}[/]: {escape(_flowing(reading))}")
    if study.remarks:
        out.print(escape(_flowing(study.remarks)))


def experiment_name(path: Path, experiment: str) -> str:
    """The name under which `dvc exp` knows an experiment of the study at `path`."""
    return f"{path.stem}-{experiment}"


def _chosen(path: Path, study: Study, only: Sequence[str]) -> list[str]:
    for name in only:
        if name not in study.experiments:
            raise UserError(f"{path}: no experiment {name}; {nearest(name, list(study.experiments))}")
    return [name for name in study.experiments if name in only or not only]


def _results(path: Path, study: Study) -> dict[str, dict[str, Any]]:
    """Metrics of the study's finished experiments on the current commit, as the study has them now."""
    from dvc.api import exp_show

    finished = {
        # Failed and queued experiments are listed with the metrics of the commit they started from.
        row["Experiment"]: row
        for row in exp_show()
        if row.get("Experiment") and row.get("State") in (None, "Success")
    }
    rows = {name: finished.get(experiment_name(path, name)) for name in study.experiments}
    return {
        name: row for name, row in rows.items() if row and _ran(row["rev"]) == params_of(path, study, name)
    }


def _ran(commit: str) -> Params | None:
    """The params that an experiment was run with; None where they are not those of this version."""
    shown = subprocess.run(
        ["git", "show", f"{commit}:{paths.PARAMS}"], capture_output=True, encoding="utf-8", check=False
    )
    try:
        return validate(Params, yaml.safe_load(shown.stdout) or {}, commit)
    except UserError:
        return None


def _wait(path: Path, experiments: Sequence[str]) -> None:
    """Until DVC's worker is through with them: an interrupted run leaves it behind, and it goes on with the queue."""
    told = False
    while any(state == "Running" for _, state in _queue(path, experiments)):
        if not told:
            print(
                "waiting for DVC's worker, which goes on with what an interrupted run has queued", flush=True
            )
        told = True
        time.sleep(POLL)


def _queue(path: Path, experiments: Sequence[str]) -> list[tuple[str, str]]:
    """Revision and state of those of the study's experiments that are in DVC's queue; nothing runs without a worker."""
    names = {experiment_name(path, name) for name in experiments}
    status = _dvc("queue", "status")
    alive = "Worker status: 0 active" not in status
    lines = [line.split() for line in status.splitlines()]
    return [(cells[0], cells[-1] if alive else "") for cells in lines if len(cells) > 2 and cells[1] in names]


def _forget(path: Path, missing: Sequence[str]) -> None:
    """Free the names of failed experiments, and of finished ones whose overrides or params.yaml were others."""
    for revision, _ in _queue(path, missing):
        _dvc("queue", "remove", revision)
    names = {experiment_name(path, name) for name in missing}
    stale = names & set(_dvc("exp", "list", "--name-only").split())
    if stale:
        _dvc("exp", "remove", *sorted(stale))


def _last_error(path: Path, experiment: str) -> str:
    try:
        log = _dvc("queue", "logs", experiment_name(path, experiment))
    except UserError:
        return "never started"
    told = [line.strip() for line in log.splitlines() if line.lower().startswith("error")]
    return told[0].removeprefix("error: ") if told else "see dvc queue logs"


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _hydra(key: str, value: Any) -> list[str]:
    """Overrides in the grammar of `dvc exp run -S`, in which JSON's lists, texts, numbers and booleans are valid.

    JSON's sections are not, so each of their keys is set by itself.
    """
    if isinstance(value, dict):
        return [part for name, each in value.items() for part in _hydra(f"{key}.{name}", each)]
    return [f"{key}={json.dumps(value, ensure_ascii=False)}"]


def _environment() -> dict[str, str]:
    # DVC's queue worker looks for `dvc`, and the stages for `trajprobe`, on PATH; without them it waits forever.
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def _dvc(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise UserError(f"dvc {' '.join(arguments)}: {' '.join(last)}")
    return done.stdout
