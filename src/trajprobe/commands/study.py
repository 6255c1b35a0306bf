"""A study: several experiments that together answer a question, run as DVC experiments and shown as one table.

`run` queues what has no result on the current commit yet and runs the queue, so that an interrupted study goes on
where it was; whatever two experiments share (videos, features) is computed once, by DVC's run cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from trajprobe.errors import UserError
from trajprobe.params.study_file import Study, load_study


def run(path: Path) -> str:
    """Run the study's experiments that have no result yet; returns what to do next.

    Raises UserError where an override is wrong, where DVC refuses to queue, or where experiments failed (each named
    with its last error line; the others are kept).
    """
    study = load_study(path)
    missing = [name for name in study.experiments if name not in _results(path, study)]
    _forget_failures(path, missing)
    for name in missing:
        overrides = [f"{key}={_hydra(value)}" for key, value in study.overrides(name).items()]
        options = [part for override in overrides for part in ("-S", override)]
        _dvc("exp", "run", "--queue", "-n", experiment_name(path, name), *options)
    if missing:
        command = [sys.executable, "-m", "dvc", "exp", "run", "--run-all", "-j", "1"]
        subprocess.run(command, env=_environment(), check=False)
    done = _results(path, study)
    failed = [name for name in study.experiments if name not in done]
    if failed:
        reasons = "; ".join(f"{name}: {_last_error(path, name)}" for name in failed)
        raise UserError(
            f"{path}: {len(failed)} of {len(study.experiments)} experiments have no result: {reasons}"
        )
    return f"{len(missing)} run, {len(done) - len(missing)} already there; trajprobe study show {path}"


def show(path: Path) -> None:
    """Print the question and one row an experiment: items, accuracies, gain, interval, what could be seen, verdict."""
    from rich.table import Table

    from trajprobe.commands.console import console

    study = load_study(path)
    results = _results(path, study)
    out = console()
    out.print(" ".join(study.question.split()), style="bold")
    table = Table("experiment", "items", "pretrained", "random", "gain", "interval", "detectable", "verdict")
    for name in study.experiments:
        if (row := results.get(name)) is None:
            table.add_row(name, *[""] * 6, "not run")
            continue
        table.add_row(
            name,
            f"{row['n_items']:.0f}",
            f"{row['random_accuracy'] + row['gain']:.1%}",
            f"{row['random_accuracy']:.1%}",
            f"{100 * row['gain']:+.1f}",
            f"{100 * row['gain_ci_low']:+.1f} to {100 * row['gain_ci_high']:+.1f}",
            f"±{100 * row['minimum_detectable_gain']:.1f}",
            str(row["verdict"]).replace("_", " "),
        )
    out.print(table)
    out.print(
        "Gain, its interval, and the smallest gain the data could have detected are in points of accuracy."
    )
    if study.remarks:
        out.print(" ".join(study.remarks.split()))


def experiment_name(path: Path, experiment: str) -> str:
    """The name under which `dvc exp` knows an experiment of the study at `path`."""
    return f"{path.stem}-{experiment}"


def _results(path: Path, study: Study) -> dict[str, dict[str, Any]]:
    """Metrics of the study's finished experiments on the current commit."""
    from dvc.api import exp_show

    finished = {
        # Failed and queued experiments are listed with the metrics of the commit they started from.
        row["Experiment"]: row
        for row in exp_show()
        if row.get("Experiment") and row.get("State") in (None, "Success")
    }
    names = {name: experiment_name(path, name) for name in study.experiments}
    return {name: finished[full] for name, full in names.items() if full in finished}


def _forget_failures(path: Path, missing: list[str]) -> None:
    names = {experiment_name(path, name) for name in missing}
    listed = _dvc("queue", "status").splitlines()
    for line in listed:
        cells = line.split()
        if len(cells) >= 2 and cells[1] in names:
            _dvc("queue", "remove", cells[0])


def _last_error(path: Path, experiment: str) -> str:
    try:
        log = _dvc("queue", "logs", experiment_name(path, experiment))
    except UserError:
        return "never started"
    told = [line.strip() for line in log.splitlines() if line.lower().startswith("error")]
    return told[0].removeprefix("error: ") if told else "see dvc queue logs"


def _hydra(value: Any) -> str:
    """A value in the grammar of `dvc exp run -S`, in which JSON's lists, numbers and booleans are valid."""
    return value if isinstance(value, str) else json.dumps(value)


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
