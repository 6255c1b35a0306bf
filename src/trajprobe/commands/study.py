"""A study: several experiments that together answer a question, run as DVC experiments and shown as one table.

`run` queues what has no result on the current commit yet and runs the queue, so that an interrupted study goes on
where it was; whatever two experiments share (videos, features) is computed once, by DVC's run cache. A result counts
as long as it was obtained with the params that the study would use now.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.files import atomic
from trajprobe.params.loading import nearest, validate
from trajprobe.params.study import Params
from trajprobe.params.study_file import Study, load_study, params_of

if TYPE_CHECKING:
    from trajprobe.commands.study_page import Row

POLL = 2.0  # seconds between looks at the processes that run DVC's queue


def run(path: Path, only: Sequence[str] = ()) -> str:
    """Run the study's experiments that have no result yet; returns what to do next.

    only: names of experiments; all where there are none. Raises UserError where a name or an override is wrong, where
    DVC refuses to queue, or where experiments failed: each is named with its last error line before that, and the
    others are kept.
    """
    study = load_study(path)
    wanted = _chosen(path, study, only)
    _wait()
    missing = _missing(path, study, wanted)
    _forget(path, missing)
    for name in missing:
        overrides = [part for key, value in study.overrides(name).items() for part in _hydra(key, value)]
        options = [part for override in overrides for part in ("-S", override)]
        _dvc("exp", "run", "--queue", "-n", experiment_name(path, name), *options)
    if missing:
        command = [sys.executable, "-m", "dvc", "exp", "run", "--run-all", "-j", "1"]
        subprocess.run(command, env=_environment(), check=False)
    failed = _missing(path, study, wanted)
    for name in failed:
        print(f"{name}: no result: {_last_error(path, name)}")
    if failed:
        raise UserError(
            f"{path}: {len(failed)} of {len(wanted)} experiments have no result ({', '.join(failed)}); the others are "
            "kept, and the same command goes on with these"
        )
    return f"{len(missing)} run, {len(wanted) - len(missing)} already there; trajprobe study show {path}"


def show(path: Path, page: Path | None = None) -> None:
    """Print the question; one row an experiment: items, accuracies, gain, interval, what could be seen, verdict; and
    what can and cannot be concluded from each. page: where the same is written as HTML.

    Raises UserError where the study is wrong, or `page` cannot be written.
    """
    from rich.markup import escape
    from rich.table import Table

    from trajprobe.commands.console import console
    from trajprobe.report.words import bare, percent, points

    study = load_study(path)
    rows = {row.name: row for row in _rows(path, study)}
    out = console()
    out.print(escape(_flowing(study.question)), style="bold")
    table = Table("experiment", "items", "pretrained", "random", "gain", "interval", "detectable", "verdict")
    for name in study.experiments:
        if (row := rows.get(name)) is None:
            table.add_row(name, *[""] * 6, "missing")
            continue
        table.add_row(
            name,
            f"{row.items}",
            percent(row.pretrained),
            percent(row.random),
            points(row.gain.value),
            f"{bare(row.gain.low)} to {bare(row.gain.high)}",
            f"±{bare(row.detectable)}" if row.detectable <= 1 else "none",
            row.verdict.replace("_", " "),
        )
    out.print(table)
    out.print(
        "Gain, its interval, and the smallest gain the data could have detected are in points of accuracy."
    )
    for name, reading in study.readings.items():
        out.print(f"[bold]{name}[/]: {escape(_flowing(reading))}")
    if study.remarks:
        out.print(escape(_flowing(study.remarks)))
    if page:
        _write(page, path, study, list(rows.values()))
        out.print(f"{page}: open it in a browser")


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
    from dvc.exceptions import NotDvcRepoError

    if not _at_work():
        _bury()
    try:
        listed = exp_show()
    except NotDvcRepoError:
        raise UserError(
            f"{path}: DVC cannot list experiments while its worker puts one away; run this again in a moment"
        ) from None
    finished = {
        # Failed and queued experiments are listed with the metrics of the commit they started from.
        row["Experiment"]: row
        for row in listed
        if row.get("Experiment") and row.get("State") in (None, "Success")
    }
    rows = {name: finished.get(experiment_name(path, name)) for name in study.experiments}
    return {
        name: row for name, row in rows.items() if row and _ran(row["rev"]) == params_of(path, study, name)
    }


def _rows(path: Path, study: Study) -> "list[Row]":
    """The results of those experiments that have one, in the study's order."""
    from trajprobe.commands.study_page import Row
    from trajprobe.report.tables import Estimate

    return [
        Row(
            name=name,
            items=round(found["n_items"]),
            pretrained=found["random_accuracy"] + found["gain"],
            random=found["random_accuracy"],
            gain=Estimate(found["gain"], found["gain_ci_low"], found["gain_ci_high"]),
            detectable=found["minimum_detectable_gain"],
            verdict=found["verdict"],
            sentence=found["sentence"],
            warning=found["warning"] or "",
        )
        for name, found in _results(path, study).items()
    ]


