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
from trajprobe.trajectories.sources.text_table import LARGEST, open_text, read_text

# Names of a time column, without regard to case and blanks; the first found counts.
TIMES = ("t", "time", "timestamp", "time_s", "time(s)", "seconds", "position_t", "frame", "frames")
NAMES = ("label", "group", "split")  # that all rows of an item share
IF_REAL = "refused; if all of it is real, save the table without compression"
LEAST_CELL = 8  # bytes of a cell in memory
LONGEST_CELL = 1000  # bytes of a number or a time

Load = Callable[[Sequence[int]], pa.Table]  # the columns at some positions


def read_long_table(path: Path, card: TableCard) -> Raw:
    """The items of the table.

    Raises UserError if it cannot be read, has no rows, or a column is missing, ambiguous or not numeric.
    """
    if path.suffix.lower() == ".parquet":
        names, load = open_parquet(path)
        notes: list[str] = []
    else:
        text, notes = read_text(path)
        opened = open_text(text, str(path), card.separator, card.header)
        names, load, notes = opened.names, opened.load, notes + opened.notes
    present, found = find_columns(card, names, str(path), "label" if card.label_file is None else "")
    return read_columns(names, load, present, card, str(path), notes + found)


def open_parquet(path: Path) -> tuple[list[str], Load]:
    """The names of the columns of an untrusted file, and what loads some. Raises UserError if it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from None
    return names, lambda positions: read_parquet(path, [names[position] for position in positions])


def read_parquet(path: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of an untrusted file, texts as dictionaries: a text that a small file repeats is in memory once.

    Raises UserError if the file cannot be read, or unpacks to far more than its size.
    """
    size = path.stat().st_size
    limit = max(LARGEST, 200 * size)
    parts, held = [], 0
    try:
        with pq.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            schema = pa.schema([file.schema_arrow.field(name) for name in columns])
            if file.metadata.num_rows * LEAST_CELL * len(columns) > limit:
                raise UserError(f"{path}: has {file.metadata.num_rows} rows in {size} bytes; {IF_REAL}")
            for batch in file.iter_batches(columns=list(columns)):
                parts.append(pa.table(batch).select(columns))
                held += batch.nbytes
                if held > limit:
                    raise UserError(f"{path}: unpacks to more than {limit} bytes; {IF_REAL}")
        return pa.concat_tables(parts or [schema.empty_table()]).unify_dictionaries().combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from None


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


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
    codes, ids = _joined([coded_texts(columns[place], where, names[place]) for place in present["id"]])
    clock, kind = None, ""
    if "t" in found:
        name = names[present["t"][0]]
        clock, kind = read_clock(_plain_column(found["t"][0], where, name), name, card, where)
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
        own, texts = coded_texts(found[name][0], where, names[present[name][0]])
        differ = np.unique(codes[own != own[firsts][codes]])
        defects = {int(item): f"more than one {name}" for item in differ} | defects
        named[name] = [texts[code] for code in own[firsts]]
    if clock is not None:
        repeats = (np.diff(codes[order]) == 0) & (np.diff(clock[order]) == 0)
        if repeats.any() and (hint := _restarts(names, load, used, codes, clock, present, where)):
            count = len(np.unique(codes[order][1:][repeats]))
            raise UserError(f"{where}: {count} of {len(ids)} items have several points at one time; {hint}")
    strokes = coded_texts(found["stroke"][0], where, "stroke")[0] if "stroke" in found else None
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
    where: str,
) -> str:
    """What to type if another column tells apart all points that share an item and a time; empty if none does."""
    for place in (place for place in range(len(names)) if place not in used and names[place]):
        other, _ = coded_texts(_chunk(load([place]).column(0)), where, names[place])
        keys = codes.astype(np.int64) * (int(other.max()) + 1) + other
        tracks = len(np.unique(keys))
        whole = len(np.unique(np.stack([keys.astype(np.float64), clock]), axis=1)[0]) == len(keys)
        if whole and tracks <= len(keys) / 2:
            own = ",".join(names[place] for place in present["id"])
            return f"ids seem to start again in every {names[place]}: give --id {names[place]},{own}"
    return ""


def _joined(columns: Sequence[tuple[np.ndarray, list[str]]]) -> tuple[np.ndarray, list[str]]:
    """Several columns of coded texts as one, the texts joined by slashes."""
    if len(columns) == 1:
        return columns[0]
    rows = np.stack([codes for codes, _ in columns])
    unique, codes = np.unique(rows, axis=1, return_inverse=True)
    texts = ["/".join(own[code] for (_, own), code in zip(columns, row, strict=True)) for row in unique.T]
    return _renumbered(codes.reshape(-1), texts)


def coded_texts(column: pa.Array, where: str, name: str) -> tuple[np.ndarray, list[str]]:
    """The number of each row's text, and the texts, trimmed, in the order of their first rows; null is empty.

    Raises UserError if the column `name` does not contain text or what can be written as text.
    """
    try:
        if not pa.types.is_dictionary(column.type):
            column = column.cast(pa.string()).dictionary_encode()
        texts = pc.utf8_trim_whitespace(pc.fill_null(column.dictionary.cast(pa.string()), "")).to_pylist()
    except pa.ArrowException as error:
        raise UserError(
            f"{where}: column {name!r} must contain text in UTF-8, or numbers ({error})"
        ) from None
    codes = pc.fill_null(column.indices, len(texts)).to_numpy(zero_copy_only=False)
    return _renumbered(codes, [*texts, ""])


def _renumbered(codes: np.ndarray, texts: list[str]) -> tuple[np.ndarray, list[str]]:
    """Equal texts get one number, in the order of their first rows; texts of no row are left out."""
    first: dict[str, int] = {}
    used, starts = np.unique(codes, return_index=True)
    new = np.zeros(len(texts), np.int64)
    for code in used[np.argsort(starts)]:
        new[code] = first.setdefault(texts[code], len(first))
    return new[codes], list(first)


def _plain_column(column: pa.Array, where: str, name: str) -> pa.Array:
    """A dictionary column decoded. Raises UserError if it unpacks to far more than its size."""
    if not pa.types.is_dictionary(column.type):
        return column
    values = column.dictionary
    if _is_text(values.type):
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > LONGEST_CELL:
            raise UserError(
                f"{where}: column {name!r} must contain numbers or times, found one of {longest} bytes"
            )
        values = values.cast(pa.string())
    return values.take(column.indices)


def _chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _coordinates(column: pa.Array, where: str, name: str) -> np.ndarray:
    try:
        return numbers(_plain_column(column, where, name))
    except pa.ArrowException as error:
        raise UserError(f"{where}: column {name!r} must contain numbers ({error})") from None
