"""DeepLabCut: the .csv that analyze_videos writes, keypoints in columns and a frame in each row.

Three header rows name the scorer, the body parts and the coordinates x, y and likelihood; in projects of several
animals a row `individuals` comes second. Triangulated keypoints have z in place of a likelihood. The first column
numbers the frames. A file is named after its video and then its scorer. Layout:
https://deeplabcut.github.io/DeepLabCut/docs/standardDeepLabCut_UserGuide.html. The threshold of the likelihood is by
default that of DeepLabCut's own configuration, `pcutoff`.
"""

from collections import Counter

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import PosesCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.clock import numbers
from trajprobe.trajectories.sources.text_table import TextTable, find_separator, split_line
from trajprobe.trajectories.sources.trackers.keypoints import Keypoints, path_of_keypoint
from trajprobe.trajectories.sources.trackers.track_file import TrackFile, decoded, frame_seconds

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
PCUTOFF = 0.6


def read_deeplabcut(data: bytes, where: str, card: PosesCard) -> TrackFile:
    """The path of a keypoint of each animal.

    Raises UserError if the header rows are not those of DeepLabCut, frames are not numbered, or it is not said which
    of several keypoints is meant.
    """
    header, table = _open(decoded(data, where), where)
    names = [(animal, part) for animal, part in zip(header["individuals"], header["bodyparts"], strict=True)]
    places = {
        (*name, coordinate): place
        for place, (name, coordinate) in enumerate(zip(names, header["coords"], strict=True), 1)
    }
    columns = table.load(range(len(table.names)))
    frames = _numbers(columns, 0, "the first column", where)
    if np.isnan(frames).any():
        raise UserError(f"{where}: the first column must number the frames, and has empty cells")
    animals: dict[str, Keypoints] = {}
    deep = all((*name, "z") in places for name in names)
    for animal, part in dict.fromkeys(names):
        axes = [places.get((animal, part, axis)) for axis in ("xyz" if deep else "xy")]
        if None in axes:
            raise UserError(f"{where}: {part} must have columns x and y")
        points = np.stack(
            [_numbers(columns, place, part, where) for place in axes if place is not None], axis=1
        )
        likely = places.get((animal, part, "likelihood"))
        certain = None if likely is None else _numbers(columns, likely, part, where)
        animals.setdefault(animal, Keypoints())[part] = (points, certain)
    step, note = frame_seconds(card, where)
    order = np.argsort(frames, kind="stable")
    ids, paths, notes, counts = path_of_keypoint(animals, card, where, PCUTOFF)
    return TrackFile(
        ids,
        [path[order] for path in paths],
        [frames[order] * step] * len(ids),
        video_ends=header["scorer"][0],
        notes=[
            "coordinates: in the units of the calibration" if deep else "coordinates: in pixels",
            *notes,
            note,
        ],
        counts=Counter(counts),
    )


def _open(text: str, where: str) -> tuple[dict[str, list[str]], TextTable]:
    """Level -> its cells, and the table without header rows. individuals: empty names if there is no such row."""
    lines = [line for line in text.splitlines() if line.strip()]
    separator = find_separator(lines[:2]) if lines else ","
    header: dict[str, list[str]] = {}
    while lines and (cells := split_line(lines[0], separator))[0] in LEVELS:
        header[cells[0]] = cells[1:]
        lines.pop(0)
    header.setdefault("individuals", [""] * len(header.get("bodyparts", [])))
    sizes = {len(header.get(level, [])) for level in LEVELS}
    if len(sizes) != 1 or not min(sizes):
        raise UserError(
            f"{where}: must begin with the header rows of DeepLabCut, scorer, (individuals,) bodyparts and coords, all "
            "of one length"
        )
    if not lines:
        raise UserError(f"{where}: has no rows")
    count = 1 + sizes.pop()
    body = "\n".join([*lines, ""]).encode()
    return header, TextTable(where, [str(place) for place in range(count)], True, body, separator)


def _numbers(columns: pa.Table, place: int, name: str, where: str) -> np.ndarray:
    try:
        return numbers(columns.column(place).chunk(0))
    except pa.ArrowException as error:
        raise UserError(f"{where}: {name} must contain numbers ({error})") from None
