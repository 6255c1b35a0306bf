"""`trajprobe encoders` and `trajprobe families`: what there is to choose from, as tables.

`console` is also where the other commands print their tables.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.table import Table
from rich.text import Text

from trajprobe.artifacts.encoder_card import (
    EncoderCard,
    FileWeights,
    HubWeights,
    PackageWeights,
    UrlWeights,
    load_encoder_card,
)
from trajprobe.artifacts.weights import read_record
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.terminal import escape_controls

LOG_WIDTH = 140  # columns, if the output is not a terminal


def console() -> Console:
    """A rich console on stdout, as wide as the terminal, or wide enough for a table in a log.

    Controls in what it prints are escaped: cards and studies may come from somebody else.
    """
    output = Console(highlight=False)
    if not output.is_terminal:
        output = Console(width=LOG_WIDTH, highlight=False)
    output.push_render_hook(_Visible())
    return output


class _Visible(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Escaped(renderable) for renderable in renderables]


@dataclass(frozen=True)
class _Escaped:
    renderable: ConsoleRenderable

    def __rich_console__(self, output: Console, options: ConsoleOptions) -> RenderResult:
        for segment in output.render(self.renderable, options):
            yield segment if segment.control else segment._replace(text=escape_controls(segment.text))


def list_encoders() -> None:
    """Print a row for every card: what the encoder is, its size, origin and licence, and what is on disk.

    Raises UserError if a card is wrong, or if there is none.
    """
    names = sorted(card.parent.name for card in Path().glob("models/*/card.yaml"))
    if not names:
        raise UserError("models/: contains no encoder's card; run this in the root of the project")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("encoder, weights", overflow="fold", min_width=19)
    table.add_column("what it is, how it was trained", min_width=20)
    # Short columns keep their width on a narrow terminal.
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence", no_wrap=True)
    table.add_column("on disk", justify="right", no_wrap=True)
    for name in names:
        card = load_encoder_card(name)
        size, parameters = _on_disk(name)
        parameters = f"{card.parameters:g} M" if card.parameters else parameters
        what = Text(card.summary) if card.training == "none" else Text(f"{card.summary}\n{card.training}")
        what.stylize("dim", len(card.summary))
        weights = Text.assemble((name, "bold"), "\n", _origin(card))
        table.add_row(weights, what, parameters, card.licence, size)
    out = console()
    out.print(table)
    out.print(
        "Size in millions of parameters. Name some in params.yaml under encoders; `dvc repro fetch@NAME` obtains one."
    )


def list_families() -> None:
    """Print a row for every family of synthetic paths: its equation, and the ranges of its parameters."""
    from trajprobe.trajectories.synthetic.families import FAMILIES

    table = Table("family", "equation", "drawn from", box=SIMPLE_HEAD)
    for family in FAMILIES.values():
        ranges = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in family.ranges.items())
        table.add_row(family.name, family.equation, ranges)
    out = console()
    out.print(table)
    out.print(
        "u runs from 0 to 1 over a path; angles are in turns. Name some in params.yaml under synthesis.families."
    )


def _origin(card: EncoderCard) -> str:
    """Where the weights come from, in a few words."""
    match card.weights:
        case HubWeights(hub=hub):
            return hub
        case UrlWeights(url=url):
            return url.rsplit("/", 1)[-1]
        case FileWeights(file=file):
            if Path(f"{file}.dvc").is_file():
                return "under DVC"
            return "in the repository" if file.startswith("models/") else file
        case PackageWeights(package=package):
            return f"{package.name} {package.version}"
    return "no weights"


def _on_disk(encoder: str) -> tuple[str, str]:
    """The size of what `fetch` made, and its number of parameters; dashes if there is nothing yet."""
    folder = paths.weights(encoder)
    record = read_record(folder)
    if record is None:
        return "-", "-"
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    parameters = record.get("parameters")
    return f"{size / 1e6:.1f} MB", f"{parameters / 1e6:.2g} M" if parameters else "-"
