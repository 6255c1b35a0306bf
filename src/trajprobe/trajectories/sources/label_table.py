"""Labels of items from a second file: a table id,label[,group,split], or an .npy in the order of the items."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajprobe.artifacts.source_card import FileCard, TableCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.trajectories.sources.npy_file import open_arrays
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import open_text, read_text
from trajprobe.videos.container import ENDINGS

NAMES = ("label", "group", "split")
TABLE_ENDINGS = (
    ".gz",
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".json",
)  # that a table may have and an id of a file does not


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
            self._columns = {"label": [_text(value) for value in array]}
            return
        names, table = _read(path)
        places = {ours: _place(ours, names, card) for ours in ("id", *NAMES)}
        for ours in ("id", "label"):
            if places[ours] is None:
                raise UserError(f"{path}: needs a column {ours!r}; {nearest(ours, names)}")
        found = {ours: table.column(place) for ours, place in places.items() if place is not None}
        self._columns = {
            ours: [(value or "").strip() for value in column.cast(pa.string()).to_pylist()]
            for ours, column in found.items()
        }
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
            absent = len(self._rows) - len({row for row in rows if row is not None})
            if absent and of_all:
                raw = replace(
                    raw, notes=[*raw.notes, f"labels: {absent} ids of {self.path.name} have no item"]
                )
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


def _read(path: Path) -> tuple[list[str], pa.Table]:
    if path.suffix.lower() == ".parquet":
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: cannot be read as a table ({error})") from None
        return table.column_names, table
    opened = open_text(read_text(path)[0], str(path))
    return opened.names, opened.load(range(len(opened.names)))


def _match(ids: Sequence[str], rows: Mapping[str, int]) -> list[int | None]:
    """The row of each id: by the same text, the same number or file, or the last part of its path if that is unique."""
    plain = {_plain(item): row for item, row in rows.items()}
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
    name = "".join(name.split()).casefold()
    for ending in (*TABLE_ENDINGS, *ENDINGS):
        name = name.removesuffix(ending)
    return str(int(name)) if name.isascii() and name.isdigit() else name


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
