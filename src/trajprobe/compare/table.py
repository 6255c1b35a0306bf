"""The comparison as a short table for a terminal, made of what metrics/ holds and of nothing else.

`trajprobe show` prints it, so this module must stay light: it reads text and formats text.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from trajprobe.errors import UserError

HEADER = ("arm", "accuracy", "interval", "macro-F1", "log loss", "gain (points)", "verdict")


def read_metrics(summary: Path, arms: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The parsed summary.json and the rows of arms.csv. Raises UserError where one is missing or broken."""
    try:
        with arms.open(newline="", encoding="utf-8") as file:
            return json.loads(summary.read_text(encoding="utf-8")), list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise UserError(f"metrics cannot be read ({error}); `dvc repro` makes them anew") from None


def arms_table(summary: Mapping[str, Any], arms: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Rows under HEADER: each encoder's pretrained arm and its random initialisations in one, controls, chance.

    A random arm stands as the mean over initialisations with their range; layers and poolings after the first of an
    encoder are named in the first column.
    """
    rows = []
    for encoder, layer, pooling in dict.fromkeys(
        (row["encoder"], row["layer"], row["pooling"]) for row in arms
    ):
        here = [
            row for row in arms if (row["encoder"], row["layer"], row["pooling"]) == (encoder, layer, pooling)
        ]
        place = f" {layer}/{pooling}" if layer else ""
        single = [row for row in here if row["arm"] != "random"]
        rows += [_single(row, f"{encoder}{place}") for row in single]
        random = [row for row in here if row["arm"] == "random"]
        if random:
            rows.append(_random(random))
    chance = f"{100 * summary['chance']:.1f} %"
    return [*rows, ("chance", chance, "", "", "", "", "")]


def warnings(arms: Sequence[Mapping[str, str]]) -> list[str]:
    """What to mind about the verdict on each encoder's first layer and pooling, in sentences that name it."""
    first = {row["encoder"]: row for row in reversed(arms) if row["arm"] == "pretrained"}
    return [
        f"Mind, of {name}: {row['warning']}." for name, row in reversed(first.items()) if row.get("warning")
    ]


def _single(row: Mapping[str, str], name: str) -> tuple[str, ...]:
    gain = ""
    if row["gain"]:
        gain = f"{_points(row['gain'])} [{_points(row['gain_ci_low'])}, {_points(row['gain_ci_high'])}]"
    return (
        f"{name} {row['arm']}" if row["arm"] == "pretrained" else name,
        _percent(row["accuracy"]),
        f"{_percent(row['accuracy_ci_low'])} to {_percent(row['accuracy_ci_high'])}",
        f"{float(row['macro_f1']):.3f}",
        f"{float(row['log_loss']):.3f}",
        gain,
        row["verdict"] + (", confounded" if row.get("confounded") == "1" else ""),
    )


def _random(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    accuracies = [float(row["accuracy"]) for row in rows]
    return (
        f"  random, {len(rows)} init{'s' if len(rows) > 1 else ''}",
        f"{100 * fmean(accuracies):.1f} %",
        f"seeds {100 * min(accuracies):.1f} % to {100 * max(accuracies):.1f} %" if len(rows) > 1 else "",
        f"{fmean(float(row['macro_f1']) for row in rows):.3f}",
        f"{fmean(float(row['log_loss']) for row in rows):.3f}",
        "",
        "",
    )


def _percent(text: str) -> str:
    return f"{100 * float(text):.1f} %"


def _points(text: str) -> str:
    return f"{100 * float(text):+.1f}".replace("-", "−")
