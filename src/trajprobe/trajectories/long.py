"""Long tables: one row a point, .csv or .parquet.

Columns `id, t, x, y[, z], label[, group, split]`, or other names that the card maps to these. Rows may come in any
order: an item's points are sorted by t, items keep the order of their first rows. t is a number of seconds or a
timestamp; without such a column the order of the rows counts and points lie `time_step` apart. Label, group and
split must be the same in all rows of an item.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from trajprobe.errors import UserError
from trajprobe.params.loading import nearest
from trajprobe.params.source_card import Columns
from trajprobe.trajectories.parsed import Parsed, parse

REQUIRED = ("id", "x", "y", "label")
NAMES = ("id", "label", "group", "split")


def read_long(path: Path, columns: Columns, separator: str, time_step: float) -> Parsed:
    """The items of the table. Raises UserError, one line, where it cannot be read or a column is missing or wrong."""
    table = _read_table(path, columns, separator)
    if not len(table):
        raise UserError(f"{path}: has no rows")
    items = _texts(table["id"]).dictionary_encode()
    codes = items.indices.to_numpy()
    clock = _seconds(table["t"], path, columns.t) if "t" in table.column_names else None
    order = np.argsort(codes, kind="stable") if clock is None else np.lexsort((clock, codes))
    ends = np.cumsum(np.bincount(codes))[:-1]
    axes = [
        _numbers(table[axis], path, getattr(columns, axis)) for axis in "xyz" if axis in table.column_names
    ]
    named: dict[str, list[str]] = {}
    defects: dict[int, str] = {}
    firsts = order[np.concatenate([[0], ends])]
    for name in NAMES[1:]:
        if name in table.column_names:
            texts = _texts(table[name]).dictionary_encode()
            numbers = texts.indices.to_numpy()
            differ = np.unique(codes[numbers != numbers[firsts][codes]])
            defects = {int(item): f"more than one {name}" for item in differ} | defects
            named[name] = texts.dictionary.take(pa.array(numbers[firsts])).to_pylist()
    return parse(
        named["label"],
        np.split(np.stack(axes, axis=1)[order], ends),
        times=None if clock is None else np.split(clock[order], ends),
        time_step=time_step,
        item_ids=items.dictionary.to_pylist(),
        groups=named.get("group"),
        splits=named.get("split"),
        defects=defects,
    )


def _read_table(path: Path, columns: Columns, separator: str) -> pa.Table:
    """The table with the columns that there are, under our own names."""
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                present = _present(columns, file.schema_arrow.names, path)
                table = file.read(columns=list(present.values()))
        else:
            parsing = pa.csv.ParseOptions(delimiter=separator)
            with pa.csv.open_csv(path, parse_options=parsing) as reader:
                present = _present(columns, reader.schema.names, path)
            converting = pa.csv.ConvertOptions(
                include_columns=list(present.values()),
                column_types={present[name]: pa.string() for name in NAMES if name in present},
                strings_can_be_null=False,
            )
            table = pa.csv.read_csv(path, parse_options=parsing, convert_options=converting)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from None
    return table.select(list(present.values())).rename_columns(list(present)).combine_chunks()


def _present(columns: Columns, found: list[str], path: Path) -> dict[str, str]:
    """Our name -> the file's name, for the columns that there are."""
    present = {name: column for name, column in columns.model_dump().items() if column in found}
    for name, column in columns.model_dump().items():
        if name not in present and (name in REQUIRED or name in columns.model_fields_set):
            raise UserError(f"{path}: needs a column {column!r} ({name}); {nearest(column, found)}")
    return present


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pc.fill_null(column.cast(pa.string()), "").combine_chunks()


def _numbers(column: pa.ChunkedArray, path: Path, name: str) -> np.ndarray:
    """float64; an empty cell is NaN."""
    try:
        numbers = column.cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise UserError(f"{path}: column {name!r} must hold numbers ({error})") from None
    return pc.fill_null(numbers, np.nan).combine_chunks().to_numpy()


def _seconds(column: pa.ChunkedArray, path: Path, name: str) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("ns", tz=column.type.tz)).cast(pa.int64())
        # The difference is taken in whole nanoseconds: seconds since 1970 leave float64 no digits for them.
        start = pc.min(ticks).as_py() or 0
        return _numbers(pc.subtract(ticks, start), path, name) / 1e9
    return _numbers(column, path, name)
