"""Stage `render`: data/trajectories.parquet -> data/videos.zarr."""

from collections.abc import Iterator

import numpy as np

from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.trajectories import Items, items_digest, read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.progress import progress
from trajprobe.render.common_scale import describe_scale
from trajprobe.render.params import RenderParams
from trajprobe.render.ready_made import describe_ready, ready_clips
from trajprobe.render.rendering import render_batches

DRAWN = ("content", "view", "trail", "trail_colour", "fit", "time", "background")  # that the clips tell of


def run(render: RenderParams, workers: int | None = None, engine: str = "local") -> str:
    """Draw every trajectory as a clip, or resize the clips that the source has; returns what to tell the user.

    workers, engine: see `render_batches`; clips of the source are resized by threads on this machine. Raises UserError.
    """
    items = read_items(paths.TRAJECTORIES)
    shape = (len(items.item_ids), render.frames, render.size, render.size, 3)
    drawn = {name: str(getattr(render, name)) for name in DRAWN}
    said = f"{shape[0]} clips of {render.frames} frames at {render.size} x {render.size} in {paths.VIDEOS}"
    if items.clips is not None and render.content != "noise":
        made = ready_clips(items.clips, paths.source(items.source), render, workers)
        drawn = {"content": "clips"}
        said += f"\n{describe_ready(items.clips, render)}"
    else:
        made, scale = _drawn(items, render, workers, engine)
        said = "\n".join([said, *scale])
    with progress("render", shape[0], "clips") as advance:

        def batches() -> Iterator[np.ndarray]:
            for batch in made:
                yield batch
                advance(len(batch))

        write_clips(paths.VIDEOS, shape, batches(), items=items_digest(items.item_ids), drawn=drawn)
    return said


def _drawn(
    items: Items, render: RenderParams, workers: int | None, engine: str
) -> tuple[Iterator[np.ndarray], list[str]]:
    """The clips of paths, or of noise, and what to say of their scale."""
    if not items.has_paths:  # noise needs none
        nothing = [np.empty((0, 2))] * len(items.item_ids)
        return render_batches(nothing, nothing, render, workers=workers, engine=engine), []
    found = read_trajectories(paths.TRAJECTORIES)
    made = render_batches(found.points, found.times, render, found.y_axis, workers, found.strokes, engine)
    return made, [] if render.content == "noise" else describe_scale(found.points, found.times, render)
