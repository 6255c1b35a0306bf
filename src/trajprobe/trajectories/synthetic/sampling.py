"""Labelled paths of the families that params.yaml names.

Item i of a family is drawn from a generator seeded by (seed, the family's name, i) alone: it depends neither on the
other families nor on the number of items. A path is centred and scaled to radius 1, the root mean square distance of
its points from their centroid. Then it is rotated, and noise is added in units of that radius. At speed 1 a path of
any family takes one second.
"""

import hashlib

import numpy as np

from trajprobe.core.errors import UserError
from trajprobe.core.progress import Advance
from trajprobe.core.schema import nearest
from trajprobe.trajectories.params import SynthesisParams
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.synthetic.families import FAMILIES, MotionFamily


def synthesize(synthesis: SynthesisParams, advance: Advance) -> Parsed:
    """`per_class` items of each family, family by family; `advance` is called once per item.

    With `test_per_class`, the last so many items of each family are marked `test` and the others `train`. Raises
    UserError, with the nearest known names, if a family is unknown.
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
    return parse(Raw(labels, points, times, item_ids, splits=splits, classes=synthesis.families))


def sample_item(
    family: MotionFamily, index: int, synthesis: SynthesisParams
) -> tuple[np.ndarray, np.ndarray]:
    """Times (P,) in seconds and points (P, 3), both float64, of one item."""
    rng = np.random.default_rng([synthesis.seed, _code(family.name), index])
    # All that does not depend on the family is drawn first, even if unused, and the noise last: another orientation
    # or noise leaves the curve unchanged.
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
    """The rotation matrix (3, 3) of a quaternion (w, x, y, z) of any length.

    Four independent normal numbers give a uniformly distributed rotation. Normal w and z with x = y = 0 give one about
    the vertical axis, uniform in its angle (Shoemake, "Uniform random rotations", Graphics Gems III, 1992).
    """
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _split(index: int, synthesis: SynthesisParams) -> str:
    if not synthesis.test_per_class:
        return ""
    return "train" if index < synthesis.per_class - synthesis.test_per_class else "test"


def _code(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
