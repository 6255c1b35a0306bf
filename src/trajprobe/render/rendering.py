"""From trajectories to clips, one at a time or all of them on several threads.

Whatever is random in a clip comes from generators seeded with `render.seed` and the item's index, one for each
purpose. So a clip depends neither on the other items nor on the number of threads, and adding noise does not move the
camera.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from trajprobe.core.parallel import bounded_map, worker_count
from trajprobe.core.schema import YAxis
from trajprobe.render.camera import make_projection
from trajprobe.render.clutter import add_noise, draw_backgrounds, noise_clip
from trajprobe.render.drawing import draw_path, make_timeline
from trajprobe.render.params import RenderParams

CAMERA, CLUTTER, NOISE = range(3)  # purposes of an item's generators
BATCH_BYTES = 8 * 2**20  # of clips that one thread draws at a time
MOST_THREADS = 4  # by default: about half of a small clip's drawing holds the interpreter's lock


def render_clip(
    points: np.ndarray,
    times: np.ndarray,
    render: RenderParams,
    index: int,
    y_axis: YAxis = "up",
    strokes: np.ndarray | None = None,
) -> np.ndarray:
    """Draw one path as a clip (T, S, S, 3) uint8 RGB, with T = render.frames and S = render.size.

    points: (P, 2|3), finite. times: (P,) seconds, strictly increasing. index: of the item, seeds what is random.
    strokes: (P,) their numbers from 0; None for one. y_axis: see `make_projection`. Raises UserError if
    `render.view` does not fit the points.
    """

    def generator(purpose: int) -> np.random.Generator:
        return np.random.default_rng([render.seed, index, purpose])

    if render.content == "noise":
        return noise_clip(render, generator(NOISE))
    points = np.asarray(points, np.float64)
    project = make_projection(points, render, y_axis, generator(CAMERA))
    timeline = make_timeline(times, render, strokes)
    at_knots = np.stack([np.interp(timeline.knots, times, axis) for axis in points.T], axis=1)
    backgrounds = draw_backgrounds(render, generator(CLUTTER))
    clip = draw_path(project(at_knots), timeline, backgrounds, render)
    return add_noise(clip, render.noise, generator(NOISE)) if render.noise > 0 else clip


def render_batches(
    points: Sequence[np.ndarray],
    times: Sequence[np.ndarray],
    render: RenderParams,
    y_axis: YAxis = "up",
    workers: int | None = None,
    strokes: Sequence[np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
    """Draw N paths in order, in batches (b, T, S, S, 3) uint8 of about BATCH_BYTES.

    points, times, strokes: N arrays each, as `render_clip` takes them. workers: threads (None: see `worker_count`);
    the bytes do not depend on them. At most workers + 1 batches are in memory. Raises UserError as `render_clip` does.
    """
    workers = worker_count(workers, MOST_THREADS)
    total = len(points)
    size = max(1, BATCH_BYTES // (render.frames * render.size * render.size * 3))

    def batch(start: int) -> np.ndarray:
        items = range(start, min(start + size, total))
        clips = np.empty((len(items), render.frames, render.size, render.size, 3), np.uint8)
        for clip, item in zip(clips, items, strict=True):
            own = None if strokes is None else strokes[item]
            clip[:] = render_clip(points[item], times[item], render, item, y_axis, own)
        return clips

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the parallelism is over clips
    try:
        yield from bounded_map(batch, range(0, total, size), workers)
    finally:
        cv2.setNumThreads(before)
