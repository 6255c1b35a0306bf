"""Trajectories and features of an encoder, made up for the tests of the stages that probe. Written where one stands."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from trajprobe import paths
from trajprobe.features.store import items_digest, write_features
from trajprobe.params.study import Params
from trajprobe.trajectories.table import TrajectorySet, write_trajectories

ROOT = Path(__file__).parents[2]
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
) -> np.ndarray:
    """Write `count` items and the features of `tiny`; returns the codes (N,).

    tests: items, the last of all, that are the published test part. group_size: items in a group, of one class.
    widths: of each pooling. Every pretrained arm knows more of the classes than the random ones.
    """
    rng = np.random.default_rng(0)
    codes = np.arange(count) // group_size % len(CLASSES)
    ids = [f"item-{index:03d}" for index in range(count)]
    groups = [f"group-{index // group_size:03d}" for index in range(count)]
    splits = ["train"] * (count - tests) + ["test"] * tests if tests else [""] * count
    points = [rng.normal(size=(4, 2)).astype(np.float32) for _ in range(count)]
    labels = [CLASSES[code] for code in codes]
    write_trajectories(
        TrajectorySet(
            ids,
            labels,
            groups,
            splits,
            [np.arange(4.0)] * count,
            points,
            CLASSES,
            "synthetic",
            "0" * 64,
            "up",
        ),
        paths.TRAJECTORIES,
    )
    arrays = {}
    for layer in layers:
        for pooling, width in zip(poolings, widths, strict=True):
            means = rng.normal(size=(len(CLASSES), width))
            noise = rng.normal(size=(1 + inits, count, width))
            arrays[f"pretrained/{layer}/{pooling}"] = noise[0] + 1.5 * means[codes]
            arrays[f"random/{layer}/{pooling}"] = noise[1:] + 0.3 * means[codes]
    metadata = {"items": items_digest(ids), "layers": list(layers), "poolings": list(poolings)}
    write_features(paths.features("tiny"), arrays, metadata)
    return codes


def made_params(**sections: dict[str, Any]) -> Params:
    """The repository's params with a probe of seconds and these keys changed."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["probe"] |= {"folds": 3, "repeats": 2, "inner_folds": 2}
    content["probe"]["strengths"]["count"] = 5
    content["analyses"] |= {"draws": 4, "labels": [1, 5], "bootstrap": 100, "orders": 2}
    for section, changes in sections.items():
        content[section] |= changes
    return Params.model_validate(content)
