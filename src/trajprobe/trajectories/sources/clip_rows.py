"""Ready-made clips in an array of an .npz or .npy file: (N, T, H, W, 3), (N, 3, T, H, W), (N, T, 3, H, W) or, grey,
(N, T, H, W); uint8, or floats from 0 to 1 or from -1 to 1.

The array is read once, clip by clip: for the range of its values, which says how they are scaled, and for the digest
of each clip.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.trajectories.sources.parsed import ItemClip
from trajprobe.videos.clip_array import ClipLayout, find_scale
from trajprobe.videos.npy_stream import open_rows

RANGES = {"bytes": "0 to 255", "unit": "floats from 0 to 1", "signed": "floats from -1 to 1"}


@dataclass
class ClipRows:
    """The N clips of an array, how their values are scaled, what is wrong with some of them, and notes."""

    clips: list[ItemClip]
    scale: str
    defects: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_clip_rows(path: Path, name: str) -> ClipRows:
    """Read the array `name`. Raises UserError if it is no array of clips of two frames or more, or is damaged."""
    clips: list[ItemClip] = []
    defects: dict[int, str] = {}
    low, high = np.inf, -np.inf
    with open_rows(path, name) as stream:
        try:
            layout = ClipLayout(stream.shape)
        except ValueError as reason:
            raise UserError(
                f"{stream.where}: must be clips (N, T, H, W, 3), (N, 3, T, H, W), (N, T, 3, H, W) or (N, T, H, W), "
                f"got {stream.shape}, {reason}"
            ) from None
        if layout.frames < 2:
            raise UserError(
                f"{stream.where}: must be clips of at least 2 frames, got {stream.shape} in the order {layout.order}"
            )
        with progress("read", layout.count, "clips") as advance:
            for index, clip in enumerate(stream.rows(range(layout.count))):
                finite = clip if clip.dtype.kind != "f" else clip[np.isfinite(clip)]
                if finite.size < clip.size:
                    defects[index] = "its clip has values that are NaN or infinite"
                if finite.size:
                    low, high = min(low, finite.min()), max(high, finite.max())
                digest = hashlib.sha256(f"{layout.order} {clip.shape} {clip.dtype}".encode())
                digest.update(clip.tobytes())
                clips.append(ItemClip(f"{name}/{index}", layout.frames, digest.hexdigest()))
                advance()
        scale = find_scale(stream.dtype, float(low), float(high), stream.where)
        notes = [
            f"clips: array {name!r} {stream.shape}, taken as {layout.order}: {layout.frames} frames of {layout.width} "
            f"x {layout.height} pixels, {'grey' if layout.channels == 1 else 'RGB'}; values {RANGES[scale]} (found "
            f"{low:g} to {high:g})"
        ]
        if scale == "bytes" and high <= 1:
            notes.append(
                f"warning: the clips have values of {low:g} to {high:g} of 255, so they are almost black"
            )
    return ClipRows(clips, scale, defects, notes)