def _write(page: Path, path: Path, study: Study, rows: "list[Row]") -> None:
    from trajprobe.commands.study_page import render

    ropes = {params_of(path, study, name).compare.rope for name in study.experiments}
    there = {row.name for row in rows}
    text = render(
        name=path.stem.replace("_", " ").capitalize(),
        question=_flowing(study.question),
        rows=rows,
        missing=[name for name in study.experiments if name not in there],
        readings={name: _flowing(reading) for name, reading in study.readings.items()},
        remarks=_flowing(study.remarks),
        rope=ropes.pop() if len(ropes) == 1 else 0,
    )
    if page.is_dir():
        raise UserError(f"--page {page}: must be a file, and a folder is there; name a file in it")
    try:
        with atomic(page) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--page {page}: cannot be written ({error.strerror}); name another file") from None


def _ran(commit: str) -> Params | None:
    """The params that an experiment was run with; None where they are not those of this version."""
    shown = subprocess.run(
        ["git", "show", f"{commit}:{paths.PARAMS}"], capture_output=True, encoding="utf-8", check=False
    )
    try:
        return validate(Params, yaml.safe_load(shown.stdout) or {}, commit)
    except UserError:
        return None


def _missing(path: Path, study: Study, wanted: Sequence[str]) -> list[str]:
    there = _results(path, study)
    return [name for name in wanted if name not in there]


def _wait() -> None:
    """Wait until nobody works on DVC's queue: an interrupted run leaves its worker behind, which goes on with what was
    queued, and which leaves when it has found nothing more for ten seconds.
    """
    if at_work := _at_work():
        print(
            "waiting for DVC's worker, which goes on with what an earlier run has queued "
            "(dvc queue stop --kill ends it)",
            flush=True,
        )
    while at_work:
        psutil.wait_procs(at_work, timeout=POLL)
        at_work = _at_work()


def _at_work() -> list[psutil.Process]:
    """The processes that run DVC's queue, started here or in a folder below.

    `dvc queue status` does not know them all: a worker that is between two experiments is idle to it, one that is slow
    to answer is not there, and an experiment whose worker was killed goes on by itself.
    """
    here = Path.cwd()
    of_queue = {"--run-all", "queue-worker", "exec-run"}
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if of_queue & set(process.info["cmdline"] or [])
        and Path(process.info["cwd"] or "").is_relative_to(here)
    ]


def _bury() -> None:
    """Tell DVC that what it takes for running has failed: nobody is at work, so it was killed.

    DVC would wait for it for ever, and cannot list experiments while the folder of one is gone. By itself its
    `queue kill` would send a signal to whatever process has the number of the killed one by now.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        queue = repo.experiments.celery_queue
        for task in list(queue.iter_active()):
            if (process := queue.proc.get(task.stash_rev)) and process.returncode is None:
                process.returncode = -1
                queue.proc[task.stash_rev] = process
            queue.kill([task.stash_rev])


def _forget(path: Path, missing: Sequence[str]) -> None:
    """Free the names of experiments that failed or were killed, and of those whose overrides or params were others."""
    from dvc.repo import Repo
    from dvc.repo.experiments.queue.remove import remove_tasks

    names = {experiment_name(path, name) for name in missing}
    with Repo() as repo:
        queue = repo.experiments.celery_queue
        tasks = [*queue.iter_queued(), *(done.entry for done in queue.iter_done())]
        for _ in ("stash", "tasks"):  # an experiment that was killed while it was set up is in both
            remove_tasks(queue, [task for task in tasks if task.name in names])
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
