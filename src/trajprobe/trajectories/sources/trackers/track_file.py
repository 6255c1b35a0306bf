"""The tracks in one file of a tracker, and what the readers of these files share: rows, and frames as seconds.

Trackers number the frames of a video. How many there are in a second is in few of their files, so that the card can
say it (`time_unit: 30fps`); without it a frame lasts `time_step`, and the user is told so.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import FileCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.clock import UNITS
from trajprobe.trajectories.sources.text_table import decode, unpack


@dataclass
class TrackFile:
    """N tracks; lists of length N.

    ids: of the tracks; a single empty one if the file is a single track. points: (P, 2|3) float64, NaN where missing.
    times: (P,) seconds. labels: None if the file has none. video_ends: the text in the file's name from which on it is
    no more that of the video. notes: on all files of a kind. counts: a note with {} in it -> the number that belongs
    there, summed over files. defects: track -> reason.
    """

    ids: list[str]
    points: list[np.ndarray]
    times: list[np.ndarray]
    labels: list[str] | None = None
    video_ends: str = ""
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    defects: dict[int, str] = field(default_factory=dict)


def frame_seconds(card: FileCard, where: str, rate: float | None = None) -> tuple[float, str]:
    """Seconds from one frame to the next, and the note that says so.

    rate: frames in a second, if the file says it. Raises UserError if the card gives another unit of time.
    """
    unit = card.time_unit
    if "time_unit" in card.model_fields_set and unit != "frames":
        if not unit.endswith("fps"):
            raise UserError(
                f"{where}: counts frames; --time-unit must be frames or a rate such as 30fps, got {unit}"
            )
        rate = float(unit.removesuffix("fps"))
        return 1 / rate, f"time: frames, {rate:g} in a second"
    if "time_unit" not in card.model_fields_set and rate is not None:
        return 1 / rate, f"time: frames, {rate:g} in a second by the file"
    return card.time_step, (
        f"time: frames, taken as {card.time_step:g} s apart (--time-unit 30fps says how many are in a second)"
    )


def stated_seconds(card: FileCard, said: float | None) -> float | None:
    """Seconds in a unit of time of the file: as the card says, or else as the file does; None for a count of frames."""
    if "time_unit" not in card.model_fields_set:
        return said
    return UNITS.get(card.time_unit)


def group_rows(
    names: pa.Array, clock: np.ndarray, points: np.ndarray
) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    """The tracks of a table with a point per row: their names in order of appearance, times and points, by time.

    names: text (R,). clock: (R,). points: (R, D).
    """
    tracks = names.dictionary_encode()
    codes = tracks.indices.to_numpy()
    order = np.lexsort((clock, codes))
    ends = np.cumsum(np.bincount(codes, minlength=len(tracks.dictionary)))[:-1]
    return tracks.dictionary.to_pylist(), np.split(clock[order], ends), np.split(points[order], ends)


def decoded(data: bytes, where: str) -> str:
    """The text in a file, perhaps compressed. Raises UserError if it is not text."""
    try:
        return decode(unpack(data)[0])[0]
    except Exception as error:  # a decompressor can raise anything
        raise UserError(f"{where}: cannot be read as text ({error})") from None
