"""Stage `controls`: trajectories and clips -> data/features/controls.safetensors."""

from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.features import create_features
from trajprobe.artifacts.trajectories import items_digest, read_items, read_trajectories
from trajprobe.controls.control_features import coordinates, hash_noise, pixels, random_projection
from trajprobe.core import paths
from trajprobe.core.progress import progress

CLIPS_AT_ONCE = 256  # in memory, with what is made of them


def run() -> str:
    """Write the four controls; returns what to tell the user. Raises UserError if clips and trajectories differ.

    Items that are clips without paths have no `coordinates`.
    """
    listed = read_items(paths.TRAJECTORIES)
    clips = open_clips(paths.VIDEOS)
    items, total = items_digest(listed.item_ids), len(listed.item_ids)
    clips.check_items(items)
    arrays = {"control/hash_noise": hash_noise(listed.item_ids)}
    if listed.has_paths:
        trajectories = read_trajectories(paths.TRAJECTORIES)
        arrays["control/coordinates"] = coordinates(
            trajectories.times,
            trajectories.points,
            one_scale=clips.drawn.get("fit") == "dataset",
            one_clock=clips.drawn.get("time") == "dataset",
        )
    shown = {"control/pixels": pixels, "control/random_projection": random_projection}
    shapes = {name: rows.shape for name, rows in arrays.items()}
    shapes |= {name: (total, make(clips[:1]).shape[1]) for name, make in shown.items()}
    target = paths.features(paths.CONTROLS)
    with (
        progress("controls", total, "clips") as advance,
        create_features(target, shapes, {"items": items}) as put,
    ):
        for name, rows in arrays.items():
            put(name, 0, rows)
        for start in range(0, total, CLIPS_AT_ONCE):
            batch = clips[start : start + CLIPS_AT_ONCE]
            for name, make in shown.items():
                put(name, start, make(batch))
            advance(len(batch))
    widths = ", ".join(f"{name.removeprefix('control/')} ({shapes[name][1]})" for name in sorted(shapes))
    without = "" if listed.has_paths else "; no coordinates, as the items are clips without trajectories"
    return f"{target}: {total} items, {widths}{without}"
