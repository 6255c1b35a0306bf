"""Long tables, text or Parquet: one point per row.

The columns are `id, t, x, y[, z], label[, group, split, stroke]`, or other names that the card maps to these. Names are
matched without regard to case and blanks, and a time column also by the names in `TIMES`. Rows may have any order: an
item's points are sorted by t, items keep the order of their first rows. Label, group and split must be the same in all
rows of an item.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trajprobe.artifacts.source_card import TableCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.trajectories.sources.clock import numbers, read_clock
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import open_text, read_text

# Names of a time column, without regard to case and blanks; the first found counts.
TIMES = ("t", "time", "timestamp", "time_s", "time(s)", "seconds", "position_t", "frame", "frames")
NAMES = ("label", "group", "split")  # that all rows of an item share

Load = Callable[[Sequence[int]], pa.Table]  # the columns at some positions


def read_long_table(path: Path, card: TableCard) -> Raw:
    """The items of the table.

    Raises UserError if it cannot be read, has no rows, or a column is missing, ambiguous or not numeric.
    """
    if path.suffix.lower() == ".parquet":
        names, load = _open_parquet(path)
        notes: list[str] = []
    else:
        text, notes = read_text(path)
        opened = open_text(text, str(path), card.separator, card.header)
        names, load, notes = opened.names, opened.load, notes + opened.notes
    present, found = find_columns(card, names, str(path), "label" if card.label_file is None else "")
    return read_columns(names, load, present, card, str(path), notes + found)


def _open_parquet(path: Path) -> tuple[list[str], Load]:
    def read(columns: list[str] | None) -> pa.Table:
        try:
            with pq.ParquetFile(path) as file:
                return file.schema_arrow.empty_table() if columns is None else file.read(columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{path}: cannot be read as a table ({error})") from None

    names = read(None).column_names

    def load(positions: Sequence[int]) -> pa.Table:
        chosen = [names[position] for position in positions]
        return read(chosen).select(chosen).combine_chunks()

    return names, load


def find_columns(
    card: TableCard, names: Sequence[str], where: str, *required: str
) -> tuple[dict[str, list[int]], list[str]]:
    """Our name of a column -> its positions in the table (several for an id), and notes.

    required: our names that must be there besides id, x and y, and a time column unless the card has `no_time`.
    """
    columns, present = card.columns, {}
    for ours, theirs in columns.model_dump().items():
        if ours == "t" and card.no_time:
            continue
        wanted = theirs if isinstance(theirs, list) else [theirs]
        if ours == "t" and ours not in columns.model_fields_set:
            wanted = [next((name for name in TIMES if _places(name, names, where)), "t")]
        places = [_places(name, names, where) for name in wanted]
        if all(places):
            present[ours] = [place for (place,) in places]
            continue
        absent = wanted[places.index([])]
        if ours in columns.model_fields_set or ours in ("id", "x", "y", *required):
            raise UserError(
                f"{where}: needs a column {absent!r} ({ours}); {nearest(absent, [name for name in names if name])}; "
                f"name it by --column {ours}=NAME"
                + (", or give a second file by --labels" if ours == "label" else "")
            )
    used = {place for places in present.values() for place in places}
    others = [name for place, name in enumerate(names) if place not in used and name]
    if "t" not in present and not card.no_time:
        raise UserError(
            f"{where}: has no time column; "
            + (f"if it is one of {', '.join(others)}, name it by --column t=NAME; " if others else "")
            + "if every item's rows are in order and evenly spaced, say so by --no-time (no_time: true in the card)"
        )
    renamed = [
        f"{ours} is {', '.join(names[place] for place in places)}"
        for ours, places in present.items()
        if [names[place] for place in places] != [ours]
    ]
    return present, [
        *([f"columns: {'; '.join(renamed)}"] if renamed else []),
        *([f"columns: not used: {', '.join(others)}"] if others else []),
    ]


def _places(wanted: str, names: Sequence[str], where: str) -> list[int]:
    """Where a column is: exactly that name, or else that name without regard to case and blanks; at most one place."""
    places = [place for place, name in enumerate(names) if name.strip() == wanted.strip()]
    places = places or [place for place, name in enumerate(names) if _plain(name) == _plain(wanted)]
    if len(places) > 1:
        found = ", ".join(repr(names[place]) for place in places)
        raise UserError(
            f"{where}: {len(places)} columns can be {wanted!r} ({found}); rename or remove all but one"
        )
    return places


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def read_columns(
    names: Sequence[str],
    load: Load,
    present: dict[str, list[int]],
    card: TableCard,
    where: str,
    notes: list[str],
) -> Raw:
    """The items of a table whose columns were found. `present` need not have a label if the card has a label_file."""
    used = list(dict.fromkeys(place for places in present.values() for place in places))
    table = load(used)
    if not len(table):
        raise UserError(f"{where}: has no rows")
    columns = {place: _chunk(table.column(at)) for at, place in enumerate(used)}
    found = {ours: [columns[place] for place in places] for ours, places in present.items()}
    items = _joined(found["id"]).dictionary_encode()
    codes = items.indices.to_numpy()
    clock, kind = None, ""
    if "t" in found:
        name = names[present["t"][0]]
        clock, kind = read_clock(found["t"][0], name, card, where)
        notes = [*notes, f"time: column {name!r}, {kind}"]
    else:
        notes = [
            *notes,
            f"time: none (--no-time); points in the order of the rows, {card.time_step:g} s apart",
        ]
    order = np.argsort(codes, kind="stable") if clock is None else np.lexsort((clock, codes))
    ends = np.cumsum(np.bincount(codes))[:-1]
    firsts = order[np.concatenate([[0], ends])]
    axes = [_coordinates(found[axis][0], where, names[present[axis][0]]) for axis in "xyz" if axis in found]
    named: dict[str, list[str]] = {}
    defects: dict[int, str] = {}
    for name in (name for name in NAMES if name in found):
        texts = _texts(found[name][0]).dictionary_encode()
        own = texts.indices.to_numpy()
        differ = np.unique(codes[own != own[firsts][codes]])
        defects = {int(item): f"more than one {name}" for item in differ} | defects
        named[name] = texts.dictionary.take(pa.array(own[firsts])).to_pylist()
    if clock is not None:
        repeats = (np.diff(codes[order]) == 0) & (np.diff(clock[order]) == 0)
        if repeats.any() and (hint := _restarts(names, load, used, codes, clock, present)):
            count = len(np.unique(codes[order][1:][repeats]))
            raise UserError(
                f"{where}: {count} of {len(items.dictionary)} items have several points at one time; {hint}"
            )
    strokes = _texts(found["stroke"][0]).dictionary_encode().indices.to_numpy() if "stroke" in found else None
    ids = items.dictionary.to_pylist()
    return Raw(
        named.get("label", [""] * len(ids)),
        np.split(np.stack(axes, axis=1)[order], ends),
        times=None if clock is None else np.split(clock[order], ends),
        item_ids=ids,
        groups=named.get("group"),
        splits=named.get("split"),
        strokes=None if strokes is None else np.split(strokes[order], ends),
        defects=defects,
        notes=notes,
    )


def _restarts(
    names: Sequence[str],
    load: Load,
    used: Sequence[int],
    codes: np.ndarray,
    clock: np.ndarray,
    present: dict[str, list[int]],
) -> str:
    """What to type if another column tells apart all points that share an item and a time; empty if none does."""
    for place in (place for place in range(len(names)) if place not in used and names[place]):
        other = _texts(_chunk(load([place]).column(0))).dictionary_encode().indices.to_numpy()
        keys = codes.astype(np.int64) * (int(other.max()) + 1) + other
        tracks = len(np.unique(keys))
        whole = len(np.unique(np.stack([keys.astype(np.float64), clock]), axis=1)[0]) == len(keys)
        if whole and tracks <= len(keys) / 2:
            own = ",".join(names[place] for place in present["id"])
            return f"ids seem to start again in every {names[place]}: give --id {names[place]},{own}"
    return ""


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    texts = [_texts(column) for column in columns]
    return texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "/")


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _texts(column: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.fill_null(column.cast(pa.string()), ""))


def _coordinates(column: pa.Array, where: str, name: str) -> np.ndarray:
    try:
        return numbers(column)
    except pa.ArrowException as error:
        raise UserError(f"{where}: column {name!r} must contain numbers ({error})") from None
