"""`trajprobe compare A B ...`: any encoders, alternatives, revisions or experiments, on the same items.

What `dvc metrics diff` shows as two numbers, with the statistics of the ladder: the difference of every one from the
first with its interval, Holm's correction over them, and the set that is statistically tied for best.
"""

import csv
import json
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from rich.table import Table

from trajprobe.artifacts.formatting import counted, p_value, percent, scale_of
from trajprobe.artifacts.metrics import LADDER_COLUMNS, rounded
from trajprobe.artifacts.predictions import ArmPredictions, ClassScore, Predictions, Score
from trajprobe.commands.listing import console
from trajprobe.commands.revisions import WORKSPACE, Revision
from trajprobe.compare.ladder import Rung, compare_rungs, ladder_rows
from trajprobe.compare.paired_predictions import (
    PairedPredictions,
    contrasts_of,
    pair_any,
)
from trajprobe.compare.scores import score_interval
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest

log = logging.getLogger(__name__)
Format = Literal["table", "md", "csv", "json"]
CONTROL_ARMS = ("coordinates", "pixels", "random_projection", "hash_noise")
ARMS = ("pretrained", "random")
FINETUNE = "finetune"  # the alternative with both arms
UNRELATED = (
    "encoders",
    "baselines",
    "weights",
    "analyse",
    "compare",
    "plot",
)  # sections that no prediction reads
MOST_CAUSES = 6  # that are listed
FEW_GROUPS = 100  # for a half of them to show how Brier scores vary
SCORES: dict[Score, str] = {
    "accuracy": "accuracy",
    "brier": "1 − Brier score / 2",
    "r2": "R²",
}


def run(names: Sequence[str], confidence: float, form: Format, score: ClassScore = "accuracy") -> None:
    """Print the comparison of all with the first. confidence: of the intervals and the tied set.

    names: each `[REVISION:]NAME[/ARM]`, or a revision alone, which stands for its first encoder and the arm that its
    `weights` names. Raises UserError if one is unknown or ambiguous, or they were not probed on the same items.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"compare: two or more different things are required, got {', '.join(names)}")
    known: dict[str, Revision] = {WORKSPACE: Revision(WORKSPACE)}
    found = {name: _find(name, known) for name in names}
    paired = pair_any({name: predictions for name, (_, predictions, _) in found.items()}, score)
    if score not in ("accuracy", paired.score):
        raise UserError(
            f"compare: --score {score} is of classes, and these labels are numbers; leave it out for R²"
        )
    alternatives = [predictions.features.get("baseline") for _, predictions, _ in found.values()]
    for name, (revision, _, _) in found.items():
        if others := other_causes(found[names[0]][0], revision, alternatives):
            listed = ", ".join(others[:MOST_CAUSES]) + (", ..." if len(others) > MOST_CAUSES else "")
            log.warning(
                "Note: %s and %s also differ in %s, which may explain a difference", name, names[0], listed
            )
    rungs = compare_rungs(paired, [(name, arms) for name, (_, _, arms) in found.items()], confidence)
    if form == "table":
        _print(paired, rungs, confidence)
    elif form == "md":
        header, *rows = _cells(paired, rungs, confidence)
        for row in (header, ["---"] * len(header), *rows):
            print(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    else:
        rows_of = [
            {key.replace("accuracy", paired.score): rounded(value) for key, value in row.items()}
            for row in ladder_rows(paired, rungs, confidence)
        ]
        if form == "json":
            print(json.dumps(rows_of, indent=2, ensure_ascii=False))
        else:
            columns = [column.replace("accuracy", paired.score) for column in LADDER_COLUMNS]
            writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows_of)


def other_causes(one: Revision, other: Revision, alternatives: Sequence[str | None] = ()) -> list[str]:
    """In what two revisions differ that predictions come from: keys of params.yaml, and the file of trajectories.

    Their items may have the same ids, labels and folds, and yet be other paths, clips or probes. alternatives: those
    whose own params count.
    """
    mine, theirs = (_flat(revision.params) for revision in (one, other))
    causes = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
    causes = [key for key in causes if key.partition(".")[0] not in UNRELATED]
    compared = tuple(key for name in alternatives if name for key in (f"baseline.{name}.", "baseline.seed"))
    causes = [key for key in causes if not key.startswith("baseline.") or key.startswith(compared)]
    digests = {one.trajectories, other.trajectories}
    if len(digests) > 1 and None not in digests:
        causes.append(str(paths.TRAJECTORIES))
    return causes


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"render": {"size": 128}} as {"render.size": 128}."""
    flat: dict[str, Any] = {}
    for key, value in params.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _find(name: str, known: dict[str, Revision]) -> tuple[Revision, Predictions, Sequence[ArmPredictions]]:
    """The revision, the file and the arms that `name` stands for. known: revisions that were opened, by name."""
    given, colon, place = name.partition(":")
    own, _, arm = (place if colon else name).partition("/")
    if colon:
        revision = _open(given, known)
        return revision, *_arms(name, revision, own, arm)
    here = own in _named(known[WORKSPACE])
    try:
        revision = _open(name, known)
    except UserError as error:
        if here:
            return known[WORKSPACE], *_arms(name, known[WORKSPACE], own, arm)
        raise UserError(
            f"{name}: is not in params.yaml ({nearest(own, _named(known[WORKSPACE]))}), nor a revision: {error}"
        ) from None
    if here:
        raise UserError(
            f"{name}: is in params.yaml and also a revision; write {WORKSPACE}:{name}, or {name}:ENCODER of that"
        )
    first, weights = revision.params["encoders"][0], revision.params.get("weights", "pretrained")
    return revision, *_arms(name, revision, first, weights)


