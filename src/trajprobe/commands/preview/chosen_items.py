"""The items of a preview: read as the stage `trajectories` does, and a few of each class drawn as `render` does.

Nothing is written and nothing is downloaded: a file of the source that is not on this machine is refused with the
command that brings it. The clips are byte for byte those of the stage `render`.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajprobe.artifacts.source_card import SourceFile
from trajprobe.artifacts.trajectories import ReadyClips, TrajectorySet, shown_classes
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.download.cache import cache_dir, url_name
from trajprobe.download.mirror import mirror_places
from trajprobe.params import Params
from trajprobe.render.clutter import add_noise
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import NOISE, make_scene, render_clip
from trajprobe.trajectories.stage import items_of, local_file
from trajprobe.trajectories.validation import accept

PER_CLASS = 6  # clips of a class
MOST_CLIPS = 240  # in all: with very many classes fewer of each are drawn, and of the first classes only


@dataclass(frozen=True)
class ChosenItems:
    """n of the N items of a study, and their clips.

    rows: class (of `shown`) -> its chosen items, as positions in `trajectories`, which follow each other in `clips` (n,
    T, S, S, 3) uint8. read, drawn: seconds that reading all items took, and drawing one clip.
    """

    trajectories: TrajectorySet
    rows: dict[str, list[int]]
    clips: np.ndarray
    read: float
    drawn: float

    @property
    def shown(self) -> tuple[list[str], list[str]]:
        """The label of each of the N items, and the classes, by which items are shown."""
        return shown_classes(self.trajectories.labels, self.trajectories.classes)

    def clips_of(self, name: str) -> np.ndarray:
        """(k, T, S, S, 3) uint8: the clips of the class `name`."""
        names = list(self.rows)
        start = sum(len(self.rows[other]) for other in names[: names.index(name)])
        return self.clips[start : start + len(self.rows[name])]


def choose_items(params: Params) -> ChosenItems:
    """Read the source of `params`, and draw a few clips of every class. Raises UserError as the two stages do."""
    start = time.perf_counter()
    card, parsed = items_of(params.source, params.synthesis, find_offline)
    trajectories, _ = accept(parsed, card, params.trajectories)
    read = time.perf_counter() - start
    rows = evenly_by_class(*shown_classes(trajectories.labels, trajectories.classes))
    items = [item for own in rows.values() for item in own]
    if trajectories.clips is not None and params.render.content != "noise":
        start = time.perf_counter()
        clips = _ready_made(trajectories.clips, items, params)
    else:
        clips, start = _drawn(trajectories, items, params.render)
    return ChosenItems(trajectories, rows, clips, read, (time.perf_counter() - start) / len(clips))


def _drawn(trajectories: TrajectorySet, items: list[int], render: RenderParams) -> tuple[np.ndarray, float]:
    """The clips of `items`, and when their drawing began."""
    points, times, strokes = trajectories.points, trajectories.times, trajectories.strokes
    scene = make_scene(points, times, render, trajectories.y_axis)
    start = time.perf_counter()
    clips = []
    for item in items:
        path = points[item] if points else np.empty((0, 2))  # noise needs none
        own = None if strokes is None else strokes[item]
        clips.append(render_clip(path, times[item], render, item, trajectories.y_axis, own, scene))
    return np.stack(clips), start


def _ready_made(clips: ReadyClips, items: list[int], params: Params) -> np.ndarray:
    """The clips of `items`, which the source has, as `render` resizes them."""
    from trajprobe.render.ready_made import ready_clips  # here, as it decodes videos

    order = sorted(items)
    some = replace(clips, places=[clips.places[i] for i in order], frames=[clips.frames[i] for i in order])
    render = params.render
    plain = render.model_copy(update={"noise": 0.0})  # its noise would be that of other items
    made = dict(zip(order, ready_clips(some, paths.source(params.source), plain), strict=True))
    picked = [made[item][0] for item in items]
    if render.noise > 0:
        picked = [
            add_noise(clip, render.noise, np.random.default_rng([render.seed, item, NOISE]))
            for item, clip in zip(items, picked, strict=True)
        ]
    return np.stack(picked)


def evenly_by_class(labels: list[str], classes: list[str]) -> dict[str, list[int]]:
    """PER_CLASS items of each class, evenly spaced in the order of the items, the first and the last among them."""
    most = max(1, min(PER_CLASS, MOST_CLIPS // len(classes)))
    chosen = {}
    for name in classes[:MOST_CLIPS]:
        own = [index for index, label in enumerate(labels) if label == name]
        picked = np.linspace(0, len(own) - 1, min(most, len(own))).round().astype(int)
        chosen[name] = [own[index] for index in picked]
    return chosen


def find_offline(source: str, entry: SourceFile) -> Path:
    """The local path of a file of the source, which is never downloaded. Raises UserError if it is not here."""
    if entry.url is None:
        return local_file(source, entry)
    name = url_name(entry.url)
    places = [place for place in mirror_places([name]) if isinstance(place, Path)]
    for path in [*places, cache_dir(entry.url) / name]:
        if path.is_file() and entry.sha256 in (None, files.sha256(path)):
            return path
    raise UserError(
        f"source {source}: {name} is not on this machine, and preview downloads nothing; `dvc repro trajectories` "
        "downloads it"
    )
