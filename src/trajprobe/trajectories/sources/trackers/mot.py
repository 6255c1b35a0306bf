"""MOTChallenge: gt.txt and the results of trackers, one box per line, without a header.

A line is `frame, id, left, top, width, height, confidence, ...`, with 7, 9 or 10 numbers. With 10, x, y, z follow, in
the world or -1. With 9, as in the ground truth of MOT16 and later, a class and a visibility follow, and instead of the
confidence a flag which is 0 for boxes to ignore. The path is that of the centre of the box. Layouts: Milan et al.,
"MOT16", arXiv:1603.00831, tables 5 and 6; https://motchallenge.net/instructions/.
"""

import configparser
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import FileCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.text_table import NUMBER, split_line
from trajprobe.trajectories.sources.trackers.track_file import (
    TrackFile,
    decoded,
    frame_seconds,
    group_rows,
)

WIDTHS = (7, 9, 10)  # numbers in a line
OF_GROUND_TRUTH = 9


def read_mot(data: bytes, where: str, card: FileCard, rate: float | None = None) -> TrackFile:
    """The tracks of the boxes. rate: frames in a second by seqinfo.ini.

    Raises UserError if lines are not boxes, or if none of these has a track.
    """
    boxes = _boxes(decoded(data, where), where)
    linked = boxes[:, 1] >= 0
    if not linked.any():
        raise UserError(
            f"{where}: has detections that are in no track (their id is -1); import the ground truth or the results "
            "of a tracker"
        )
    counts = Counter({"tracks: {} boxes that are in no track (id -1) are left out": int((~linked).sum())})
    with_class = boxes.shape[1] == OF_GROUND_TRUTH
    if with_class:
        ignored = linked & (boxes[:, 6] == 0)
        counts["tracks: {} boxes that are flagged to be ignored are left out"] = int(ignored.sum())
        linked &= ~ignored
    boxes = boxes[linked]
    step, note = frame_seconds(card, where, rate)
    names = pa.array([str(int(number)) for number in boxes[:, 1]], pa.string())
    ids, times, paths = group_rows(names, boxes[:, 0] * step, boxes[:, 2:4] + boxes[:, 4:6] / 2)
    notes = ["coordinates: the centre of each box, in pixels", note]
    if boxes.shape[1] == max(WIDTHS) and (boxes[:, 7:] != -1).any():
        notes.append("coordinates: those in the world, x, y, z, are not used")
    return TrackFile(
        ids, paths, times, labels=_classes(names, boxes[:, 7], ids) if with_class else None, notes=notes, counts=counts
    )  # fmt: skip


def _classes(names: pa.Array, classes: np.ndarray, ids: list[str]) -> list[str]:
    """The class of each track, as text: that of most of its boxes."""
    seen: dict[str, Counter[str]] = {name: Counter() for name in ids}
    for name, number in zip(names.to_pylist(), classes, strict=True):
        seen[name][f"{number:g}"] += 1
    return [seen[name].most_common(1)[0][0] for name in ids]


def _boxes(text: str, where: str) -> np.ndarray:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        cells = split_line(line, ",") if "," in line else line.split()
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError as error:
            raise UserError(f"{where}: line {number}: {error}") from None
        if len(cells) != len(rows[0]) or len(cells) not in WIDTHS:
            raise UserError(
                f"{where}: line {number}: has {len(cells)} numbers; required 7, 9 or 10 as in files of MOTChallenge, "
                "and the same in every line"
            )
    if not rows:
        raise UserError(f"{where}: has no rows")
    return np.array(rows)


def looks_like_boxes(lines: list[str]) -> bool:
    """Whether all lines can be boxes: 7, 9 or 10 numbers, of which the first two are whole and the size is positive."""
    for line in lines:
        cells = split_line(line, ",")
        if len(cells) not in WIDTHS or not all(cell and NUMBER.fullmatch(cell) for cell in cells):
            return False
        frame, track, *_ = box = [float(cell) for cell in cells]
        if frame % 1 or frame < 0 or track % 1 or track < -1 or min(box[4:6]) <= 0:
            return False
    return bool(lines)


def frame_rate(text: str, where: str) -> float:
    """Frames in a second by the text of a seqinfo.ini. Raises UserError if it does not say so."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
        rate = float(parser["Sequence"]["frameRate"])
        if not 0 < rate < np.inf:
            raise ValueError(f"frameRate is {rate:g}")
    except (configparser.Error, KeyError, ValueError) as error:
        raise UserError(f"{where}: must have a number frameRate under [Sequence] ({error})") from None
    return rate


def find_frame_rates(file: Path, name: str) -> Path | None:
    """The file `name` that belongs to a gt.txt: in its folder or in the one above."""
    places = [file.parent / name, file.resolve().parent.parent / name]
    return next((place for place in places if place.is_file()), None)
