"""SLEAP: the analysis file (.h5) that "Export Analysis HDF5" and `sleap-convert --format analysis` write.

Data sets are stored for MATLAB, so that Python sees their axes in reverse: `tracks` (tracks, 2, nodes, frames), NaN
where a node is missing; `point_scores` (tracks, nodes, frames); `node_names`, `track_names`, which is empty for a video
that was not tracked. `track_occupancy` only repeats which tracks have points. Layout: the docstring of
sleap/info/write_tracking_h5.py and https://docs.sleap.ai, "Analysis HDF5".
"""

from collections import Counter

import numpy as np

from trajprobe.artifacts.source_card import PosesCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.trackers.hdf5 import Hdf5File, open_hdf5
from trajprobe.trajectories.sources.trackers.keypoints import Keypoints, path_of_keypoint
from trajprobe.trajectories.sources.trackers.track_file import TrackFile, frame_seconds


def read_sleap(data: bytes, where: str, card: PosesCard) -> TrackFile:
    """The path of a node of each track.

    Raises UserError if the file is no analysis file of SLEAP, or it is not said which of several nodes is meant.
    """
    with open_hdf5(data, where) as file:
        tracks, scores, nodes, names = _arrays(file, where)
    animals: dict[str, Keypoints] = {
        name: {
            node: (tracks[track, :, place].T, None if scores is None else scores[track, place])
            for place, node in enumerate(nodes)
        }
        for track, name in enumerate(names)
    }
    ids, paths, notes, counts = path_of_keypoint(animals, card, where, None)
    step, note = frame_seconds(card, where)
    return TrackFile(
        ids,
        paths,
        [np.arange(tracks.shape[3]) * step] * len(ids),
        notes=["coordinates: in pixels", *notes, note],
        counts=Counter(counts),
    )


def _arrays(file: Hdf5File, where: str) -> tuple[np.ndarray, np.ndarray | None, list[str], list[str]]:
    """tracks (K, 2, nodes, frames), scores (K, nodes, frames) or None, and the names of nodes and tracks."""
    tracks, nodes = file.read("tracks"), file.texts("node_names")
    names = file.texts("track_names") if "track_names" in file.names else []
    scores = file.read("point_scores") if "point_scores" in file.names else None
    if tracks.ndim != 4 or tracks.shape[1:3] != (2, len(nodes)) or not all(tracks.shape):
        raise UserError(
            f"{where}: tracks: must have the shape (tracks, 2, {len(nodes)} nodes, frames), got {tracks.shape}"
        )
    count = len(tracks)
    if len(names) not in (0, count) or len(set(names)) < len(names):
        raise UserError(f"{where}: track_names: must be {count} different names, got {len(names)}")
    if scores is not None and scores.shape != (count, *tracks.shape[2:]):
        raise UserError(
            f"{where}: point_scores: must have the shape {(count, *tracks.shape[2:])}, got {scores.shape}"
        )
    return tracks, scores, nodes, names or ([""] if count == 1 else [str(track) for track in range(count)])
