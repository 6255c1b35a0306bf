"""The user's own trajectories, or ready-made clips, as a pool of clips to pretrain on, as `render` would show them.

Labels play no part. Items that cannot be used are left out and counted, as are those with an exact copy among the items
that may not be seen.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from trajprobe.artifacts.formatting import counted
from trajprobe.artifacts.seen_items import FILE, POINTS, file_digest, points_digest
from trajprobe.commands.pretrain.clip_pool import ClipPool, first_of_each
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.core.schema import YAxis, load, nearest
from trajprobe.params import Params
from trajprobe.render.params import RenderParams
from trajprobe.render.ready_made import ready_clips
from trajprobe.render.rendering import EMPTY, Scene, make_scene, render_clip
from trajprobe.trajectories.item_checks import find_defects
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.stage import items_of
from trajprobe.trajectories.validation import select_clips

TRAIN = "train"  # for `--items`: the published train part


def source_pool(source: str, items: str | None) -> ClipPool:
    """The items of data/sources/SOURCE, drawn or resized as the section `render` of params.yaml says.

    items: which of them: `train`, the published train part; or a file with one item id a line; None for all. Raises
    UserError if the source or a file is missing or unsound, or an id is unknown.
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
    digests = {index: _digests(parsed, index) for index in sound}
    chosen = sound if items is None else _chosen(parsed, sound, items, where)
    forbidden = {digest for index in {*sound} - {*chosen} for digest in digests[index].items()}
    allowed = [index for index in chosen if forbidden.isdisjoint(digests[index].items())]
    if copies := len(chosen) - len(allowed):
        notes.append(
            f"left out {counted(copies, 'item')} with an exact copy among the items that may not be seen"
        )
    kept = first_of_each(allowed, {index: tuple(digests[index].values()) for index in allowed}, notes)
    content = hashlib.sha256(json.dumps([render.model_dump(), card.y_axis]).encode())
    if parsed.clips is None:
        # A common scale or clock is that of the items that may be seen.
        points, times = ([own[index] for index in kept] for own in (parsed.points, parsed.times))
        scene = make_scene(points, times, render, card.y_axis) if kept else EMPTY
        draw = _drawing(parsed, kept, render, card.y_axis, scene)
        content.update(b"" if scene.pictures is None else scene.pictures.tobytes())
    else:
        draw = _resized(parsed, kept, source, render)
    for index in kept:
        strokes = [parsed.strokes[index]] if parsed.strokes else []
        for array in (parsed.points[index], parsed.times[index], *strokes):
            content.update(f"{array.shape}".encode() + array.tobytes())
        content.update(digests[index].get(FILE, "").encode())
    kinds = [kind for kind in (POINTS, FILE) if kept and kind in digests[kept[0]]]
    by_kind = {kind: [digests[index][kind] for index in kept] for kind in kinds}
    return ClipPool(where, len(kept), render.frames, draw, by_kind, content.hexdigest(), notes)


def _digests(parsed: Parsed, index: int) -> dict[str, str]:
    """What an item is recognised by, by kind."""
    found = {POINTS: points_digest(parsed.points[index])} if parsed.has_paths else {}
    return found | ({FILE: file_digest(parsed.clips[index].sha256)} if parsed.clips else {})


def _drawing(
    parsed: Parsed, kept: Sequence[int], render: RenderParams, y_axis: YAxis, scene: Scene
) -> Callable[[int, int], np.ndarray]:
    def draw(index: int, rendering: int) -> np.ndarray:
        item = kept[index]
        strokes = parsed.strokes[item] if parsed.strokes else None
        number = index + rendering * len(kept)  # seeds what is random in a clip
        return render_clip(parsed.points[item], parsed.times[item], render, number, y_axis, strokes, scene)

    return draw


def _resized(
    parsed: Parsed, kept: Sequence[int], source: str, render: RenderParams
) -> Callable[[int, int], np.ndarray]:
    """Ready-made clips are read once, into a temporary file, as they lie behind each other in theirs."""
    shape = (max(1, len(kept)), render.frames, render.size, render.size, 3)
    with tempfile.TemporaryFile() as file:
        clips = np.memmap(file, np.uint8, "w+", shape=shape)
    with progress("reading clips", len(kept), "clips") as advance:
        for index, clip in enumerate(ready_clips(select_clips(parsed, kept), paths.source(source), render)):
            clips[index] = clip[0]
            advance(1)
    return lambda index, rendering: np.asarray(clips[index])


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
