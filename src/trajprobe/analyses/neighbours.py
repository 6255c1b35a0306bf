"""k nearest neighbours: what the geometry of the features gives without any training.

Features are standardised as the probe's are and compared by their Euclidean distance: the same view of them, and
unlike the cosine it keeps lengths, which after pooling say how much there was to see. The distances are taken along
the principal axes of the training rows. What a new row has outside of these is the same to all training rows, so
their order is that of all columns, at the price of at most as many numbers as there are rows.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.probe.logistic import principal_axes

DISTANCES = 2**22  # that are in memory at once


def vote(
    tried: Sequence[int],
    rows: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: Sequence[np.ndarray],
    new: np.ndarray,
) -> np.ndarray:
    """A Learner, once `tried` numbers of neighbours are given: (m, K) votes of the nearest, a tie to the nearer ones.

    The number is the one that is right most often on the inner folds, the largest among equals; numbers that exceed
    the rows of an inner training part are not tried, and the smallest takes their place where all do.
    """
    axes = principal_axes(rows)
    known, fresh = axes.apply(rows), axes.apply(new)
    room = len(rows) - max(map(len, inner), default=0)
    sizes = sorted({size for size in tried if size <= room} or {min(*tried, room)})
    right = np.zeros(len(sizes))
    for held in inner:
        rest = np.delete(np.arange(len(rows)), held)
        nearest = codes[rest][find(known[rest], known[held], sizes[-1])]
        right += [(votes(nearest[:, :size], n_classes).argmax(1) == codes[held]).sum() for size in sizes]
    best = max(zip(right, sizes, strict=True))[1]
    return votes(codes[find(known, fresh, best)], n_classes)


def find(rows: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
    """(m, count) the nearest of `rows` (n, r) to each of `new` (m, r), the nearest first."""
    norms = (rows.astype(np.float64) ** 2).sum(axis=1)
    found = []
    step = max(1, DISTANCES // len(rows))
    for first in range(0, len(new), step):
        part = new[first : first + step]
        distances = norms - 2 * (part @ rows.T).astype(np.float64)  # but for each new row's own norm
        near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(near, order, axis=1))
    return np.concatenate(found)


def votes(nearest: np.ndarray, n_classes: int) -> np.ndarray:
    """(m, K) how many of the (m, k) classes of the neighbours, in order, are each class.

    The nearer ones count a little more, all of it together less than one vote.
    """
    count = nearest.shape[1]
    weights = 1 + (count - np.arange(count)) / (count * (count + 1))
    table = np.zeros((len(nearest), n_classes))
    np.add.at(table, (np.arange(len(nearest))[:, None], nearest), weights)
    return table
