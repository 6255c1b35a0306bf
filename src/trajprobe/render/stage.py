"""Stage `render`: data/trajectories.parquet -> data/videos.zarr."""

from collections.abc import Iterator

import numpy as np

from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.trajectories import items_digest, read_trajectories
from trajprobe.core import paths
from trajprobe.core.progress import progress
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import render_batches


def run(render: RenderParams, workers: int | None = None) -> str:
    """Draw every trajectory as a clip; returns what to tell the user. Raises UserError."""
    trajectories = read_trajectories(paths.TRAJECTORIES)
    points, times = trajectories.points, trajectories.times
    shape = (len(points), render.frames, render.size, render.size, 3)
    with progress("render", shape[0], "clips") as advance:

        def batches() -> Iterator[np.ndarray]:
            for batch in render_batches(
                points, times, render, trajectories.y_axis, workers, trajectories.strokes
            ):
                yield batch
                advance(len(batch))

        drawn = {"content": render.content, "view": render.view, "trail": render.trail}
        items = items_digest(trajectories.item_ids)
        write_clips(paths.VIDEOS, shape, batches(), items=items, drawn=drawn)
    return f"{shape[0]} clips of {render.frames} frames at {render.size} x {render.size} in {paths.VIDEOS}"
