"""Distinct clips to pretrain on, and those that are there already: an .npz, or a folder as `render` writes it.

A pool holds each recording once: of exact copies the first, so that the clips that measure the error are no copies of
those that are trained on. The user's trajectories become a pool in `source_pool`.
"""

import hashlib
import zipfile
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajprobe.artifacts.clips import Clips, open_clips
from trajprobe.artifacts.seen_items import CLIP, FILE, POINTS, clip_digest, file_digest, points_digest
from trajprobe.artifacts.trajectories import items_digest, read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.trajectories.sources.clip_rows import read_clip_rows


@dataclass(frozen=True)
class ClipPool:
    """N distinct clips. where: the option that names them, for messages. frames: of each clip.

    draw: (index, rendering) -> (T, S, S, 3) uint8; another rendering of an item differs if its appearance is random.
    digests: by kind (see artifacts/seen_items.py), what each of the N is recognised by. content: SHA-256 of all that
    decides the clips. notes: what was left out, for the user.
    """

    where: str
    count: int
    frames: int
    draw: Callable[[int, int], np.ndarray]
    digests: dict[str, list[str]]
    content: str
    notes: list[str]


def clips_pool(path: Path) -> ClipPool:
    """The clips in an .npz with `videos` (N, T, H, W, 3) uint8, or in a folder as `render` writes it.

    Those of data/videos.zarr are known by their items, too. Raises UserError if the file is missing or unsound.
    """
    where = f"--clips {path}"
    videos: np.ndarray | Clips
    if path.is_dir():
        if not (path / "zarr.json").is_file():
            raise UserError(
                f"{where}: expected an .npz with `videos`, or a folder as data/videos.zarr; it has no zarr.json"
            )
        videos = open_clips(path)
    else:
        videos = _npz_videos(path, where)
    total, frames, height, width, _ = videos.shape
    if height != width:
        raise UserError(f"{where}: clips must be square, got {width} x {height} pixels; crop or pad them")
    with progress("reading clips", total, "clips") as advance:
        digests = {}
        for index in range(total):
            digests[index] = clip_digest(videos[index : index + 1][0])
            advance(1)
    notes: list[str] = []
    kept = first_of_each(range(total), digests, notes)
    known = {CLIP: digests}
    if isinstance(videos, np.ndarray):
        rows = read_clip_rows(path, "videos").clips
        known[FILE] = {index: file_digest(row.sha256) for index, row in enumerate(rows)}
    elif path.resolve() == paths.VIDEOS.resolve():
        known |= _of_items(videos)

    def draw(index: int, rendering: int) -> np.ndarray:
        return np.asarray(videos[kept[index] : kept[index] + 1][0])

    content = hashlib.sha256(" ".join([f"{videos.shape[1:]}", *(digests[index] for index in kept)]).encode())
    by_kind = {kind: [own[index] for index in kept] for kind, own in known.items()}
    return ClipPool(where, len(kept), frames, draw, by_kind, content.hexdigest(), notes)


def first_of_each(indices: Iterable[int], digests: Mapping[int, Hashable], notes: list[str]) -> list[int]:
    """The first index of each digest; `notes` says how many copies that leaves out."""
    indices = list(indices)
    first = {digests[index]: index for index in reversed(indices)}
    if len(first) < len(indices):
        notes.append(f"left out {len(indices) - len(first)} exact copies of others")
    return sorted(first.values())


def _of_items(videos: Clips) -> dict[str, dict[int, str]]:
    """The digests of the items for which data/videos.zarr was made, by kind."""
    items = read_items(paths.TRAJECTORIES)
    videos.check_items(items_digest(items.item_ids))
    found = {}
    if items.has_paths:
        own = read_trajectories(paths.TRAJECTORIES).points
        found[POINTS] = {index: points_digest(path) for index, path in enumerate(own)}
    if items.clips is not None:
        found[FILE] = {index: file_digest(sha256) for index, sha256 in enumerate(items.clips.digests)}
    return found


def _npz_videos(path: Path, where: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as archive:
            videos = archive["videos"]
    except FileNotFoundError:
        raise UserError(f"{where}: there is no such file or folder") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{where}: expected an .npz with an array `videos`, or a folder as data/videos.zarr ({error})"
        ) from None
    if videos.dtype != np.uint8 or videos.ndim != 5 or videos.shape[-1] != 3:
        raise UserError(f"{where}: videos: expected (N, T, H, W, 3) uint8, got {videos.shape} {videos.dtype}")
    return np.asarray(videos)
