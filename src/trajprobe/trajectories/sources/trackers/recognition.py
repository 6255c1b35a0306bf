"""Which tracker wrote a file, found out from its content where that is unambiguous.

Tables with a point per row, as those of trackpy, need no reader of their own: they are `long` tables, and only the keys
of the card that say how are found here.
"""

import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.item_files import FRAME_RATES, of_tracker
from trajprobe.trajectories.sources.text_table import COMPRESSED, decode, find_separator, split_line, unpack
from trajprobe.trajectories.sources.trackers.deeplabcut import LEVELS
from trajprobe.trajectories.sources.trackers.hdf5 import MAGIC, which_tracker
from trajprobe.trajectories.sources.trackers.idtrackerai import NPY, is_trajectories_header
from trajprobe.trajectories.sources.trackers.mot import find_frame_rates, frame_rate, looks_like_boxes
from trajprobe.trajectories.sources.trackers.trackmate import COLUMNS

Keys = dict[str, Any]  # of a card
HEAD = 2**18  # bytes that show the layout of a text
SAMPLE = 50  # its lines
ROOTS = ("Tracks", "TrackMate")  # of TrackMate's XML; its reader refuses the second with a remedy
BOXES = ("gt.txt", "det.txt")
POINT_ROWS: list[tuple[set[str], Keys]] = [  # columns that a table must have -> keys
    (  # http://soft-matter.github.io/trackpy: the table that trackpy.link returns
        {"particle", "frame", "x", "y"},
        {"columns": {"id": "particle", "t": "frame"}, "time_unit": "frames", "y_axis": "down"},
    ),
    (  # idtrackerai/utils/trajectories_io.py, trajectories.parquet
        {"individual", "frame", "time", "x", "y", "probability"},
        {"columns": {"id": "individual", "t": "time"}, "y_axis": "down"},
    ),
]


def recognise_tracker(path: Path) -> tuple[str, Keys]:
    """The format of a card, and its keys that the content shows; empty if no tracker is recognised.

    Raises UserError if the file is that of a tracker, but cannot be read.
    """
    if path.suffix.lower() == ".parquet":
        return _of_columns(_parquet_names(path))
    if zipfile.is_zipfile(path):
        return _of_archive(path) if path.suffix.lower() == ".zip" else ("", {})
    rates = find_frame_rates(path, FRAME_RATES)
    with path.open("rb") as file:
        head = file.read(HEAD)
        data = head + file.read() if head.startswith(MAGIC) or path.suffix.lower() in COMPRESSED else head
    form, keys = _of_content(data, path.name, rates is not None, str(path))
    if form == "mot" and rates is not None:
        keys = {"time_unit": f"{frame_rate(rates.read_text('utf-8', 'replace'), str(rates)):.15g}fps"}
    return form, keys


def _of_archive(path: Path) -> tuple[str, Keys]:
    """By the first file in it; tables with a point per row are one for each item there."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(
            info.filename
            for info in archive.infolist()
            if of_tracker(info.filename)
            and not any(part.startswith((".", "__MACOSX")) for part in Path(info.filename).parts)
        )  # fmt: skip
        if not names:
            return "", {}
        try:
            with archive.open(names[0]) as file:
                content = (
                    file.read(HEAD) if Path(names[0]).suffix.lower() in (".csv", ".txt") else file.read()
                )
        except Exception:  # the reader of the archive says what is wrong
            return "", {}
    form, _ = _of_content(content, Path(names[0]).name, False, f"{path}: {names[0]}")
    return (form, {}) if form != "long" else ("", {})


def _of_content(data: bytes, name: str, has_rates: bool, where: str) -> tuple[str, Keys]:
    if data.startswith(MAGIC):
        return which_tracker(data, where), {}
    if data.startswith(NPY):
        head = data[:256]
        return ("idtrackerai", {}) if b"'shape': ()" in head and b"'|O'" in head else ("", {})
    try:
        text = decode(unpack(data)[0][:HEAD])[0]
    except Exception:  # no text, or broken: other readers say so
        return "", {}
    if text.lstrip().startswith("<") and any(f"<{root}" in text for root in ROOTS):
        return "trackmate", {}
    lines = [line for line in text.splitlines() if line.strip()][:SAMPLE]
    if not lines:
        return "", {}
    header = split_line(lines[0], find_separator(lines[:2]))
    if header[0] in LEVELS[:1] and any(line.startswith(LEVELS[-1]) for line in lines[1:4]):
        return "deeplabcut", {}
    if set(COLUMNS) <= set(header):
        return "trackmate", {}
    if is_trajectories_header(header):
        return "idtrackerai", {}
    if _are_boxes(lines[:-1] or lines, name, has_rates):
        return "mot", {}
    return _of_columns(header)


def _are_boxes(lines: list[str], name: str, has_rates: bool) -> bool:
    """Whether lines are boxes of MOTChallenge and not paths in rows: by the file's name, or by the end of the lines."""
    told = (
        name.lower() in BOXES
        or has_rates
        or all(line.replace(" ", "").endswith(",-1,-1,-1") for line in lines)
    )
    return told and looks_like_boxes(lines)


def _of_columns(names: list[str]) -> tuple[str, Keys]:
    return next((("long", dict(keys)) for columns, keys in POINT_ROWS if columns <= set(names)), ("", {}))


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a table ({error})") from None
