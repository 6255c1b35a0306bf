"""From a source card and local files to the items in them, in any of the formats."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trajprobe.artifacts.source_card import (
    FileCard,
    FilesCard,
    LongCard,
    NpzCard,
    RowsCard,
    SourceFile,
    TsCard,
    VideosCard,
)
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning import clean
from trajprobe.trajectories.sources.item_files import read_item_files
from trajprobe.trajectories.sources.label_table import LabelTable
from trajprobe.trajectories.sources.long_table import read_long_table
from trajprobe.trajectories.sources.npz import read_npz
from trajprobe.trajectories.sources.parsed import Parsed, Raw, join, parse, rename_classes
from trajprobe.trajectories.sources.row_table import read_row_table
from trajprobe.trajectories.sources.ts import read_ts
from trajprobe.trajectories.sources.video_files import read_video_files


def read_source(card: FileCard, files: Sequence[Path]) -> tuple[Parsed, str]:
    """The items of all files with their classes named, in the order of the card; and the digest of the content.

    files: one local path for each of `card.entries`. The digest is taken before classes are named, so that a card can
    rename them. Raises UserError if a file cannot be read or the digest is not the one that the card pins.
    """
    *_, last = files
    table = LabelTable(last, card) if card.label_file is not None else None
    parts = []
    for entry, path in zip(card.files, files, strict=False):
        raw = _read_file(card, path)
        part = parse(
            clean(table.apply(raw, len(card.files) == 1) if table is not None else raw, card), card.time_step
        )
        if raw.clips is not None:
            part = _place_clips(part, raw, entry)
        if len(card.files) > 1:  # positions in the file repeat from file to file
            prefix = entry.split or path.stem
            part = replace(part, item_ids=[f"{prefix}_{item}" for item in part.item_ids])
        if entry.split is not None:
            part = replace(part, splits=[entry.split] * len(part.item_ids))
        parts.append(part)
    if len({part.clips is None for part in parts}) > 1:
        raise UserError(f"{' and '.join(map(str, files[:2]))}: must both contain clips, or neither")
    parsed = replace(join(parts), notes=_merged_notes(parts, files))
    digest = parsed.digest()
    if card.digest is not None and digest != card.digest:
        raise UserError(
            f"{', '.join(map(str, files))}: the content has the digest {digest}, but the card of {card.name!r} pins "
            f"{card.digest}; restore the files, or correct the card if they changed on purpose"
        )
    return (rename_classes(parsed, card.classes) if card.classes else parsed), digest


def _place_clips(part: Parsed, raw: Raw, entry: SourceFile) -> Parsed:
    """The items with the name of their file in front of the place of each clip."""
    if entry.file is None:
        raise UserError(f"{entry.url}: contains clips, which must lie beside the card; import the file")
    assert raw.clips is not None
    clips = [replace(clip, place=f"{entry.file}/{clip.place}") for clip in raw.clips]
    return replace(part, clips=clips, scales={entry.file: raw.scale} if raw.scale else {})


def _merged_notes(parts: Sequence[Parsed], files: Sequence[Path]) -> list[str]:
    """The notes of all files; one that is not of every file names its own."""
    notes: list[str] = []
    for part, path in zip(parts, files, strict=False):
        shared = [all(note in other.notes for other in parts) for note in part.notes]
        notes += [
            note if everywhere else f"{note} [{path.name}]"
            for note, everywhere in zip(part.notes, shared, strict=True)
        ]
    return list(dict.fromkeys(notes))


def _read_file(card: FileCard, path: Path) -> Raw:
    match card:
        case NpzCard():
            return read_npz(path, card)
        case LongCard():
            return read_long_table(path, card)
        case FilesCard():
            return read_item_files(path, card)
        case VideosCard():
            return read_video_files(path, card)
        case TsCard():
            return read_ts(path, card)
        case RowsCard():
            return read_row_table(path, card)
    raise TypeError(f"no reader for {type(card).__name__}")
