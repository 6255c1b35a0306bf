"""TrackMate: the table of spots (.csv), and tracks in the simple XML form that it calls "Export tracks to XML file".

The table has four header rows: names of features such as TRACK_ID and POSITION_X, their names in full, short names, and
units; tables of older versions have the first row only. A spot without a TRACK_ID is in no track. Layouts:
https://imagej.net/plugins/trackmate/, exportToCsv in fiji.plugin.trackmate.visualization.table.TablePanel, and
fiji.plugin.trackmate.action.ExportTracksToXML. z is left out where it never changes, as in 2-D images.
"""

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajprobe.artifacts.source_card import FileCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning import is_missing
from trajprobe.trajectories.sources.clock import numbers
from trajprobe.trajectories.sources.text_table import NUMBER, TextTable, open_text, split_line
from trajprobe.trajectories.sources.trackers.track_file import (
    TrackFile,
    decoded,
    frame_seconds,
    group_rows,
    stated_seconds,
)

HEADER_ROWS = 4
COLUMNS = ("TRACK_ID", "POSITION_X", "POSITION_Y")
SECONDS = {  # in the units of time that Fiji writes; None for frames
    "sec": 1.0, "s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "min": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "frame": None, "frames": None,
}  # fmt: skip


def read_trackmate(data: bytes, where: str, card: FileCard) -> TrackFile:
    """The tracks of a table of spots or of an XML file. Raises UserError if it is neither."""
    text = decoded(data, where)
    return _read_xml(text, where, card) if text.lstrip().startswith("<") else _read_spots(text, where, card)


def _read_spots(text: str, where: str, card: FileCard) -> TrackFile:
    table, units = _open_spots(text, where)
    axes = ["POSITION_X", "POSITION_Y", *(["POSITION_Z"] if "POSITION_Z" in table.names else [])]
    names = _column(table, "TRACK_ID")
    linked = np.array([not is_missing(name) for name in names.to_pylist()])
    if not linked.any():
        raise UserError(f"{where}: none of its {len(linked)} spots is in a track (TRACK_ID is empty)")
    points = np.stack([_numbers(table, axis, where) for axis in axes], axis=1)[linked]
    points, notes = _flat(points)
    clock, note = _spot_times(table, units, where, card)
    ids, times, paths = group_rows(names.filter(pa.array(linked)), clock[linked], points)
    unit = units.get("POSITION_X")
    notes = [
        f"coordinates: in {unit}" if unit else "coordinates: in units that the file does not name",
        *notes,
    ]
    return TrackFile(
        ids,
        paths,
        times,
        notes=[*notes, note],
        counts=Counter({"tracks: {} spots that are in no track are left out": int((~linked).sum())}),
        defects=_branches(times),
    )


def _open_spots(text: str, where: str) -> tuple[TextTable, dict[str, str]]:
    """The table with the first of its header rows only, and feature -> unit."""
    opened = open_text(text, where)
    absent = [name for name in COLUMNS if name not in opened.names]
    if absent:
        raise UserError(f"{where}: is no table of TrackMate's spots, as it has no column {absent[0]}")
    x = opened.names.index("POSITION_X")
    lines = opened.body.decode().splitlines(keepends=True)
    rows = [split_line(line, opened.separator) for line in lines[: HEADER_ROWS - 1]]
    headers = [row for row in rows if len(row) > x and not NUMBER.fullmatch(row[x])]
    units = {
        name: unit.strip("()")
        for name, unit in zip(opened.names, headers[-1] if headers else [], strict=False)
        if unit.startswith("(")
    }
    body = "".join(lines[len(headers) :])
    if not body.strip():
        raise UserError(f"{where}: has no rows")
    return TextTable(where, opened.names, True, body.encode(), opened.separator), units


def _column(table: TextTable, name: str) -> pa.Array:
    return pc.utf8_trim_whitespace(table.load([table.names.index(name)]).column(0).chunk(0))


def _numbers(table: TextTable, name: str, where: str) -> np.ndarray:
    try:
        return numbers(_column(table, name))
    except pa.ArrowException as error:
        raise UserError(f"{where}: column {name} must contain numbers ({error})") from None


def _spot_times(
    table: TextTable, units: dict[str, str], where: str, card: FileCard
) -> tuple[np.ndarray, str]:
    """Seconds of each spot: POSITION_T if its unit is one of time, or else FRAME."""
    unit = units.get("POSITION_T", "")
    if "POSITION_T" in table.names:
        seconds = stated_seconds(card, SECONDS.get(unit.casefold(), 1.0))
        if seconds is not None:
            said = "time_unit" in card.model_fields_set
            known = f"in {card.time_unit if said else unit}" if said or unit.casefold() in SECONDS else (
                f"in {unit or 'a unit that the file does not name'}, taken as seconds (--time-unit ms, min, ...)"
            )  # fmt: skip
            return _numbers(table, "POSITION_T", where) * seconds, f"time: POSITION_T, {known}"
    name = "FRAME" if "FRAME" in table.names else "POSITION_T"
    if name not in table.names:
        raise UserError(f"{where}: needs a column POSITION_T or FRAME")
    step, note = frame_seconds(card, where)
    return _numbers(table, name, where) * step, note


def _flat(points: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(R, 2) and a note if z never changes."""
    if points.shape[1] == 3 and (points[:, 2] == points[0, 2]).all():
        return points[:, :2], ["coordinates: 2-D, as z never changes"]
    return points, []


def _branches(times: list[np.ndarray]) -> dict[int, str]:
    return {
        index: "a track with several spots at one time, as one that splits or merges has"
        for index, clock in enumerate(times)
        if (np.diff(clock) == 0).any()
    }


def _read_xml(text: str, where: str, card: FileCard) -> TrackFile:
    try:
        if "<!DOCTYPE" in text:  # it can define entities that unpack without limit
            raise ValueError("it declares a document type")
        root = ET.fromstring(text.encode())
        if root.tag != "Tracks":
            raise UserError(
                f"{where}: is an XML file of <{root.tag}>, not of <Tracks>; in TrackMate choose the action `Export "
                "tracks to XML file`, or export the table of spots as CSV"
            )
        rows = [
            np.array([[float(spot.attrib[key]) for key in ("t", "x", "y", "z")] for spot in track])
            for track in root.iter("particle")
        ]
        interval = float(root.attrib["frameInterval"])
    except (ET.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{where}: cannot be read as TrackMate's XML ({error})") from None
    rows = [row for row in rows if len(row)]
    if not rows:
        raise UserError(f"{where}: has no tracks")
    unit = root.attrib.get("timeUnits", "")
    seconds = SECONDS.get(unit.casefold(), 1.0)
    rate = 1 / (interval * seconds) if seconds is not None and interval > 0 else None
    step, note = frame_seconds(card, where, rate)
    points, notes = _flat(np.concatenate(rows)[:, 1:])
    rows = [row[np.argsort(row[:, 0], kind="stable")] for row in rows]
    times = [row[:, 0] * step for row in rows]
    return TrackFile(
        [str(number) for number in range(len(rows))],
        [row[:, 1 : 1 + points.shape[1]] for row in rows],
        times,
        notes=[f"coordinates: in {root.attrib.get('spaceUnits', 'unknown units')}", *notes, note,
               "ids: the tracks of the XML file are numbered from 0, in its order"],
        defects=_branches(times),
    )  # fmt: skip
