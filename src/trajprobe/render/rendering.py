"""From trajectories to clips, one at a time or all of them on several threads.

Whatever is random in a clip comes from generators seeded with `render.seed` and the item's index, one for each
purpose. So a clip does not depend on the number of threads, nor on the other items unless they share a scale or a
clock (common_scale.py), and adding noise does not move the camera.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from trajprobe.core.parallel import bounded_map, worker_count
from trajprobe.core.ray_map import ray_map
from trajprobe.core.schema import YAxis
from trajprobe.render.backgrounds import load_backgrounds
from trajprobe.render.camera import make_projection
from trajprobe.render.clutter import add_noise, draw_backgrounds, noise_clip
from trajprobe.render.common_scale import CommonScale, common_scale
from trajprobe.render.drawing import draw_path, make_timeline
from trajprobe.render.params import RenderParams

CAMERA, CLUTTER, NOISE, BACKGROUND = range(4)  # purposes of an item's generators
BATCH_BYTES = 8 * 2**20  # of clips that one thread draws at a time
MOST_THREADS = 4  # by default: about half of a small clip's drawing holds the interpreter's lock


@dataclass(frozen=True)
class Scene:
    """What all clips have in common. pictures: (B, S, S, 3) uint8 to choose backgrounds from, or None."""

    scale: CommonScale
    pictures: np.ndarray | None = None


EMPTY = Scene(
    CommonScale()
)  # nothing in common: each path has its own scale and clock, on a plain background


def make_scene(
    points: Sequence[np.ndarray], times: Sequence[np.ndarray], render: RenderParams, y_axis: YAxis = "up"
) -> Scene:
    """The scene of N paths, as `render_batches` takes them. Raises UserError as its two parts do."""
    if render.content == "noise":
        return EMPTY
    pictures = load_backgrounds(render)
    scale = common_scale(points, times, render, y_axis, lambda index: _generator(render, index, CAMERA))
    return Scene(scale, pictures)


def render_clip(
    points: np.ndarray,
    times: np.ndarray,
    render: RenderParams,
    index: int,
    y_axis: YAxis = "up",
    strokes: np.ndarray | None = None,
    scene: Scene = EMPTY,
) -> np.ndarray:
    """Draw one path as a clip (T, S, S, 3) uint8 RGB, with T = render.frames and S = render.size.

    points: (P, 2|3), finite. times: (P,) seconds, strictly increasing. index: of the item, seeds what is random.
    strokes: (P,) their numbers from 0; None for one. y_axis: see `make_projection`. scene: see `make_scene`. Raises
    UserError if `render.view` does not fit the points.
    """
    if render.content == "noise":
        return noise_clip(render, _generator(render, index, NOISE))
    points = np.asarray(points, np.float64)
    common = scene.scale
    project = make_projection(points, render, y_axis, _generator(render, index, CAMERA), common.fit)
    timeline = make_timeline(times, render, strokes, common.duration)
    at_knots = np.stack([np.interp(timeline.knots, times, axis) for axis in points.T], axis=1)
    picture = None
    if scene.pictures is not None:
        picture = scene.pictures[_generator(render, index, BACKGROUND).integers(len(scene.pictures))]
    backgrounds = draw_backgrounds(render, _generator(render, index, CLUTTER), picture)
    clip = draw_path(project(at_knots), timeline, backgrounds, render)
    return add_noise(clip, render.noise, _generator(render, index, NOISE)) if render.noise > 0 else clip


def _generator(render: RenderParams, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([render.seed, index, purpose])


def render_batches(
    points: Sequence[np.ndarray],
    times: Sequence[np.ndarray],
    render: RenderParams,
    y_axis: YAxis = "up",
    workers: int | None = None,
    strokes: Sequence[np.ndarray] | None = None,
    engine: str = "local",
) -> Iterator[np.ndarray]:
    """Draw N paths in order, in batches (b, T, S, S, 3) uint8 of about BATCH_BYTES.

    points, times, strokes: N arrays each, as `render_clip` takes them. engine: local, on that many `workers` (threads;
    None: see `worker_count`), with at most one batch more than these in memory; or ray (see `ray_map`). The bytes
    depend on neither. Raises UserError as `render_clip` and `ray_map` do.
    """
    scene = make_scene(points, times, render, y_axis)
    total = len(points)
    size = max(1, BATCH_BYTES // (render.frames * render.size * render.size * 3))

    def batch(start: int) -> np.ndarray:
        items = range(start, min(start + size, total))
        clips = np.empty((len(items), render.frames, render.size, render.size, 3), np.uint8)
        for clip, item in zip(clips, items, strict=True):
            own = None if strokes is None else strokes[item]
            clip[:] = render_clip(points[item], times[item], render, item, y_axis, own, scene)
        return clips

    starts = range(0, total, size)
    if engine == "ray":
        yield from (clips for _, clips in ray_map(batch, starts))
        return
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the parallelism is over clips
    try:
        yield from bounded_map(batch, starts, worker_count(workers, MOST_THREADS))
    finally:
        cv2.setNumThreads(before)
