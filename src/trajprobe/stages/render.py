"""Stage `render`: draw every trajectory as a short clip."""

from collections.abc import Iterator

import numpy as np

from trajprobe import paths
from trajprobe.params.study import Params
from trajprobe.progress import progress
from trajprobe.trajectories.table import read_trajectories
from trajprobe.video.rendering import render_batches
from trajprobe.video.store import write_clips


def run(params: Params) -> str:
    """Read data/trajectories.parquet, write data/videos.zarr; returns what to tell the user. Raises UserError."""
    trajectories = read_trajectories(paths.TRAJECTORIES)
    render = params.render
    shape = (len(trajectories.item_ids), render.frames, render.size, render.size, 3)
    with progress("render", shape[0], "clips") as advance:

        def batches() -> Iterator[np.ndarray]:
            for batch in render_batches(trajectories, render):
                yield batch
                advance(len(batch))

        write_clips(paths.VIDEOS, shape, batches())
    return f"{shape[0]} clips of {render.frames} frames at {render.size} x {render.size} in {paths.VIDEOS}"
