"""Features that need no encoder, the yardsticks of every comparison.

`coordinates` says what the paths themselves hold, before anything is drawn; `pixels` and `random_projection` what
the clips give away without an encoder; `hash_noise` knows nothing but an item's name, so that whatever it scores
above chance is leakage.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np
from scipy.spatial.distance import pdist

POINTS = 32  # that a path is resampled to, evenly in time
SIDE = 12  # pixels on each side of a frame, for `pixels`
PROJECTED_SIDE = 32  # pixels on each side of a frame, for `random_projection`
PROJECTED = 512  # dimensions of `random_projection`
NOISE = 256  # dimensions of `hash_noise`
SEED = 20240229  # of the projection: one fixed matrix for each shape of clip


def coordinates(times: Sequence[np.ndarray], points: Sequence[np.ndarray]) -> np.ndarray:
    """(N, 2 POINTS d + 120) float32: each path (P, d) resampled evenly in time, centred, scaled to radius 1.

    First as it lies in space; then turned into its principal axes, the sign of each chosen so that the third moment
    along it is positive; then the distances between every two of 16 of its points, which hold the whole shape but
    for rotation and reflection (Torgerson 1952). So a linear probe finds what needs the orientation and what must
    not depend on it.
    """
    return np.stack([_describe(*item) for item in zip(times, points, strict=True)]).astype(np.float32)


def pixels(clips: np.ndarray) -> np.ndarray:
    """(n, T SIDE SIDE) float32 in [0, 1]: the grey level of every frame, averaged down. clips: (n, T, H, W, 3)."""
    return _shrink(clips, SIDE).mean(axis=-1).reshape(len(clips), -1)


def random_projection(clips: np.ndarray) -> np.ndarray:
    """(n, PROJECTED) float32: all colours of every frame, averaged down, through one fixed Gaussian matrix.

    Distances are kept up to a few percent (Johnson & Lindenstrauss 1984). clips: (n, T, H, W, 3) uint8.
    """
    flat = _shrink(clips, PROJECTED_SIDE).reshape(len(clips), -1)
    matrix = np.random.default_rng(SEED).standard_normal((flat.shape[1], PROJECTED), dtype=np.float32)
    return flat @ matrix / np.float32(np.sqrt(PROJECTED))


def hash_noise(item_ids: Sequence[str]) -> np.ndarray:
    """(N, NOISE) float32, standard normal numbers seeded by the SHA-256 of each item's id."""
    seeds = [int.from_bytes(hashlib.sha256(item.encode()).digest(), "little") for item in item_ids]
    return np.stack([np.random.default_rng(seed).standard_normal(NOISE, dtype=np.float32) for seed in seeds])


def _describe(time: np.ndarray, path: np.ndarray) -> np.ndarray:
    clock = np.linspace(time[0], time[-1], POINTS)
    path = np.stack([np.interp(clock, time, axis) for axis in path.astype(np.float64).T], axis=1)
    path -= path.mean(axis=0)
    path /= np.sqrt((path**2).sum(axis=1).mean())
    axes = np.linalg.svd(path, full_matrices=False)[2]
    turned = path @ axes.T
    turned *= np.where((turned**3).sum(axis=0) < 0, -1.0, 1.0)
    return np.concatenate([path.ravel(), turned.ravel(), pdist(path[:: POINTS // 16])])


def _shrink(clips: np.ndarray, side: int) -> np.ndarray:
    """(n, T, side, side, 3) float32 in [0, 1], each pixel the mean of the area it covers."""
    n, frames = clips.shape[:2]
    small = [
        cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        for frame in clips.reshape(-1, *clips.shape[2:])
    ]
    return np.stack(small).reshape(n, frames, side, side, 3).astype(np.float32) / np.float32(255)
