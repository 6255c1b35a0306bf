"""Paths as multivariate time series of one length, and their distances under dynamic time warping.

A classifier of time series sees the coordinates as they were recorded, relative to the first point, at even times. It
sees neither orientation nor size removed: these may be what distinguishes the classes. Pen-up jumps are steps like any
other.
"""

from collections.abc import Sequence

import numpy as np

PAIRS = 2**14  # of series that are compared at once, which bounds the memory


def resample(times: Sequence[np.ndarray], points: Sequence[np.ndarray], count: int) -> np.ndarray:
    """(N, d, count) float64: each path (P, d), linear between its points, at `count` even times from start to end."""
    series = np.empty((len(points), points[0].shape[1], count))
    for own, time, path in zip(series, times, points, strict=True):
        even = np.linspace(time[0], time[-1], count)
        own[:] = [np.interp(even, time, axis) for axis in path.astype(np.float64).T]
    return series


def warping_distances(one: np.ndarray, other: np.ndarray, window: float) -> np.ndarray:
    """(n, m) float32 distances between series (n, d, T) and (m, d, T) under dynamic time warping.

    The sum of squared distances between matched points, over the best match that goes forwards in both series and joins
    their ends (Sakoe & Chiba, IEEE Trans. Acoustics, Speech and Signal Processing 26, 1978), the same match for all
    axes (DTW_D of Shokoohi-Yekta et al., Data Mining and Knowledge Discovery 31, 2017). Points that are farther apart
    than `window`, a share of the length, are not matched (their band); a window of 0 gives squared Euclidean distances.

    For pairs in blocks, one anti-diagonal of the table of costs at a time: D[i, j] = cost[i, j] + min(D[i-1, j],
    D[i, j-1], D[i-1, j-1]) needs the two diagonals before it alone, so all pairs and cells of one are computed at once.
    """
    length = one.shape[2]
    band = int(np.floor(window * (length - 1)))
    distances = np.empty((len(one), len(other)), np.float32)
    step = max(1, PAIRS // len(other))
    for start in range(0, len(one), step):
        distances[start : start + step] = _block(one[start : start + step], other, length, band)
    return distances


def _block(one: np.ndarray, other: np.ndarray, length: int, band: int) -> np.ndarray:
    """As above, for as many pairs as fit into memory. Diagonals are indexed by i; index 0 of each stands for i = -1."""
    one, other = one.astype(np.float32), other.astype(np.float32)
    shape = (length + 1, len(one), len(other))
    before = np.full(shape, np.inf, np.float32)  # diagonal i + j = s - 2
    last = np.full(shape, np.inf, np.float32)  # diagonal i + j = s - 1
    before[0] = 0  # D[-1, -1], on the diagonal -2
    for diagonal in range(2 * length - 1):
        low, high = max(0, diagonal - length + 1), min(length - 1, diagonal)
        low, high = max(low, -(-(diagonal - band) // 2)), min(high, (diagonal + band) // 2)
        now = np.full(shape, np.inf, np.float32)
        for i in range(low, high + 1):
            cost = _squared(one[:, :, i], other[:, :, diagonal - i])
            # D[i, j-1] and D[i-1, j] are on the last diagonal, D[i-1, j-1] on the one before.
            cost += np.minimum(np.minimum(last[i + 1], last[i]), before[i])
            now[i + 1] = cost
        before, last = last, now
    return last[length]


def _squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, d), (m, d) -> (n, m) squared distances."""
    total = np.zeros((len(one), len(other)), np.float32)
    for axis in range(one.shape[1]):
        difference = np.subtract.outer(one[:, axis], other[:, axis])
        difference *= difference
        total += difference
    return total
