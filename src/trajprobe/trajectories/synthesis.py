"""Labelled paths made from the families that params.yaml names.

Item i of a family is drawn from a generator seeded by (seed, the family's name, i) and by nothing else: it stays the
same whatever other families stand beside it and however many items there are. A path is centred and scaled to
radius 1, where the radius is the root mean square distance of its points from their centroid; then turned in
space; then noise is added, in units of that radius. At speed 1 a path takes one second, whatever its family.
"""

import hashlib

import numpy as np

from trajprobe.errors import UserError
from trajprobe.params.loading import nearest
from trajprobe.params.study import Synthesis
from trajprobe.progress import Advance
from trajprobe.trajectories.families import FAMILIES, Family
from trajprobe.trajectories.parsed import Parsed, parse


def synthesise(synthesis: Synthesis, advance: Advance) -> Parsed:
    """`per_class` items of each family, family by family; `advance` is told of each item.

    With `test_per_class`, the last so many of each family are marked `test` and the others `train`.

    Raises UserError for an unknown family, with the nearest known names.
    """
    for name in synthesis.families:
        if name not in FAMILIES:
            known = nearest(name, list(FAMILIES))
            raise UserError(f"params.yaml: synthesis.families: no family {name!r}; {known}")
    item_ids, labels, splits, times, points = [], [], [], [], []
    for name in synthesis.families:
        for index in range(synthesis.per_class):
            clock, path = sample_item(FAMILIES[name], index, synthesis)
            item_ids.append(f"{name}_{index:06d}")
            labels.append(name)
            splits.append(_split(index, synthesis))
            times.append(clock)
            points.append(path)
            advance()
    return parse(labels, points, times=times, item_ids=item_ids, splits=splits, classes=synthesis.families)


def sample_item(family: Family, index: int, synthesis: Synthesis) -> tuple[np.ndarray, np.ndarray]:
    """Times (P,) in seconds and points (P, 3), both float64, of one item."""
    rng = np.random.default_rng([synthesis.seed, _code(family.name), index])
    # What every item needs is drawn first and always, and the noise last, so that another orientation or noise
    # leaves the curve as it is.
    count = int(rng.integers(synthesis.points[0], synthesis.points[1], endpoint=True))
    speed = rng.uniform(synthesis.speed[0], synthesis.speed[1])
    quaternion = rng.standard_normal(4)
    path = family.sample(rng, count)
    path -= path.mean(axis=0)
    path /= np.sqrt((path**2).sum(axis=1).mean())
    if synthesis.orientation == "random":
        path = path @ rotation(quaternion).T
    elif synthesis.orientation == "upright":
        path = path @ rotation(quaternion * [1, 0, 0, 1]).T
    path += synthesis.noise * rng.standard_normal(path.shape)
    return np.linspace(0.0, 1.0 / speed, count), path


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) rotation of a quaternion (w, x, y, z), which need not be of length 1.

    Four independent normal numbers give a rotation that is uniform over all rotations; w and z alone give one
    about the vertical axis, uniform in its angle (Shoemake, "Uniform random rotations", Graphics Gems III, 1992).
    """
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _split(index: int, synthesis: Synthesis) -> str:
    if not synthesis.test_per_class:
        return ""
    return "train" if index < synthesis.per_class - synthesis.test_per_class else "test"


def _code(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
