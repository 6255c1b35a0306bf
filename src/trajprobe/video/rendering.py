"""From trajectories to clips, one at a time or all of them on several threads.

Whatever is random in a clip comes from generators seeded with `render.seed` and the item's index, one for each
purpose, so that a clip depends neither on its neighbours nor on the number of threads, and turning the noise on does
not move the camera.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import cv2
import numpy as np

from trajprobe.params.study import Render
from trajprobe.params.types import YAxis
from trajprobe.threads import thread_count
from trajprobe.video.camera import aim
from trajprobe.video.clutter import add_noise, grounds, noise_clip
from trajprobe.video.drawing import draw, timeline

CAMERA, CLUTTER, NOISE = range(3)  # purposes of an item's generators
BATCH_BYTES = 8 * 2**20  # of clips that one thread draws at a time
MOST_THREADS = 4  # by default: about half of a small clip's drawing holds the interpreter's lock


class Paths(Protocol):
    """What is drawn of a trajectory set: `times` N arrays (P,) in seconds, `points` N arrays (P, 2|3)."""

    @property
    def times(self) -> Sequence[np.ndarray]: ...
    @property
    def points(self) -> Sequence[np.ndarray]: ...
    @property
    def y_axis(self) -> YAxis: ...


def render_clip(
    points: np.ndarray, times: np.ndarray, render: Render, index: int, y_axis: YAxis = "up"
) -> np.ndarray:
    """Draw one path as a clip (T, S, S, 3) uint8 RGB, with T = render.frames and S = render.size.

    points: (P, 2|3), finite. times: (P,) seconds, strictly increasing. index: of the item, seeds what is random.
    y_axis: see `camera.aim`. Raises UserError where `render.view` does not fit the points.
    """

    def generator(purpose: int) -> np.random.Generator:
        return np.random.default_rng([render.seed, index, purpose])

    if render.content == "noise":
        return noise_clip(render, generator(NOISE))
    points = np.asarray(points, np.float64)
    project = aim(points, render, y_axis, generator(CAMERA))
    when = timeline(times, render)
    at_knots = np.stack([np.interp(when.knots, times, axis) for axis in points.T], axis=1)
    clip = draw(project(at_knots), when, grounds(render, generator(CLUTTER)), render)
    return add_noise(clip, render.noise, generator(NOISE)) if render.noise > 0 else clip


def render_batches(paths: Paths, render: Render, workers: int | None = None) -> Iterator[np.ndarray]:
    """Draw all paths in order, in batches (b, T, S, S, 3) uint8 of about BATCH_BYTES.

    workers: threads (None: see `thread_count`); they change no byte. At most workers + 1 batches are held.
    Raises UserError as `render_clip` does.
    """
    workers = workers or thread_count(MOST_THREADS)
    total = len(paths.points)
    size = max(1, BATCH_BYTES // (render.frames * render.size * render.size * 3))

    def batch(start: int) -> np.ndarray:
        items = range(start, min(start + size, total))
        clips = np.empty((len(items), render.frames, render.size, render.size, 3), np.uint8)
        for clip, item in zip(clips, items, strict=True):
            clip[:] = render_clip(paths.points[item], paths.times[item], render, item, paths.y_axis)
        return clips

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the parallelism is over clips
    pending: deque[Future[np.ndarray]] = deque()
    try:
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, total, size):
                pending.append(pool.submit(batch, start))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        cv2.setNumThreads(before)
