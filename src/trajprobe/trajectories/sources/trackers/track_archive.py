"""From the file of a tracker, or a .zip of many, to items.

The ids of one file are those of its tracks. Of many, each is preceded by the name of its video: the path of the file
without its ending, without what all paths end in (as `gt/gt` in the folders of MOTChallenge), and without the name of
the network that DeepLabCut appends. The note on what was left out is summed over all files.
"""

import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from trajprobe.artifacts.source_card import PosesCard, TracksCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.item_files import (
    FRAME_RATES,
    archive_members,
    label_from_names,
    of_tracker,
    without_ending,
)
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.trackers.deeplabcut import read_deeplabcut
from trajprobe.trajectories.sources.trackers.idtrackerai import read_idtrackerai
from trajprobe.trajectories.sources.trackers.mot import frame_rate, read_mot
from trajprobe.trajectories.sources.trackers.sleap import read_sleap
from trajprobe.trajectories.sources.trackers.track_file import TrackFile, decoded
from trajprobe.trajectories.sources.trackers.trackmate import read_trackmate

FEWEST = 2  # points of a path


def read_tracks(path: Path, card: TracksCard | PosesCard) -> Raw:
    """The tracks of a file, or of all files in a .zip, as items.

    Raises UserError if a file cannot be read, or if neither it, the card nor a file of labels says the labels.
    """
    if path.suffix.lower() != ".zip":
        return _items(path, card, [""], [_read(path.read_bytes(), str(path), card)])
    try:
        members = dict(archive_members(path, lambda name: of_tracker(name) or name.endswith(FRAME_RATES)))
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as .zip ({type(error).__name__}: {error})") from None
    rates = {
        PurePosixPath(name).parent: frame_rate(decoded(data, f"{path}: {name}"), f"{path}: {name}")
        for name, data in members.items()
        if PurePosixPath(name).name == FRAME_RATES
    }
    names = [name for name in members if PurePosixPath(name).name != FRAME_RATES]
    files = []
    for name in names:
        above = PurePosixPath(name).parents
        rate = next((rates[folder] for folder in above[:2] if folder in rates), None)
        files.append(_read(members[name], f"{path}: {name}", card, rate))
    if not files:
        raise UserError(f"{path}: contains no files of a tracker")
    return _items(path, card, _videos(names, files), files)


def _read(data: bytes, where: str, card: TracksCard | PosesCard, rate: float | None = None) -> TrackFile:
    if isinstance(card, PosesCard):
        return (read_sleap if card.format == "sleap" else read_deeplabcut)(data, where, card)
    if card.format == "mot":
        return read_mot(data, where, card, rate)
    return (read_trackmate if card.format == "trackmate" else read_idtrackerai)(data, where, card)


def _videos(names: Sequence[str], files: Sequence[TrackFile]) -> list[str]:
    """The name of each file's video."""
    parts = [list(PurePosixPath(without_ending(name)).parts) for name in names]
    while len(parts) > 1 and min(map(len, parts)) > 1 and len({own[-1] for own in parts}) == 1:
        parts = [own[:-1] for own in parts]
    for own, file in zip(parts, files, strict=True):
        video = own[-1].partition(file.video_ends)[0] if file.video_ends else ""
        own[-1] = video.rstrip("_-. ") or own[-1]
    return ["/".join(own) for own in parts]


def _items(path: Path, card: TracksCard | PosesCard, videos: list[str], files: list[TrackFile]) -> Raw:
    raw = Raw([], [], times=[], item_ids=[])
    assert raw.times is not None and raw.item_ids is not None  # noqa: PT018
    counts: Counter[str] = Counter()
    owners: list[str] = []
    for video, file in zip(videos, files, strict=True):
        raw.notes += file.notes
        counts.update(file.counts)
        for index, track in enumerate(file.ids):
            if np.isfinite(file.points[index]).all(axis=1).sum() < FEWEST:
                counts["tracks: {} of fewer than two points are left out"] += 1
                continue
            if index in file.defects:
                raw.defects[len(raw.points)] = file.defects[index]
            raw.labels += [] if file.labels is None else [file.labels[index]]
            raw.points.append(file.points[index])
            raw.times.append(file.times[index])
            raw.item_ids.append("/".join(part for part in (video, track) if part))
            owners.append(video)
    if not raw.points:
        raise UserError(f"{path}: has no track of two points or more")
    if raw.item_ids == [""]:
        raw.item_ids = None  # a single track in a single file
    raw.notes = list(dict.fromkeys(raw.notes))
    raw.notes += [note.format(count) for note, count in counts.items() if count]
    _label(raw, card, path, owners)
    return raw


def _label(raw: Raw, card: TracksCard | PosesCard, path: Path, owners: list[str]) -> None:
    """Labels from the files or their names, unless a file of labels says them."""
    if card.label_file is not None:
        raw.labels = [""] * len(raw.points)
        return
    if len(raw.labels) == len(raw.points) and card.label_from is None:
        raw.notes.append("labels: the class of each track in the file")
        return
    raw.labels = []
    several_folders = len({PurePosixPath(owner).parent for owner in owners}) > 1
    if not several_folders and not (card.label_from or "").startswith("name:"):
        shown = ", ".join((raw.item_ids or [])[:3])
        raise UserError(
            f"{path}: its tracks have no labels; give a table of them by --labels FILE, with the columns id and label"
            + (f" (ids are {shown}, ...)" if shown else "")
        )
    label_from_names(raw, [f"{owner}.csv" for owner in owners], card.label_from, path)
