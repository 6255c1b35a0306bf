"""Stage `render`: data/trajectories.parquet -> data/videos.zarr."""

from collections.abc import Iterator

import numpy as np

from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.trajectories import Items, items_digest, read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.progress import progress
from trajprobe.render.params import RenderParams
from trajprobe.render.ready_made import describe_ready, ready_clips
from trajprobe.render.rendering import render_batches


def run(render: RenderParams, workers: int | None = None) -> str:
    """Draw every trajectory as a clip, or resize the clips that the source has; returns what to tell the user.

    Raises UserError.
    """
    items = read_items(paths.TRAJECTORIES)
    shape = (len(items.item_ids), render.frames, render.size, render.size, 3)
    drawn: dict[str, str] = {"content": render.content, "view": render.view, "trail": render.trail}
    said = f"{shape[0]} clips of {render.frames} frames at {render.size} x {render.size} in {paths.VIDEOS}"
    if items.clips is not None and render.content != "noise":
        made = ready_clips(items.clips, paths.source(items.source), render, workers)
        drawn = {"content": "clips"}
        said += f"\n{describe_ready(items.clips, render)}"
    else:
        made = _drawn(items, render, workers)
    with progress("render", shape[0], "clips") as advance:

        def batches() -> Iterator[np.ndarray]:
            for batch in made:
                yield batch
                advance(len(batch))

        write_clips(paths.VIDEOS, shape, batches(), items=items_digest(items.item_ids), drawn=drawn)
    return said


def _drawn(items: Items, render: RenderParams, workers: int | None) -> Iterator[np.ndarray]:
    if not items.has_paths:  # noise needs none
        nothing = [np.empty((0, 2))] * len(items.item_ids)
        return render_batches(nothing, nothing, render, workers=workers)
    found = read_trajectories(paths.TRAJECTORIES)
    return render_batches(found.points, found.times, render, found.y_axis, workers, found.strokes)
