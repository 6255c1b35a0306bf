"""A made-up study for the tests of the alternatives: paths whose classes differ in how they move, clips that show the
same, and a tiny encoder with weights."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

from made_features import made_params
from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.trajectories import (
    TrajectorySet,
    items_digest,
    read_trajectories,
    write_trajectories,
)
from trajprobe.artifacts.weights import write_record
from trajprobe.core import paths
from trajprobe.encoders.registry import family
from trajprobe.params import Params

ROOT = Path(__file__).parents[1]
MIRROR = ROOT.parent / "shared" / "mirror"
CLASSES = ["forth", "back"]
CARD: dict[str, Any] = {
    "name": "small",
    "summary": "made up",
    "family": "resnet",
    "architecture": {"depth": 8},
    "weights": "none",
    "training": "none",
    "licence": "Apache-2.0",
    "input": {"frames": "any", "size": 16, "scale": "x/255"},
    "features": {"layer": "layer1", "pooling": "mean"},
}
MAGVIT = {
    "family": "open_magvit2",
    "architecture": {
        "channels": 4,
        "multipliers": [1, 2],
        "res_blocks": 1,
        "latent_channels": 3,
        "groups": 2,
    },
    "input": {"frames": "4k+1", "size": 16, "scale": "x/127.5 - 1"},
    "features": {"layer": "mid", "pooling": "mean_std"},
}


def make_moves(
    count: int = 40, *, tests: int = 0, group_size: int = 1, frames: int = 5, side: int = 16
) -> np.ndarray:
    """Write `count` items of two classes and their clips; returns y (N,).

    A point accelerates away along a line in class 0, and comes back the same way, slowing down, in class 1. Every frame
    of a clip is one that the other class may have at another time: only their order tells.
    """
    rng = np.random.default_rng(0)
    y = np.arange(count) // group_size % 2
    times = [np.linspace(0, 1, 12)] * count
    points, clips = [], np.zeros((count, frames, side, side, 3), np.uint8)
    for item in range(count):
        u = times[0] if y[item] == 0 else times[0][::-1]
        heading = rng.uniform(-1, 1)
        path = np.outer(u**2, [np.cos(heading), np.sin(heading)]) + rng.normal(0, 0.01, (12, 2))
        points.append((path - path[0]).astype(np.float32))
        row = rng.integers(2, side - 2)
        order = range(frames) if y[item] == 0 else range(frames - 1, -1, -1)
        for frame, place in enumerate(order):
            start = 1 + place * (side - 4) // (frames - 1)
            clips[item, frame, row - 1 : row + 2, start : start + 3] = 255
    ids = [f"item-{index:03d}" for index in range(count)]
    groups = [f"group-{index // group_size:03d}" for index in range(count)]
    splits = ["train"] * (count - tests) + ["test"] * tests if tests else [""] * count
    labels = [CLASSES[code] for code in y]
    write_trajectories(
        TrajectorySet(ids, labels, groups, splits, times, points, CLASSES, "synthetic", "0" * 64, "up"),
        paths.TRAJECTORIES,
    )
    write_clips(paths.VIDEOS, clips.shape, [clips], items=items_digest(ids), drawn={})
    return y


def shuffle_labels() -> None:
    """Permute the labels of the items that `make_moves` wrote."""
    before = read_trajectories(paths.TRAJECTORIES)
    labels = np.random.default_rng(3).permutation(before.labels).tolist()
    write_trajectories(TrajectorySet(**{**before.__dict__, "labels": labels}), paths.TRAJECTORIES)


def make_encoder(**changes: Any) -> None:
    """The encoder `small` with weights: a ResNet, which looks at single frames, unless `changes` say otherwise."""
    paths.encoder_card("small").parent.mkdir(parents=True, exist_ok=True)
    paths.encoder_card("small").write_text(yaml.safe_dump({**CARD, **changes}))
    card = load_encoder_card("small")
    encoder: Any = family(card.family).initialise(card, Path("unused"), 99, torch.device("cpu"))
    model = getattr(encoder, "model", None) or encoder.network
    paths.weights("small").mkdir(exist_ok=True)
    tensors = {
        name: tensor.contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    save_file(tensors, paths.weights("small") / "encoder.safetensors")
    write_record({"summary": "made up", "parameters": 1234}, card, paths.weights("small"))


def baseline_params(**baseline: dict[str, Any]) -> Params:
    """The fast params of the other stages, with one repeat, and these keys of sub-sections of `baseline` changed."""
    section = made_params().baseline.model_dump()
    for name, changes in baseline.items():
        section[name] |= changes
    params = made_params(probe={"repeats": 1, "split_halves": 2}, baseline=section)
    return params.model_copy(update={"encoders": ["small"]})


def read_libras() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Libras from ../shared/mirror: (360, 2, 45) coordinates, their classes from 0, and which are the UEA test part."""
    table = np.loadtxt(MIRROR / "movement_libras.data")
    card = yaml.safe_load((ROOT / "data/sources/libras/card.yaml").read_text())
    test = np.isin(np.arange(len(table)), card["test_rows"])
    return table[:, :-1].reshape(-1, 45, 2).transpose(0, 2, 1), table[:, -1].astype(int) - 1, test
