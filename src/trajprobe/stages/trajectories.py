"""Stage `trajectories`: synthesise the paths, or read those of the source's files; validate; write them down."""

from pathlib import Path

from trajprobe import files, paths
from trajprobe.checkpoints.download import download
from trajprobe.errors import UserError
from trajprobe.params.source_card import SourceFile, SyntheticCard, load_source_card
from trajprobe.params.study import Params
from trajprobe.progress import progress
from trajprobe.trajectories.describing import describe
from trajprobe.trajectories.reading import read_source
from trajprobe.trajectories.synthesis import synthesise
from trajprobe.trajectories.table import write_trajectories
from trajprobe.trajectories.validation import accept, write_manifest


def run(params: Params) -> str:
    """Write data/trajectories.parquet and data/quarantine.csv (what was set aside); return what was found.

    Raises UserError, one line, for a missing, wrong or unsound source; then neither file is written.
    """
    card = load_source_card(params.source)
    if isinstance(card, SyntheticCard):
        total = len(params.synthesis.families) * params.synthesis.per_class
        with progress("synthesize", total, "paths") as advance:
            parsed = synthesise(params.synthesis, advance)
    else:
        parsed, _ = read_source(card, [_local(entry) for entry in card.files])
    trajectories, aside = accept(parsed, card, params.trajectories)
    write_manifest(aside, paths.QUARANTINE)
    write_trajectories(trajectories, paths.TRAJECTORIES)
    return describe(trajectories, aside)


def _local(entry: SourceFile) -> Path:
    if entry.url is not None:
        return download(entry.url, sha256=entry.sha256)
    path = paths.RAW / str(entry.file)
    if not path.is_file():
        raise UserError(
            f"{path}: is missing; `dvc pull {path}.dvc` brings it, or `trajprobe import` it again"
        )
    if entry.sha256 is not None and files.sha256(path) != entry.sha256:
        raise UserError(f"{path}: its SHA-256 is {files.sha256(path)}, but the card pins {entry.sha256}")
    return path
