"""`trajprobe study run` and `study show`: several DVC experiments that together answer a question, as one table.

An experiment has a result if git holds one that started from the current commit with the params that the study asks
for now; `run` runs the others, one after the other. What two experiments share (videos, features) is computed once, by
DVC's run cache. With `extract.random_inits: auto` an experiment is run again with more initialisations, under the same
name, until its verdict is decided.
"""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trajprobe.artifacts.encoder_card import FileWeights, load_encoder_card
from trajprobe.commands.experiments import Project, find_project, reserved, run_experiment
from trajprobe.commands.study_file import Look, Study, load_study, looks
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic
from trajprobe.core.schema import nearest, validate
from trajprobe.params import Params

if TYPE_CHECKING:
    from trajprobe.commands.study_page import ExperimentRow


def run(path: Path, only: Sequence[str] = ()) -> str:
    """Run the study's experiments that have no result yet; returns what to do next.

    only: names of experiments, or none for all of them. Raises UserError if a name or an override is wrong, if an
    experiment needs an encoder that is to be made first, or files that git does not track, or if experiments failed;
    those are named with the reason, and the results of the others are kept.
    """
    study = load_study(path)
    wanted = _chosen(path, study, only)
    project = find_project(Path.cwd())
    with reserved(project) as lock:
        there = _results(project, path, study)
        missing = [name for name in wanted if name not in there]
        asked = {name: looks(path, study, name)[-1].params for name in missing}
        _check_made(path, study, asked.values())
        _check_tracked(project, path, asked.values())
        weights = {name: weights_files(params) for name, params in asked.items()}
        failed = {}
        for name in missing:
            reason = _run_until_decided(project, path, study, name, weights[name], lock)
            if reason is not None:
                failed[name] = reason
    for name, reason in failed.items():
        print(f"{name}: no result: {reason}")
    if failed:
        raise UserError(
            f"{path}: {len(failed)} of {len(wanted)} experiments have no result ({', '.join(failed)}); the others are "
            "kept, and the same command goes on with these"
        )
    return f"{len(missing)} run, {len(wanted) - len(missing)} already there; trajprobe study show {path}"


