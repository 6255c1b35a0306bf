"""`trajprobe show`: the last comparison as a table, the verdict in a sentence, and where to look next."""

import csv
import json
from typing import Any

from rich.table import Table

from trajprobe import paths
from trajprobe.commands.console import console
from trajprobe.errors import UserError

CONTROLS = {
    "coordinates": "the paths themselves: what a probe could reach",
    "pixels": "the clips without an encoder",
    "random_projection": "the pixels, projected at random",
    "hash_noise": "knows nothing: the floor",
}


def run() -> None:
    """Print metrics/summary.json and metrics/arms.csv. Raises UserError where there is no result yet."""
    if not (paths.SUMMARY.is_file() and paths.ARMS.is_file()):
        raise UserError(f"{paths.SUMMARY}: no result yet; run `dvc repro`")
    summary = json.loads(paths.SUMMARY.read_text(encoding="utf-8"))
    with paths.ARMS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    out = console()
    out.print(_table(rows, summary))
    out.print(summary["sentence"], style="bold")
    if summary.get("warning"):
        out.print(f"Mind: {summary['warning']}.")
    out.print(
        f"\nNext: open {paths.REPORT}/index.html; dvc plots show; dvc exp run -n random -S weights=random, then "
        "dvc metrics diff"
    )


def _table(rows: list[dict[str, str]], summary: dict[str, Any]) -> Table:
    table = Table("arm", "accuracy", "interval", "gain", "interval", "")
    for number, header in enumerate(table.columns):
        header.justify = "left" if number in (0, 5) else "right"
    for name in dict.fromkeys(row["encoder"] for row in rows if row["arm"] == "pretrained"):
        mine = [row for row in rows if row["encoder"] == name]
        for head in (row for row in mine if row["arm"] == "pretrained"):
            same = [row for row in mine if row["arm"] == "random" and _place(row) == _place(head)]
            where = f" [{head['layer']}, {head['pooling']}]".replace("[", r"\[")
            gain = (
                f"{100 * float(head['gain']):+.1f}",
                _span(head, "gain", "{:+.1f}"),
                head["verdict"].replace("_", " "),
            )
            table.add_row(f"{name}, pretrained{where}", _percent(head), _span(head, "accuracy"), *gain)
            spread = [float(row["accuracy"]) for row in same]
            low, high = f"{100 * min(spread):.1f}", f"{100 * max(spread):.1f}"
            mean = f"{100 * sum(spread) / len(spread):.1f}"
            table.add_row(
                f"{name}, random × {len(same)}", mean, f"{low} to {high}", "", "", "lowest to highest"
            )
    table.add_section()
    for row in (row for row in rows if row["arm"] == "control"):
        note = CONTROLS.get(row["encoder"], "")
        table.add_row(row["encoder"].replace("_", " "), _percent(row), _span(row, "accuracy"), "", "", note)
    table.add_row("chance", f"{100 * summary['chance']:.1f}", "", "", "", f"{summary['n_classes']} classes")
    table.caption = f"{summary['n_items']} items held out; accuracies and gains in percent"
    return table


def _place(row: dict[str, str]) -> tuple[str, str]:
    return row["layer"], row["pooling"]


def _percent(row: dict[str, str]) -> str:
    return f"{100 * float(row['accuracy']):.1f}"


def _span(row: dict[str, str], name: str, shape: str = "{:.1f}") -> str:
    low, high = (shape.format(100 * float(row[f"{name}_ci_{end}"])) for end in ("low", "high"))
    return f"{low} to {high}"
