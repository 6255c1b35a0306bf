"""From a source card and its local files to what they say, whatever their format."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trajprobe.errors import UserError
from trajprobe.params.source_card import FileCard, LongCard, NpzCard, RowsCard, TsCard
from trajprobe.trajectories.long import read_long
from trajprobe.trajectories.npz import read_npz
from trajprobe.trajectories.parsed import Parsed, join, rename_classes
from trajprobe.trajectories.rows import read_rows
from trajprobe.trajectories.ts import read_ts


def read_source(card: FileCard, files: Sequence[Path]) -> tuple[Parsed, str]:
    """The items of all files of the card, in its order, with classes named; and the digest of what the files say.

    files: one local path for each entry of `card.files`. The digest is taken before classes are named, so that a
    card may call them differently. Raises UserError, one line, where a file cannot be read or the digest is not the
    one that the card pins.
    """
    parts = []
    for entry, path in zip(card.files, files, strict=True):
        part = _read_file(card, path)
        if len(files) > 1:  # positions repeat from file to file
            prefix = entry.split or path.stem
            part = replace(part, item_ids=[f"{prefix}_{item}" for item in part.item_ids])
        if entry.split is not None:
            part = replace(part, splits=[entry.split] * len(part.item_ids))
        parts.append(part)
    parsed = join(parts)
    digest = parsed.digest()
    if card.digest is not None and digest != card.digest:
        raise UserError(
            f"{', '.join(map(str, files))}: the content has the digest {digest}, but the card of {card.name!r} pins "
            f"{card.digest}; restore the files, or correct the card if they changed on purpose"
        )
    return (rename_classes(parsed, card.classes) if card.classes else parsed), digest


def _read_file(card: FileCard, path: Path) -> Parsed:
    match card:
        case NpzCard():
            return read_npz(path, card.time_step)
        case LongCard():
            return read_long(path, card.columns, card.separator, card.time_step)
        case TsCard():
            return read_ts(path, card.dimensions, card.time_step)
        case RowsCard():
            return read_rows(path, card)
    raise TypeError(f"no reader for {type(card).__name__}")
