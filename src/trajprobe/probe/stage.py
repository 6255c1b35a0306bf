"""Stage `probe`: features in, held-out predictions of every arm out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.predictions import Predictions, write_predictions
from trajprobe.artifacts.seen_items import FILE, POINTS, file_digest, points_digest
from trajprobe.artifacts.trajectories import Items, read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.parallel import worker_count
from trajprobe.probe.held_out import probe_arms, split_half_counts
from trajprobe.probe.inputs import load_inputs
from trajprobe.probe.params import ProbeParams


def run(settings: ProbeParams, name: str, workers: int | None = None) -> str:
    """Probe all arms of the encoder `name`, or of the controls, and write data/predictions/<name>.parquet."""
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(name))
    inputs = load_inputs(items, features, name, settings)
    arms, y, folds, tested, pairs = inputs.arms, inputs.y, inputs.folds, inputs.tested, inputs.split_halves
    n_classes, workers = len(items.classes), worker_count(workers)  # no class if y are numbers
    probed = probe_arms(f"probe {name}", arms, y, n_classes, folds, pairs, inputs.l2_grid, workers)
    predictions = Predictions(
        item_ids=[items.item_ids[i] for i in tested],
        groups=[items.groups[i] for i in tested],
        y=y[tested],
        classes=items.classes,
        items=inputs.digest,
        l2_grid=(settings.l2_grid.low, settings.l2_grid.high),
        arms=probed,
        features=_with_seen_counted(features.metadata, items, tested)
        | {"training_items": len(folds[0].train)},
        split_half_counts=split_half_counts(y, n_classes, pairs),
    )
    write_predictions(paths.predictions(name), predictions)
    why = f"; {inputs.left_out} training items left out, because their group is also tested"
    return (
        f"{paths.predictions(name)}: {len(probed)} arms, {len(tested)} items held out in {len(folds)} folds"
        f"{why if inputs.left_out else ''}"
    )


def _with_seen_counted(metadata: Mapping[str, Any], items: Items, tested: np.ndarray) -> dict[str, Any]:
    """The metadata of features in which `seen` says how many of the items `tested` the pretraining saw.

    It saw an item if it saw a path with the same points, the same ready-made clip, or the very clip that the encoders
    see, under whatever name.
    """
    if "seen" not in metadata:
        return dict(metadata)
    seen = metadata["seen"]
    points, in_files, rows = (set(seen[key]) for key in (POINTS, FILE, "rows"))
    if points and items.has_paths:
        own = read_trajectories(paths.TRAJECTORIES).points
        rows |= {row for row in tested.tolist() if points_digest(own[row]) in points}
    if items.clips is not None:
        rows |= {row for row, sha256 in enumerate(items.clips.digests) if file_digest(sha256) in in_files}
    held_out = len(rows & set(tested.tolist()))
    return {**metadata, "seen": {"recorded": seen["recorded"], "held_out": held_out}}
