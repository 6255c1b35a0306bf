"""Stage `controls`: trajectories and clips -> data/features/controls.safetensors."""

import numpy as np

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.features.controls import coordinates, hash_noise, pixels, random_projection
from trajprobe.features.store import items_digest, write_features
from trajprobe.progress import progress
from trajprobe.trajectories.table import read_trajectories
from trajprobe.video.store import open_clips

BATCH = 256  # clips in memory at once


def run() -> str:
    """Write the four controls and say how wide they are. Raises UserError where clips and paths do not match."""
    trajectories = read_trajectories(paths.TRAJECTORIES)
    clips = open_clips(paths.VIDEOS)
    total = len(trajectories.item_ids)
    if clips.shape[0] != total:
        raise UserError(
            f"{paths.VIDEOS}: has {clips.shape[0]} clips for {total} trajectories; `dvc repro` brings both in line"
        )
    arrays = {
        "control/coordinates": coordinates(trajectories.times, trajectories.points),
        "control/hash_noise": hash_noise(trajectories.item_ids),
    }
    seen: dict[str, list[np.ndarray]] = {"control/pixels": [], "control/random_projection": []}
    with progress("controls", total, "clips") as advance:
        for start in range(0, total, BATCH):
            batch = clips[start : start + BATCH]
            seen["control/pixels"].append(pixels(batch))
            seen["control/random_projection"].append(random_projection(batch))
            advance(len(batch))
    arrays |= {name: np.concatenate(parts) for name, parts in seen.items()}
    write_features(paths.features(paths.CONTROLS), arrays, {"items": items_digest(trajectories.item_ids)})
    widths = ", ".join(
        f"{name.removeprefix('control/')} ({rows.shape[1]})" for name, rows in sorted(arrays.items())
    )
    return f"{paths.features(paths.CONTROLS)}: {total} items, {widths}"
