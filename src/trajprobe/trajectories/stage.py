"""Stage `trajectories`: synthesize the paths or read them from the source's files, validate them, write them."""

from pathlib import Path

from trajprobe.artifacts.source_card import SourceCard, SourceFile, SyntheticCard, load_source_card
from trajprobe.artifacts.trajectories import write_trajectories
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.download.cache import download
from trajprobe.trajectories.params import SynthesisParams, TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.synthetic.sampling import synthesize
from trajprobe.trajectories.validation import accept, summarize, write_manifest


def run(source: str, synthesis: SynthesisParams, settings: TrajectoriesParams) -> str:
    """Write data/trajectories.parquet and data/quarantine.csv (the items left out); return a summary of the set.

    Raises UserError if a file of the source is missing, not the pinned one or unsound; then neither is written.
    """
    card, parsed = items_of(source, synthesis)
    trajectories, aside = accept(parsed, card, settings)
    write_manifest(aside, paths.QUARANTINE)
    write_trajectories(trajectories, paths.TRAJECTORIES)
    return summarize(trajectories, aside)


def items_of(source: str, synthesis: SynthesisParams) -> tuple[SourceCard, Parsed]:
    """The card of a source and its items, not validated. Raises UserError as `run` does."""
    card = load_source_card(source)
    if not isinstance(card, SyntheticCard):
        return card, read_source(card, [_local(source, entry) for entry in card.entries])[0]
    total = len(synthesis.families) * synthesis.per_class
    with progress("synthesize", total, "paths") as advance:
        return card, synthesize(synthesis, advance)


def _local(source: str, entry: SourceFile) -> Path:
    """The local path of a file of the source; one with a public address is downloaded."""
    if entry.url is not None:
        return download(entry.url, sha256=entry.sha256).path
    path = paths.source(source) / str(entry.file)
    if not path.is_file():
        pointer = path.with_name(f"{path.name}.dvc")
        remedy = (
            f"`dvc pull {pointer}` fetches it from the project's DVC remote (`dvc remote list` names it)"
            if pointer.is_file()
            else f"put it there, or import it by `trajprobe import FILE --name {source} --replace`"
        )
        raise UserError(f"{path}: is missing; {remedy}")
    if entry.sha256 is not None and (found := files.sha256(path)) != entry.sha256:
        raise UserError(
            f"{path}: its SHA-256 is {found}, but the card pins {entry.sha256}; restore the file, or correct the card "
            "if the file changed on purpose"
        )
    return path
