"""Paths that are nearly the same, in different groups: the same track twice, jittered, smoothed or resampled.

Exact copies are grouped (`item_checks.py`), near ones are not. They inflate every score, most of all that of random
features, so that they hide a gain. A path is compared as its clip shows it: resampled to `SAMPLES` points evenly in
time, without its place and size. What is "nearly" depends on the data, as there are fewer ways to be a straight line
than to be a random walk. In a class whose items fill d dimensions evenly, the number of neighbours within a distance r
grows as r^d, so that the k-th nearest, at r_k, predicts how many are as near by chance: k (r / r_k)^d. The median of
r_k / r_2k is then 2^(-1/d), which estimates d. (Facco et al., "Estimating the intrinsic dimension of datasets by a
minimal neighborhood information", Scientific Reports 7, 2017, take k = 1.) The threshold is the distance within which
chance brings less than `BY_CHANCE` items in all. It is calculated for a small and a large k, because items that have k
copies each are unusually near at the small one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from trajprobe.artifacts.trajectories import TrajectorySet

SAMPLES = 16  # points of a path
BY_CHANCE = 0.01  # items that chance may bring within the threshold
CLOSEST = 0.05  # of r_k; the threshold is at most this
FEWEST = 8  # items of a class that tell its density
SURVEYED = 500  # items of a class, drawn at random, whose distances to all others are measured
SMALL, LARGE, SHARE = 5, 100, 10  # k: 5, and a tenth of the class up to 100
DENSE = 0.05  # the quantile of r_k that stands for the dense parts of a class
NEIGHBOURS = 8  # the nearest items in which one of another group is looked for
NAMED = 3  # pairs that the warning names


@dataclass(frozen=True)
class NearCopy:
    """An item, the nearest item in another group, and their distance in units of the path's RMS radius."""

    item: int
    other: int
    distance: float


def find_near_copies(trajectories: TrajectorySet) -> list[NearCopy]:
    """The items with a near copy of their class in another group, by distance; none of clips without paths.

    Labels that are numbers are no classes, so all items are compared.
    """
    if not trajectories.points:
        return []
    shapes = normalized_shapes(trajectories.points, trajectories.times)
    members: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(trajectories.labels if trajectories.classes else [""] * len(shapes)):
        members[label].append(index)
    groups = np.unique(trajectories.groups, return_inverse=True)[1]
    found = []
    for items in members.values():
        if len(items) < FEWEST or len(np.unique(groups[items])) < 2:
            continue
        own, own_groups = shapes[items], groups[items]
        threshold = _threshold(own, BY_CHANCE / len(members))
        distances, nearest = KDTree(own).query(
            own, k=min(NEIGHBOURS, len(own)), distance_upper_bound=threshold
        )
        near = np.isfinite(distances)
        near[near] = own_groups[nearest[near]] != np.repeat(own_groups[:, None], near.shape[1], axis=1)[near]
        for row in np.flatnonzero(near.any(axis=1)):
            place = int(np.argmax(near[row]))
            found.append(NearCopy(items[row], items[nearest[row, place]], float(distances[row, place])))
    return sorted(found, key=lambda copy: (copy.distance, copy.item))


def normalized_shapes(points: Sequence[np.ndarray], times: Sequence[np.ndarray]) -> np.ndarray:
    """(N, SAMPLES * D) float64: paths at even times, about their mean, with the RMS radius 1; divided by √SAMPLES.

    Their Euclidean distances are the root mean squares, over the samples, of the distances between points.
    """
    shapes = np.empty((len(points), SAMPLES, points[0].shape[1]))
    for shape, path, clock in zip(shapes, points, times, strict=True):
        instants = np.linspace(clock[0], clock[-1], SAMPLES)
        for axis in range(path.shape[1]):
            shape[:, axis] = np.interp(instants, clock, path[:, axis])
    shapes -= shapes.mean(axis=1, keepdims=True)
    norms = np.sqrt((shapes**2).sum(axis=(1, 2), keepdims=True))
    shapes /= np.where(norms > 0, norms, 1)
    return shapes.reshape(len(points), -1)


def _threshold(shapes: np.ndarray, by_chance: float) -> float:
    """The distance below which `by_chance` items of the class are expected to have a neighbour; 0 if none is known."""
    count = len(shapes)
    surveyed = np.random.default_rng(0).permutation(count)[:SURVEYED]
    ranks = sorted({min(k, (count - 1) // 2) for k in (SMALL, max(SMALL, min(LARGE, count // SHARE)))})
    order = [rank for k in ranks for rank in (k, 2 * k)]
    distances = np.partition(cdist(shapes[surveyed], shapes), order, axis=1)  # rank 0 is the item itself
    best = 0.0
    for k in ranks:
        near, far = distances[:, k], distances[:, 2 * k]
        ratio = float(np.median(near[far > 0] / far[far > 0])) if (far > 0).any() else 1.0
        if not 0 < ratio < 1:
            continue
        dimension = np.log(0.5) / np.log(ratio)
        share = min(CLOSEST, (by_chance / (len(ranks) * count * k)) ** (1 / dimension))
        best = max(best, share * float(np.quantile(near, DENSE)))
    return best


def warn_of_near_copies(trajectories: TrajectorySet) -> list[str]:
    """A line that counts near copies, names some, and says what to do; none if there are none."""
    found = find_near_copies(trajectories)
    if not found:
        return []
    pairs = {tuple(sorted((copy.item, copy.other))): copy.distance for copy in found}
    ids, others = trajectories.item_ids, "one of their class" if trajectories.classes else "one"
    named = [f"{ids[a]} and {ids[b]} ({100 * apart:.2g} %)" for (a, b), apart in list(pairs.items())[:NAMED]]
    return [
        f"warning: {len(found)} items are nearly the same path as {others} in another group, for example "
        f"{', '.join(named)}, where the distance is in % of the path's size and chance would bring less than "
        f"{BY_CHANCE:g} items so near; a copy on the other side of a split inflates every score: give copies one "
        "`group` (a column, or a table id,label,group by --labels), unless they were recorded independently"
    ]
