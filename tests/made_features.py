"""Made-up trajectories and features of an encoder, written into the current folder, for the tests of the stages that
probe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from trajprobe.artifacts.features import write_features
from trajprobe.artifacts.trajectories import TrajectorySet, items_digest, write_trajectories
from trajprobe.core import paths
from trajprobe.params import Params

ROOT = Path(__file__).parents[1]
CLASSES = ["circular", "helical", "linear"]


def make_features(
    count: int = 60,
    inits: int = 2,
    *,
    group_size: int = 1,
    tests: int = 0,
    layers: tuple[str, ...] = ("mid",),
    poolings: tuple[str, ...] = ("mean",),
    widths: tuple[int, ...] = (6,),
    y: Sequence[int] | None = None,
    classes: Sequence[str] = CLASSES,
) -> np.ndarray:
    """Write `count` items and the features of `tiny`; returns y (N,), the numbers of their classes.

    tests: the last items of all are the published test part. group_size: items in a group, of one class. widths: of
    each pooling. y: by default, classes take turns. The classes are farther apart in the pretrained arm.
    """
    rng = np.random.default_rng(0)
    y = np.arange(count) // group_size % len(classes) if y is None else np.asarray(y)
    count = len(y)
    ids = [f"item-{index:03d}" for index in range(count)]
    groups = [f"group-{index // group_size:03d}" for index in range(count)]
    splits = ["train"] * (count - tests) + ["test"] * tests if tests else [""] * count
    points = [rng.normal(size=(4, 2)).astype(np.float32) for _ in range(count)]
    labels = [classes[code] for code in y]
    write_trajectories(
        TrajectorySet(
            ids,
            labels,
            groups,
            splits,
            [np.arange(4.0)] * count,
            points,
            list(classes),
            "synthetic",
            "0" * 64,
            "up",
        ),
        paths.TRAJECTORIES,
    )
    arrays = {}
    for layer in layers:
        for pooling, width in zip(poolings, widths, strict=True):
            means = rng.normal(size=(len(classes), width))
            noise = rng.normal(size=(1 + inits, count, width))
            arrays[f"pretrained/{layer}/{pooling}"] = noise[0] + 1.5 * means[y]
            arrays[f"random/{layer}/{pooling}"] = noise[1:] + 0.3 * means[y]
    metadata = {"items": items_digest(ids), "layers": list(layers), "poolings": list(poolings)}
    write_features(paths.features("tiny"), arrays, metadata)
    return y


def made_params(**sections: dict[str, Any]) -> Params:
    """The repository's params with a fast probe, fast analyses, and these keys changed."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["probe"] |= {"folds": 3, "repeats": 2, "inner_folds": 2, "split_halves": 3}
    content["probe"]["l2_grid"]["count"] = 5
    content["analyse"] |= {"draws": 4, "labels": [1, 5], "bootstrap": 100, "orders": 2}
    for section, changes in sections.items():
        content[section] |= changes
    return Params.model_validate(content)
