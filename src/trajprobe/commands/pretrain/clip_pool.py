"""The user's own clips to pretrain on: a source's trajectories as `render` draws them, or clips that are there already.

Labels play no part. A pool holds each recording once: of exact copies the first, so that the clips that measure the
error are no copies of those that are trained on.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajprobe.artifacts.clips import Clips, open_clips
from trajprobe.artifacts.formatting import counted
from trajprobe.artifacts.seen_items import clip_digest, points_digest
from trajprobe.artifacts.trajectories import items_digest, read_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.core.schema import load, nearest
from trajprobe.params import Params
from trajprobe.render.rendering import render_clip
from trajprobe.trajectories.item_checks import find_defects
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.stage import items_of

TRAIN = "train"  # for `--items`: the published train part


@dataclass(frozen=True)
class ClipPool:
    """N distinct clips. where: the option that names them, for messages. frames: of each clip.

    draw: (index, rendering) -> (T, S, S, 3) uint8; another rendering of an item differs if its appearance is random.
    points, clips: the digests that an item is recognised by (see artifacts/seen_items.py), N of them or none. digest:
    SHA-256 of all that decides the clips. notes: what was left out, for the user.
    """

    where: str
    count: int
    frames: int
    draw: Callable[[int, int], np.ndarray]
    points: list[str]
    clips: list[str]
    digest: str
    notes: list[str]


def source_pool(source: str, items: str | None) -> ClipPool:
    """The items of data/sources/SOURCE, drawn as the section `render` of params.yaml says.

    items: which of them: `train`, the published train part; or a file with one item id a line; None for all. Raises
    UserError if the source or a file is missing or unsound, or if no item is left.
    """
    where = f"--source {source}"
    if not paths.source_card(source).is_file():
        known = sorted(card.parent.name for card in Path().glob("data/sources/*/card.yaml"))
        raise UserError(
            f"{where}: there is no {paths.source_card(source)}; {nearest(source, known)}, or import it by `trajprobe "
            f"import FILE --name {source}`"
        )
    params = load(Params, paths.PARAMS)
    render = params.render
    if render.content == "noise":
        raise UserError(
            f"{where}: render.content in params.yaml is noise, which shows no trajectory; set it to trajectories"
        )
    card, parsed = items_of(source, params.synthesis)
    defects = find_defects(replace(parsed, labels=[source] * len(parsed.labels)))
    sound = [index for index in range(len(parsed.item_ids)) if index not in defects]
    notes = []
    if defects:
        first = min(defects)
        notes.append(
            f"left out {counted(len(defects), 'invalid item')}, the first of them {parsed.item_ids[first]}: "
            f"{defects[first]}"
        )
    digests = {index: points_digest(parsed.points[index]) for index in sound}
    chosen = sound if items is None else _chosen(parsed, sound, items, where)
    rest = {digests[index] for index in {*sound} - {*chosen}}
    copies = [index for index in chosen if digests[index] in rest]
    if copies:
        notes.append(
            f"left out {counted(len(copies), 'item')} with an exact copy among the items that may not be seen"
        )
    kept = _first_of_each([index for index in chosen if digests[index] not in rest], digests, notes)
    state = hashlib.sha256(json.dumps([render.model_dump(), card.y_axis]).encode())
    for index in kept:
        for array in (
            parsed.points[index],
            parsed.times[index],
            *([parsed.strokes[index]] if parsed.strokes else []),
        ):
            state.update(f"{array.shape}".encode() + array.tobytes())

    def draw(index: int, rendering: int) -> np.ndarray:
        item = kept[index]
        strokes = parsed.strokes[item] if parsed.strokes else None
        number = index + rendering * len(kept)
        return render_clip(parsed.points[item], parsed.times[item], render, number, card.y_axis, strokes)

    return ClipPool(
        where,
        len(kept),
        render.frames,
        draw,
        [digests[index] for index in kept],
        [],
        state.hexdigest(),
        notes,
    )


def clips_pool(path: Path) -> ClipPool:
    """The clips in an .npz with `videos` (N, T, H, W, 3) uint8, or in a folder as `render` writes it.

    Those of data/videos.zarr are known by their trajectories, too. Raises UserError if the file is missing or unsound.
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
    kept = _first_of_each(range(total), digests, notes)
    points: list[str] = []
    if isinstance(videos, Clips) and path.resolve() == paths.VIDEOS.resolve():
        trajectories = read_trajectories(paths.TRAJECTORIES)
        videos.check_items(items_digest(trajectories.item_ids))
        points = [points_digest(trajectories.points[index]) for index in kept]

    def draw(index: int, rendering: int) -> np.ndarray:
        return np.asarray(videos[kept[index] : kept[index] + 1][0])

    clips = [digests[index] for index in kept]
    digest = hashlib.sha256(" ".join([f"{videos.shape[1:]}", *clips]).encode()).hexdigest()
    return ClipPool(where, len(kept), frames, draw, points, clips, digest, notes)


def _chosen(parsed: Parsed, sound: Sequence[int], items: str, where: str) -> list[int]:
    if items == TRAIN:
        if chosen := [index for index in sound if parsed.splits[index] == TRAIN]:
            return chosen
        raise UserError(
            f"--items {TRAIN}: {where.removeprefix('--')} has no published train part; name a file with one item id "
            "a line"
        )
    try:
        wanted = {line.strip() for line in Path(items).read_text(encoding="utf-8").splitlines()} - {""}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--items {items}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'}); give `{TRAIN}`, or "
            "a text file with one item id a line"
        ) from None
    if unknown := sorted(wanted - set(parsed.item_ids)):
        raise UserError(
            f"--items {items}: {len(unknown)} of {len(wanted)} lines are no item of {where.removeprefix('--')}, the "
            f"first {unknown[0]!r}; its ids look like {parsed.item_ids[0]!r} (item_id in {paths.TRAJECTORIES})"
        )
    return [index for index in sound if parsed.item_ids[index] in wanted]


def _first_of_each(indices: Iterable[int], digests: dict[int, str], notes: list[str]) -> list[int]:
    """The first index of each digest; `notes` says how many copies that leaves out."""
    indices = list(indices)
    first = list({digests[index]: index for index in reversed(indices)}.values())[::-1]
    if len(first) < len(indices):
        notes.append(f"left out {len(indices) - len(first)} exact copies of others")
    return sorted(first)


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
