"""A finished study whose labels are numbers, in seconds: made-up features, and all stages from `probe` on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from made_study import make_study
from running import run
from trajprobe.artifacts.features import write_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.trajectories import items_digest, read_trajectories, write_trajectories
from trajprobe.core import paths
from trajprobe.params import Params, load_params

INITS = 3
BASELINES = ["kinematics", "dtw", "cnn3d"]


def make_numbers_study(folder: Path, per_class: int = 30) -> Params:
    """Write the study into `folder`, the working directory, and return its params.

    The number is a sum of four features, which the pretrained arm shows with less noise than the random arms.
    """
    params = make_study(folder, encoders={"tiny": (0.9, 0.6)}, per_class=per_class)
    content = params.model_dump(mode="json")
    content["baselines"] = BASELINES
    content["probe"] |= {"folds": 3, "repeats": 2, "inner_folds": 2, "split_halves": 4}
    content["analyse"] |= {"attributes": True}
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    params = load_params(folder / "params.yaml")
    rng = np.random.default_rng(0)
    trajectories = read_trajectories(paths.TRAJECTORIES)
    count = len(trajectories.item_ids)
    signal = rng.normal(size=(count, 4))
    y = 20 + 5 * signal.sum(axis=1)
    write_trajectories(
        replace(trajectories, labels=[repr(float(value)) for value in y], classes=[]), paths.TRAJECTORIES
    )
    items = items_digest(trajectories.item_ids)
    metadata = {**read_predictions(paths.predictions("tiny")).features, "items": items}
    write_features(
        paths.features("tiny"),
        {
            "pretrained/mid/mean": signal + 0.3 * rng.normal(size=signal.shape),
            "random/mid/mean": signal + rng.normal(size=(INITS, *signal.shape)),
        },
        metadata,
    )
    frames = params.render.frames
    controls = {
        "coordinates": signal + 2 * rng.normal(size=signal.shape),
        "hash_noise": rng.normal(size=signal.shape),
        "pixels": rng.random(size=(count, frames * 4)),
        "random_projection": rng.normal(size=signal.shape),
    }
    named = {f"control/{name}": rows.astype(np.float32) for name, rows in controls.items()}
    write_features(paths.features(paths.CONTROLS), named, {"items": items})
    run("probe", params, "tiny", workers=1)
    run("probe", params, paths.CONTROLS, workers=1)
    return params
