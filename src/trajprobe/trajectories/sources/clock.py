"""The time column of a table, in whatever form it has, as seconds."""

import re
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajprobe.artifacts.source_card import FileCard, TableCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning import MISSING

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
SPAN = re.compile(  # a clock time, or a time span as Python and pandas write it
    r"(?:(?P<days>-?\d{1,9}) days?,? ?\+?)?"
    r"(?:(?P<sign>-)?(?P<h>\d{1,9}):(?P<m>\d\d)(?::(?P<s>\d\d(?:[.,]\d+)?))?)?"
)


def numbers(column: pa.Array) -> np.ndarray:
    """The column as float64 (N,), NaN where it is empty, `NA` or the like; decimal commas are read as points.

    Raises pa.ArrowException if a cell is no number.
    """
    if pa.types.is_string(column.type):
        column = without_missing(column)
        if pc.any(pc.match_substring(column, ",")).as_py():
            column = pc.replace_substring(column, ",", ".")
    return pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)


def without_missing(column: pa.Array) -> pa.Array:
    """Trimmed text, null where a cell stands for a missing value."""
    column = pc.utf8_trim_whitespace(column)
    absent = pc.is_in(pc.utf8_lower(column), pa.array(sorted(MISSING)))
    return pc.if_else(absent, pa.scalar(None, pa.string()), column)


def read_clock(column: pa.Array, name: str, card: TableCard, where: str) -> tuple[np.ndarray, str]:
    """Seconds, float64 (N,), not from 0, NaN where missing; and what they were taken for.

    Raises UserError if the column contains neither numbers nor times.
    """
    if card.time_format is not None:
        return _dates(column.cast(pa.string()), name, card.time_format, where), f"dates, {card.time_format}"
    if not pa.types.is_string(column.type):
        return _typed(column, card, name, where)
    try:
        return _scaled(numbers(column), card)
    except pa.ArrowException as error:
        reason = str(error)
    text = without_missing(column)
    unique = text.dictionary_encode()
    spans = [_span(value.as_py()) for value in unique.dictionary]
    if spans and None not in spans:
        return _taken(unique, np.array(spans)), "clock times or time spans"
    for kind in (pa.timestamp(unit, zone) for unit in ("ns", "us") for zone in (None, "UTC")):
        try:
            return _typed(text.cast(kind), card, name, where)
        except pa.ArrowException:
            continue
    raise UserError(
        f"{where}: column {name!r} must contain numbers or times ({reason}); for dates in another form than "
        "2024-12-31 23:59:59 give --time-format, for example '%d.%m.%Y %H:%M:%S'"
    )


def describe_unit(card: FileCard) -> str:
    """What times that are numbers were taken for."""
    if "time_unit" in card.model_fields_set:
        return f"numbers in {card.time_unit}"
    return "numbers, taken as seconds (--time-unit ms, frames, 30fps, ... if they are others)"


def _scaled(clock: np.ndarray, card: TableCard) -> tuple[np.ndarray, str]:
    unit = card.time_unit
    if unit == "frames":
        return clock * card.time_step, f"frames, {card.time_step:g} s apart"
    if unit.endswith("fps"):
        rate = float(unit.removesuffix("fps"))
        return clock / rate, f"frames, {rate:g} in a second"
    return (clock if unit == "s" else clock * UNITS[unit]), describe_unit(card)


def _typed(column: pa.Array, card: TableCard, name: str, where: str) -> tuple[np.ndarray, str]:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_first(column, name, where), "dates"
    if pa.types.is_duration(kind):
        per_second = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return numbers(column.cast(pa.int64())) / per_second, "time spans"
    if pa.types.is_time(kind):
        return numbers(column.cast(pa.time64("ns")).cast(pa.int64())) / 1e9, "clock times"
    try:
        return _scaled(numbers(column), card)
    except pa.ArrowException as error:
        raise UserError(f"{where}: column {name!r} must contain numbers or times ({error})") from None


def _from_first(column: pa.Array, name: str, where: str) -> np.ndarray:
    """Seconds from the first date. Whole units are subtracted, as seconds since 1970 would cost float64 its precision.

    Nanoseconds reach from 1677 to 2262; dates outside that are taken in microseconds.
    """
    zone = getattr(column.type, "tz", None)
    for unit, per_second in (("ns", 1e9), ("us", 1e6)):
        try:
            ticks = column.cast(pa.timestamp(unit, tz=zone), safe=unit == "ns").cast(pa.int64())
            return numbers(pc.subtract_checked(ticks, pc.min(ticks).as_py() or 0)) / per_second
        except pa.ArrowException as error:
            reason = str(error)
    raise UserError(f"{where}: column {name!r} has dates that cannot be told apart ({reason})")


def _span(text: str | None) -> float | None:
    match = SPAN.fullmatch(text or "")
    if match is None or not (match["days"] or match["h"]):
        return None
    seconds = 3600.0 * int(match["h"] or 0) + 60 * int(match["m"] or 0)
    seconds += float((match["s"] or "0").replace(",", "."))
    return 86400 * int(match["days"] or 0) + seconds * (-1 if match["sign"] else 1)


def _dates(column: pa.Array, name: str, form: str, where: str) -> np.ndarray:
    unique = without_missing(column).dictionary_encode()
    moments = []
    for value in unique.dictionary.to_pylist():
        try:
            moments.append(datetime.strptime(value, form))
        except ValueError as error:
            raise UserError(f"{where}: column {name!r}: {error} (--time-format)") from None
    first = min(moments, default=None)
    return _taken(
        unique, np.array([(moment - first).total_seconds() for moment in moments if first is not None])
    )


def _taken(unique: pa.DictionaryArray, values: np.ndarray) -> np.ndarray:
    codes = pc.fill_null(unique.indices, -1).to_numpy(zero_copy_only=False)
    return np.where(codes >= 0, np.append(values, np.nan)[codes], np.nan)
