"""idtracker.ai: trajectories.npy, trajectories.h5 or trajectories.csv in the folder `trajectories` of a session.

The .npy file is a pickled dictionary with `trajectories` (frames, animals, 2), NaN where an animal is missing,
`frames_per_second`, and perhaps `identities_labels`. The .h5 file has the same, with numbers and text as attributes.
The .csv file has the columns `time` (once called `seconds`, and once left out), x1, y1, x2, y2, ... Layouts:
https://idtracker.ai/latest/user_guide/trajectory_files.html and idtrackerai/utils/trajectories_io.py. The pickle is
read without executing anything (`object_array.py`).
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import FileCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.clock import numbers
from trajprobe.trajectories.sources.object_array import Refused, read_object_record
from trajprobe.trajectories.sources.text_table import open_text
from trajprobe.trajectories.sources.trackers.hdf5 import MAGIC, open_hdf5
from trajprobe.trajectories.sources.trackers.track_file import (
    TrackFile,
    decoded,
    frame_seconds,
    stated_seconds,
)

NPY = b"\x93NUMPY"
CLOCKS = ("time", "seconds")


def read_idtrackerai(data: bytes, where: str, card: FileCard) -> TrackFile:
    """The track of each animal.

    Raises UserError if the file is not one of idtracker.ai's, or would execute anything.
    """
    if not data.startswith((NPY, MAGIC)):
        return _read_table(decoded(data, where), where, card)
    points, rate, names = _read_record(data, where) if data.startswith(NPY) else _read_hdf5(data, where)
    if points.ndim != 3 or points.shape[2] != 2 or points.dtype.kind not in "iuf" or not points.size:
        raise UserError(
            f"{where}: trajectories: must be numbers of shape (frames, animals, 2), got {points.dtype} of shape "
            f"{points.shape}"
        )
    count = points.shape[1]
    if len(set(names)) != count:
        names = [str(animal) for animal in range(1, count + 1)]
    known = isinstance(rate, int | float) and 0 < rate < 1e9
    step, note = frame_seconds(card, where, float(rate) if known else None)
    return _tracks(names, points, np.arange(len(points)) * step, note)


def _tracks(names: Sequence[str], points: np.ndarray, clock: np.ndarray, note: str) -> TrackFile:
    paths = [points[:, animal] for animal in range(points.shape[1])]
    return TrackFile(list(names), paths, [clock] * len(paths), notes=["coordinates: in pixels", note])


def _read_record(data: bytes, where: str) -> tuple[np.ndarray, Any, list[str]]:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = header(file)
        if shape != () or dtype.kind != "O":
            raise Refused(f"it is {dtype} of shape {shape}, not a dictionary")
        record = read_object_record(file.read())
    except (Refused, ValueError) as reason:
        raise UserError(
            f"{where}: refused: {reason}; import the .h5 or .csv file that idtracker.ai writes beside it (the command "
            "idtrackerai_format converts)"
        ) from None
    points = record.get("trajectories")
    if not isinstance(points, np.ndarray):
        found = ", ".join(record) or "nothing"
        raise UserError(f"{where}: needs `trajectories` in its dictionary; found {found}")
    names = record.get("identities_labels")
    return points, record.get("frames_per_second"), [*map(str, names)] if isinstance(names, list) else []


def _read_hdf5(data: bytes, where: str) -> tuple[np.ndarray, Any, list[str]]:
    with open_hdf5(data, where) as file:
        names = file.attribute("identities_labels")
        return (
            file.read("trajectories"),
            file.attribute("frames_per_second"),
            names if isinstance(names, list) else [],
        )


def _read_table(text: str, where: str, card: FileCard) -> TrackFile:
    opened = open_text(text, where)
    if not is_trajectories_header(opened.names):
        raise UserError(
            f"{where}: must have the columns time, x1, y1, x2, y2, ..., got {', '.join(opened.names)}"[:300]
        )
    table = opened.load(range(len(opened.names)))
    try:
        values = np.stack([numbers(column.chunk(0)) for column in table.columns], axis=1)
    except pa.ArrowException as error:
        raise UserError(f"{where}: must contain numbers ({error})") from None
    timed = opened.names[0].casefold() in CLOCKS
    points = values[:, int(timed) :].reshape(len(values), -1, 2)
    names = [str(animal) for animal in range(1, points.shape[1] + 1)]
    seconds = stated_seconds(card, 1.0) if timed else None
    if seconds is not None:
        unit = card.time_unit if "time_unit" in card.model_fields_set else "seconds"
        return _tracks(names, points, values[:, 0] * seconds, f"time: column {opened.names[0]!r}, in {unit}")
    step, note = frame_seconds(card, where)
    return _tracks(names, points, np.arange(len(points)) * step, note)


def is_trajectories_header(names: Sequence[str]) -> bool:
    """Whether the columns are those of idtracker.ai: perhaps a time, then x1, y1, x2, y2, ..."""
    names = [name.strip().casefold() for name in names]
    axes = names[1:] if names[:1] and names[0] in CLOCKS else names
    return len(axes) > 1 and axes == [
        f"{axis}{animal}" for animal in range(1, len(axes) // 2 + 1) for axis in "xy"
    ]
