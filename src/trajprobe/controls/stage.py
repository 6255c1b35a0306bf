"""Stage `controls`: trajectories and clips -> data/features/controls.safetensors."""

import numpy as np

from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.features import write_features
from trajprobe.artifacts.trajectories import items_digest, read_items, read_trajectories
from trajprobe.controls.control_features import coordinates, hash_noise, pixels, random_projection
from trajprobe.core import paths
from trajprobe.core.progress import progress

CLIPS_AT_ONCE = 256  # in memory


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
        arrays["control/coordinates"] = coordinates(trajectories.times, trajectories.points)
    parts: dict[str, list[np.ndarray]] = {"control/pixels": [], "control/random_projection": []}
    with progress("controls", total, "clips") as advance:
        for start in range(0, total, CLIPS_AT_ONCE):
            batch = clips[start : start + CLIPS_AT_ONCE]
            parts["control/pixels"].append(pixels(batch))
            parts["control/random_projection"].append(random_projection(batch))
            advance(len(batch))
    arrays |= {name: np.concatenate(rows) for name, rows in parts.items()}
    write_features(paths.features(paths.CONTROLS), arrays, {"items": items})
    widths = ", ".join(
        f"{name.removeprefix('control/')} ({rows.shape[1]})" for name, rows in sorted(arrays.items())
    )
    without = "" if listed.has_paths else "; no coordinates, as the items are clips without trajectories"
    return f"{paths.features(paths.CONTROLS)}: {total} items, {widths}{without}"