def _open(name: str, known: dict[str, Revision]) -> Revision:
    if name not in known:
        known[name] = Revision(name)
    return known[name]


def _named(revision: Revision) -> list[str]:
    return [*revision.params["encoders"], *(revision.params.get("baselines") or []), *CONTROL_ARMS]


def _arms(
    where: str, revision: Revision, name: str, arm: str
) -> tuple[Predictions, Sequence[ArmPredictions]]:
    """arm: pretrained or random of an encoder or of `finetune`; empty for what has one arm, and for pretrained."""
    is_encoder = name in revision.params["encoders"]
    if name not in _named(revision):
        raise UserError(f"{where}: {name!r} is not in params.yaml; {nearest(name, _named(revision))}")
    two_arms = is_encoder or name == FINETUNE
    if arm and (arm not in ARMS or not two_arms):
        expected = f"{name}/pretrained or {name}/random" if two_arms else f"{name}, which has one arm"
        raise UserError(f"{where}: expected {expected}, got {name}/{arm}")
    if name in CONTROL_ARMS:
        predictions = revision.predictions(paths.CONTROLS)
        arms = [each for each in predictions.arms if each.arm.encoder == name]
        if not arms:
            raise UserError(
                f"{where}: there is no control {name}, as the items are clips without trajectories"
            )
        return replace(predictions, features={}), arms
    predictions = revision.predictions(name)
    if not predictions.arms:
        raise UserError(
            f"{where}: {name} has no results: {predictions.features.get('left_out', 'it was left out')}"
        )
    if not is_encoder:
        if "encoder" in predictions.features:  # what its pretraining saw is said in the encoder's own file
            encoder = revision.predictions(predictions.features["encoder"]).features
            predictions = replace(predictions, features={**encoder, **predictions.features})
        wanted = [each for each in predictions.arms if not two_arms or each.arm.arm == (arm or ARMS[0])]
        return predictions, wanted
    contrast = contrasts_of(name, predictions.arms)[0]
    return predictions, contrast.random if arm == "random" else [contrast.pretrained]


def _cells(paired: PairedPredictions, rungs: Sequence[Rung], confidence: float) -> Iterable[list[str]]:
    """The header and a row for each, as people read them."""
    level, scale = percent(confidence, None), scale_of(len(paired.classes))
    yield [
        "",
        SCORES[paired.score],
        f"{level} interval",
        f"{scale.measure} from {rungs[0].name}",
        "p (Holm)",
        "tied for best",
    ]
    for rung in rungs:
        low, high = score_interval(paired, rung.accuracy, confidence)
        seeds = f" ({counted(len(rung.arms), 'seed')})" if len(rung.arms) > 1 else ""
        difference = adjusted = ""
        if rung.difference is not None and rung.interval is not None:
            ends = scale.between(*rung.interval[:2])
            difference = f"{scale.difference(rung.difference.mean)} ({ends})"
            adjusted = p_value(rung.p_holm)
        yield [
            f"{rung.name}{seeds}",
            scale.value(rung.accuracy.mean),
            f"{scale.value(low)} to {scale.value(high)}",
            difference,
            adjusted,
            "yes" if rung.tied else "no",
        ]


def _print(paired: PairedPredictions, rungs: Sequence[Rung], confidence: float) -> None:
    header, *rows = _cells(paired, rungs, confidence)
    table = Table(*header)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    out = console()
    out.print(table)
    tied = [rung.name for rung in rungs if rung.tied]
    best = f"Tied for best are {', '.join(tied)}" if len(tied) > 1 else f"The best is {tied[0]}"
    out.print(f"{counted(len(paired.y), 'item')} held out. {best} ({percent(confidence, None)} confidence).")
    if not paired.common_halves([arm for rung in rungs for arm in rung.arms]):
        out.print(
            "Not all of these have results in split halves: intervals without them do not cover other training items, "
            'and are too narrow (docs/statistics.md, "This checkpoint").'
        )
    elif paired.score == "brier" and paired.n_groups < FEW_GROUPS:
        out.print(
            f"Fewer than {FEW_GROUPS} independent items: where features are many, intervals of Brier scores are "
            'a little too narrow (docs/statistics.md, "Anything side by side").'
        )