def show_study(path: Path, page: Path | None = None) -> None:
    """Print the question, one row for each experiment, and what can and cannot be concluded from each.

    A row has the items, accuracies, gain, its interval, the detectable gain and the verdict. page: where the same is
    written as HTML. Raises UserError if the study is wrong, or `page` cannot be written.
    """
    from rich.markup import escape
    from rich.table import Table

    from trajprobe.artifacts.formatting import ACCURACY
    from trajprobe.commands.listing import console

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
            row.scale.value(row.pretrained),
            row.scale.value(row.random),
            row.scale.difference(row.gain.value),
            row.scale.between(row.gain.low, row.gain.high),
            f"±{row.scale.bare(row.detectable)}" if row.detectable <= 1 else "none",
            row.verdict.replace("_", " "),
        )
    out.print(table)
    out.print(
        "Gain, its interval, and the smallest gain the data could have detected are in points of accuracy"
        + ("." if all(row.scale is ACCURACY for row in rows.values()) else ", or in R² of predicted numbers.")
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


def _run_until_decided(
    project: Project, path: Path, study: Study, name: str, weights: Sequence[Path], lock: int
) -> str | None:
    """Run an experiment's looks that are still to come, up to the one that decides; returns why one failed, or None."""
    todo = looks(path, study, name)
    last = _last_look(project, path, name, todo)
    for look in todo[last[0] + 1 if last else 0 :]:
        overrides = [part for key, value in look.overrides.items() for part in _hydra(key, value)]
        reason = run_experiment(
            project, experiment_name(path, name), overrides, local_files=weights, lock=lock
        )
        if reason is not None:
            return reason
        found = _last_look(project, path, name, todo)
        if len(todo) > 1 and found is not None:
            print(f"{name}: {look.params.extract.random_inits} initialisations: {found[1]['verdict']}")
            if _is_decided(found, todo):
                break
    return None


def _results(project: Project, path: Path, study: Study) -> dict[str, dict[str, Any]]:
    """metrics/summary.json of the experiments that have a result, by name, in the study's order."""
    results = {}
    for name in study.experiments:
        todo = looks(path, study, name)
        found = _last_look(project, path, name, todo)
        if found is not None and _is_decided(found, todo):
            results[name] = found[1]
    return results


def _last_look(
    project: Project, path: Path, name: str, todo: Sequence[Look]
) -> tuple[int, dict[str, Any]] | None:
    """Which of the looks the experiment's result in git is of, with its metrics/summary.json; None if of none."""
    text = project.read(experiment_name(path, name), paths.PARAMS)
    summary = project.read(experiment_name(path, name), paths.SUMMARY)
    params = _parsed(text) if text and summary else None
    return next(
        ((number, json.loads(summary or "")) for number, look in enumerate(todo) if look.params == params),
        None,
    )


def _is_decided(found: tuple[int, dict[str, Any]], todo: Sequence[Look]) -> bool:
    """Whether nothing is left to look at: the only look, the last, or one whose verdict is not `inconclusive`."""
    number, summary = found
    return number == len(todo) - 1 or summary["verdict"] != "inconclusive"


def _parsed(text: str) -> Params | None:
    """The params that an experiment was run with; None if they are not those of this version."""
    try:
        return validate(Params, yaml.safe_load(text), "params of an experiment")
    except UserError:
        return None


def _check_tracked(project: Project, path: Path, asked: Iterable[Params]) -> None:
    """Raises UserError if git does not track a file that an experiment with one of these params needs."""
    needed = {paths.PARAMS, Path("dvc.yaml"), project.dvc}
    for params in asked:
        needed |= {paths.source(params.source), *map(paths.encoder_card, params.encoders)}
    if untracked := project.untracked(sorted(needed)):
        raise UserError(
            f"{path}: experiments run in a copy of the files that git tracks, and it does not track "
            f"{', '.join(untracked)}; run `{shlex.join(['git', 'add', *untracked])}`"
        )


def _check_made(path: Path, study: Study, asked: Iterable[Params]) -> None:
    """Raises UserError if an encoder that the study's `before` makes is needed and has no card yet."""
    needed = dict.fromkeys(name for params in asked for name in params.encoders)
    waiting = [name for name in needed if name in study.before and not paths.encoder_card(name).is_file()]
    if waiting:
        commands = " && ".join(study.before[name] for name in waiting)
        folders = shlex.join(str(paths.encoder_card(name).parent) for name in waiting)
        raise UserError(
            f"{path}: before: {', '.join(waiting)} must be made first; run `{commands} && git add {folders}`"
        )


def weights_files(params: Params) -> list[Path]:
    """The files or folders in the project that encoders' cards name as weights or beside them, relative to the root."""
    weights = [load_encoder_card(name).weights for name in params.encoders]
    local = [own for own in weights if isinstance(own, FileWeights)]
    named = [Path(own.file) for own in local]
    named += [Path(own.seen_items.file) for own in local if own.seen_items is not None]
    return [file for file in named if not file.is_absolute() and ".." not in file.parts]


def _rows(path: Path, study: Study) -> "list[ExperimentRow]":
    """The results of those experiments that have one, in the study's order."""
    from trajprobe.artifacts.formatting import ACCURACY, R2
    from trajprobe.commands.study_page import ExperimentRow
    from trajprobe.core.schema import Interval

    return [
        ExperimentRow(
            name=name,
            items=round(found["n_items"]),
            pretrained=found[random_score] + found["gain"],
            random=found[random_score],
            gain=Interval(found["gain"], found["gain_ci_low"], found["gain_ci_high"]),
            detectable=found["minimum_detectable_gain"],
            verdict=found["verdict"],
            sentence=found["sentence"],
            warning=found["warning"] or "",
            scale=scale,
        )
        for name, found in _results(find_project(Path.cwd()), path, study).items()
        for random_score, scale in [
            ("random_accuracy", ACCURACY) if "random_accuracy" in found else ("random_r2", R2)
        ]
    ]


def _write(page: Path, path: Path, study: Study, rows: "list[ExperimentRow]") -> None:
    from trajprobe.commands.study_page import render_study

    ropes = {looks(path, study, name)[0].params.compare.rope for name in study.experiments}
    there = {row.name for row in rows}
    text = render_study(
        name=path.stem.replace("_", " ").capitalize(),
        question=_flowing(study.question),
        rows=rows,
        missing=[name for name in study.experiments if name not in there],
        readings={name: _flowing(reading) for name, reading in study.readings.items()},
        remarks=_flowing(study.remarks),
        rope=ropes.pop() if len(ropes) == 1 else 0,
    )
    if page.is_dir():
        raise UserError(f"--page {page}: is a folder; name a file in it")
    try:
        with atomic(page) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--page {page}: cannot be written ({error.strerror}); name another file") from None


def _flowing(text: str) -> str:
    return " ".join(text.split())


def _hydra(key: str, value: Any) -> list[str]:
    """Overrides in the grammar of `dvc exp run -S`, in which JSON's lists, texts, numbers and booleans are valid.

    JSON's sections are not, so each of their keys is set by itself.
    """
    if isinstance(value, dict):
        return [part for name, each in value.items() for part in _hydra(f"{key}.{name}", each)]
    return [f"{key}={json.dumps(value, ensure_ascii=False)}"]
