"""Labels of items from a second file: a table id,label[,group,split], or an .npy in the order of the items."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import FileCard, TableCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.trajectories.sources.long_table import coded_texts, open_parquet
from trajprobe.trajectories.sources.npy_file import open_arrays, value_text
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import open_text, read_text
from trajprobe.videos.container import ENDINGS

NAMES = ("label", "group", "split")
SHOWN = 3  # ids that a note names
# Endings that a file may have in one place and not in the other, videos' among them, as tracks are named after those.
OF_FILES = (
    "csv",
    "tsv",
    "txt",
    "dat",
    "json",
    "xml",
    "h5",
    "hdf5",
    "slp",
    "analysis",
    "npy",
    "gz",
    "zst",
    "bz2",
    "xz",
)
ENDING = re.compile(rf"(\.({'|'.join((*OF_FILES, *(ending[1:] for ending in ENDINGS)))}))+$")
NETWORK = re.compile(r"(dlc|deepcut)_.*$")  # what DeepLabCut appends to the name of a video
NUMBERED = re.compile(r"(track[_-]?)?([0-9]+)(\.0+)?")  # 12, 012, 12.0, Track_12


class LabelTable:
    """What the label file at `path` says of the items. Raises UserError if it cannot be read or an id occurs twice."""

    def __init__(self, path: Path, card: FileCard) -> None:
        self.path = path
        self._columns: dict[str, list[str]] = {}
        self._rows: dict[str, int] | None = None
        if path.suffix.lower() in (".npy", ".npz"):
            with open_arrays(path) as file:
                name = "labels" if "labels" in file.names else file.names[0]
                array = file.read(name)
            if isinstance(array, np.ndarray) and array.ndim != 1:
                raise UserError(f"{path}: must be labels of shape (N,), got {array.shape}")
            self._columns = {"label": [value_text(value, f"{path}: labels") for value in array]}
            return
        names, table = _read(path)
        places = {ours: _place(ours, names, card) for ours in ("id", *NAMES)}
        for ours in ("id", "label"):
            if places[ours] is None:
                raise UserError(f"{path}: needs a column {ours!r}; {nearest(ours, names)}")
        self._columns = {}
        for ours, place in places.items():
            if place is not None:
                codes, texts = coded_texts(table.column(place).combine_chunks(), str(path), names[place])
                self._columns[ours] = [texts[code] for code in codes]
        ids = self._columns.pop("id")
        self._rows = {item: row for row, item in enumerate(ids)}
        if len(self._rows) < len(ids):
            twice = next(item for row, item in enumerate(ids) if self._rows[item] != row)
            raise UserError(f"{path}: has several rows for the id {twice!r}; required one for each item")

    def apply(self, raw: Raw, of_all: bool) -> Raw:
        """The items with their labels, and groups and splits if the table has them; empty for those it lacks.

        of_all: these are all items, so that a row without one is worth a note.

        Raises UserError if labels without ids are not as many as the items, or no id occurs in both files.
        """
        count = len(raw.points)
        if self._rows is None:
            if len(self._columns["label"]) != count:
                raise UserError(
                    f"{self.path}: must have one label for each of the {count} items, got {len(self._columns['label'])}"
                )
            rows: Sequence[int | None] = range(count)
        else:
            ids = [f"{index:06d}" for index in range(count)] if raw.item_ids is None else raw.item_ids
            rows = _match(ids, self._rows)
            if not any(row is not None for row in rows):
                theirs = next(iter(self._rows), "")
                raise UserError(
                    f"{self.path}: no id of the items is in it; theirs are like {ids[0]!r}, its like {theirs!r}"
                )
            raw = replace(raw, notes=[*raw.notes, *self._unmatched(ids, rows, of_all)])
        taken = {
            name: [column[row] if row is not None else "" for row in rows]
            for name, column in self._columns.items()
        }
        return replace(
            raw,
            labels=taken["label"],
            groups=taken.get("group", raw.groups),
            splits=taken.get("split", raw.splits),
            notes=[*raw.notes, f"labels: from {self.path.name}"],
        )

    def _unmatched(self, ids: Sequence[str], rows: Sequence[int | None], of_all: bool) -> list[str]:
        """Notes on the items that the table lacks, and on its ids without an item."""
        assert self._rows is not None
        used = set(rows)
        without = [item for item, row in zip(ids, rows, strict=True) if row is None]
        unused = [item for item, row in self._rows.items() if row not in used] if of_all else []
        name = self.path.name
        notes = []
        if without:
            notes.append(f"labels: {len(without)} of {len(ids)} items are not in {name} ({_shown(without)})")
        if unused:
            notes.append(
                f"labels: {len(unused)} of {len(self._rows)} ids in {name} have no item ({_shown(unused)})"
            )
        return notes


def _shown(items: Sequence[str]) -> str:
    return ", ".join([*items[:SHOWN], *(["..."] if len(items) > SHOWN else [])])


def _read(path: Path) -> tuple[list[str], pa.Table]:
    if path.suffix.lower() == ".parquet":
        names, load = open_parquet(path)
        return names, load(range(len(names)))
    opened = open_text(read_text(path)[0], str(path))
    return opened.names, opened.load(range(len(opened.names)))


def _match(ids: Sequence[str], rows: Mapping[str, int]) -> list[int | None]:
    """The row of each id: by the same text, the same number or file, or the last part of its path if that is unique.

    What several ids of the table can be is none of them.
    """
    forms = Counter(map(_plain, rows))
    plain = {_plain(item): row for item, row in rows.items() if forms[_plain(item)] == 1}
    lasts = Counter(item.rpartition("/")[2] for item in ids)

    def find(item: str) -> int | None:
        last = item.rpartition("/")[2]
        own = plain.get(_plain(last)) if lasts[last] == 1 else None
        return rows.get(item, plain.get(_plain(item), own))

    return [find(item) for item in ids]


def _place(ours: str, names: Sequence[str], card: FileCard) -> int | None:
    """The column by our name or by that of the main table, without regard to case and blanks."""
    theirs = getattr(card.columns, ours) if isinstance(card, TableCard) else ours
    wanted = [_plain(name) for name in (ours, theirs) if isinstance(name, str)]
    return next((at for at, name in enumerate(names) if _plain(name) in wanted), None)


def _plain(name: str) -> str:
    """Without case, blanks, endings of files and the name of a network; of a number, or a numbered track, the number.

    Each part of a path by itself, as the video and the animal in `mouse.mp4/12`.
    """
    return "/".join(_plain_part(part) for part in "".join(name.split()).casefold().split("/"))


def _plain_part(part: str) -> str:
    number = NUMBERED.fullmatch(part) or NUMBERED.fullmatch(ENDING.sub("", part))
    if number is not None:
        return number[2].lstrip("0") or "0"
    return NETWORK.sub("", ENDING.sub("", part)) or part
