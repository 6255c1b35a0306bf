"""`trajprobe encoders` and `trajprobe families`: what there is to choose from, as tables."""

import json
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from trajprobe import paths
from trajprobe.commands.console import console
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import (
    EncoderCard,
    FileWeights,
    HubWeights,
    RecipeWeights,
    UrlWeights,
    load_encoder_card,
)


def encoders() -> None:
    """Print a row for every card: what it is, how large, where it comes from, its licence, what is on disk.

    Raises UserError for a card that is wrong, and where there is none.
    """
    names = sorted(card.parent.name for card in Path().glob("models/*/card.yaml"))
    if not names:
        raise UserError("models/: has no encoder's card; run this in the root of the repository")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("encoder, weights", overflow="fold", min_width=19)
    table.add_column("what it is, how it was trained", min_width=20)
    table.add_column(
        "size", justify="right", no_wrap=True
    )  # short ones keep their width on a narrow terminal
    table.add_column("licence", no_wrap=True)
    table.add_column("on disk", justify="right", no_wrap=True)
    for name in names:
        card = load_encoder_card(name)
        size, parameters = _on_disk(name)
        parameters = f"{card.parameters:g} M" if card.parameters else parameters
        what = Text(card.summary) if card.training == "none" else Text(f"{card.summary}\n{card.training}")
        what.stylize("dim", len(card.summary))
        table.add_row(
            Text.assemble((name, "bold"), "\n", _source(card)), what, parameters, card.licence, size
        )
    out = console()
    out.print(table)
    out.print(
        "Size in millions of parameters. Name some in params.yaml under encoders; `dvc repro fetch@NAME` obtains one."
    )


def families() -> None:
    """Print a row for every family of synthetic paths: its equation, and the ranges of the numbers in it."""
    from trajprobe.trajectories.families import FAMILIES

    table = Table("family", "equation", "drawn from", box=SIMPLE_HEAD)
    for family in FAMILIES.values():
        ranges = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in family.ranges.items())
        table.add_row(family.name, family.equation, ranges)
    out = console()
    out.print(table)
    out.print(
        "u runs from 0 to 1 over a path; angles are in turns. Name some in params.yaml under synthesis.families."
    )


def _source(card: EncoderCard) -> str:
    match card.weights:
        case HubWeights(hub=hub):
            return hub
        case UrlWeights(url=url):
            return url.rsplit("/", 1)[-1]
        case FileWeights(file=file):
            return file
        case RecipeWeights():
            return "trained here"
    return "no weights"


def _on_disk(encoder: str) -> tuple[str, str]:
    """Size of what `fetch` made, and its number of parameters; dashes where there is nothing yet."""
    folder = paths.weights(encoder)
    record = folder / "provenance.json"
    if not record.is_file():
        return "-", "-"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    parameters = json.loads(record.read_text(encoding="utf-8")).get("parameters")
    return f"{size / 1e6:.1f} MB", f"{parameters / 1e6:.2g} M" if parameters else "-"
