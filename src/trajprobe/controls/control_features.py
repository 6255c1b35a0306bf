"""Features that need no encoder: the reference points of every comparison.

`coordinates` holds the paths themselves, before anything is drawn; `pixels` and `random_projection` hold what the clips
show without an encoder; `hash_noise` depends on nothing but an item's name, so a score above chance is leakage.
"""

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

POINTS = 32  # to which a path is resampled, evenly in time
POINTS_APART = 16  # of them, between which distances are taken
PIXELS_SIDE = 12  # pixels on each side of a frame, for `pixels`
PROJECTED_SIDE = 32  # pixels on each side of a frame, for `random_projection`
PROJECTED_WIDTH = 512  # dimensions of `random_projection`
HASH_WIDTH = 256  # dimensions of `hash_noise`
PROJECTION_SEED = 20240229  # one fixed matrix for each shape of clip


def coordinates(
    times: Sequence[np.ndarray],
    points: Sequence[np.ndarray],
    *,
    one_scale: bool = False,
    one_clock: bool = False,
) -> np.ndarray:
    """(N, 2 POINTS d + 120) float32: each path (P, d) resampled evenly in time, centred, scaled to radius 1.

    It is given three times: as it lies in space; in its principal axes, the sign of each such that the third moment
    along it is positive; and as the distances between all pairs of 16 of its points, which determine the shape up to
    rotation and reflection (Torgerson 1952). So a linear probe can use the orientation, or be independent of it.

    The control sees what the clips show. one_scale: the clips share a scale (`render.fit: dataset`), so all paths are
    divided by one number, their mean radius, and as they lie they keep their place relative to where they start.
    one_clock: they share a clock (`render.time: dataset`), so all are resampled over the duration of the longest, and
    a shorter one rests at its end.
    """
    longest = max(clock[-1] - clock[0] for clock in times) if one_clock else None
    paths = [resampled(*item, longest) for item in zip(times, points, strict=True)]
    common = float(np.mean([_radius(path - path.mean(axis=0)) for path in paths])) if one_scale else None
    return np.stack([_describe(path, common) for path in paths]).astype(np.float32)


def resampled(times: np.ndarray, points: np.ndarray, duration: float | None) -> np.ndarray:
    """(POINTS, d) float64: the path evenly in time, over `duration` seconds from its start; None for its own."""
    end = times[-1] if duration is None else times[0] + duration
    even = np.linspace(times[0], end, POINTS)
    return np.stack([np.interp(even, times, axis) for axis in points.astype(np.float64).T], axis=1)


def coordinate_columns(dimensions: int) -> int:
    """The width of `coordinates` for paths of so many dimensions."""
    return 2 * POINTS * dimensions + POINTS_APART * (POINTS_APART - 1) // 2


def pixels(clips: np.ndarray) -> np.ndarray:
    """(n, T PIXELS_SIDE^2) float32 in [0, 1]: the downsampled grey levels of every frame.

    clips: (n, T, H, W, 3) uint8.
    """
    return _shrink(clips, PIXELS_SIDE).mean(axis=-1).reshape(len(clips), -1)


def random_projection(clips: np.ndarray) -> np.ndarray:
    """(n, PROJECTED_WIDTH) float32: the downsampled colours of every frame, multiplied by a fixed Gaussian matrix.

    Distances are kept up to a few percent (Johnson & Lindenstrauss 1984). clips: (n, T, H, W, 3) uint8.
    """
    flat = _shrink(clips, PROJECTED_SIDE).reshape(len(clips), -1)
    rng = np.random.default_rng(PROJECTION_SEED)
    matrix = rng.standard_normal((flat.shape[1], PROJECTED_WIDTH), dtype=np.float32)
    return flat @ matrix / np.float32(np.sqrt(PROJECTED_WIDTH))


def hash_noise(item_ids: Sequence[str]) -> np.ndarray:
    """(N, HASH_WIDTH) float32: standard normal numbers, seeded by the SHA-256 of each item's id."""
    seeds = [int.from_bytes(hashlib.sha256(item.encode()).digest(), "little") for item in item_ids]
    return np.stack(
        [np.random.default_rng(seed).standard_normal(HASH_WIDTH, dtype=np.float32) for seed in seeds]
    )


def _radius(centred: np.ndarray) -> float:
    return float(np.sqrt((centred**2).sum(axis=1).mean()))


def _describe(path: np.ndarray, common: float | None) -> np.ndarray:
    """The row of `coordinates` for one path (POINTS, d). common: the radius to divide by; None for its own."""
    from scipy.spatial.distance import pdist  # here, as it takes long to import

    own = path - path.mean(axis=0)
    own /= common or _radius(own)
    lies = own if common is None else (path - path[0]) / common
    axes = np.linalg.svd(own, full_matrices=False)[2]
    turned = own @ axes.T
    turned *= np.where((turned**3).sum(axis=0) < 0, -1.0, 1.0)
    return np.concatenate([lies.ravel(), turned.ravel(), pdist(own[:: POINTS // POINTS_APART])])


def _shrink(clips: np.ndarray, side: int) -> np.ndarray:
    """(n, T, side, side, 3) float32 in [0, 1], each pixel the mean of the area it covers."""
    n, frames = clips.shape[:2]
    small = [
        cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        for frame in clips.reshape(-1, *clips.shape[2:])
    ]
    return np.stack(small).reshape(n, frames, side, side, 3).astype(np.float32) / np.float32(255)
