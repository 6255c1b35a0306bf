"""Stage `probe`: features in, held-out predictions of every arm out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.predictions import Predictions, write_predictions
from trajprobe.artifacts.seen_items import POINTS, points_digest
from trajprobe.artifacts.trajectories import read_items, read_trajectories
from trajprobe.core import paths
from trajprobe.core.parallel import worker_count
from trajprobe.core.progress import progress
from trajprobe.probe.held_out import predict_held_out, split_half_counts, split_half_hits
from trajprobe.probe.inputs import load_inputs
from trajprobe.probe.params import ProbeParams


def run(settings: ProbeParams, name: str, workers: int | None = None) -> str:
    """Probe all arms of the encoder `name`, or of the controls, and write data/predictions/<name>.parquet."""
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(name))
    inputs = load_inputs(items, features, name, settings)
    arms, y, folds, tested, pairs = inputs.arms, inputs.y, inputs.folds, inputs.tested, inputs.split_halves
    n_classes, workers = len(items.classes), worker_count(workers)
    with progress(f"probe {name}", len(arms) * len(folds), "fits") as advance:
        held_out = predict_held_out(
            arms, y, n_classes, folds, inputs.l2_grid, workers=workers, advance=advance
        )
        probed = list(held_out)
    chosen = [(rows, float(np.median(arm.l2))) for (_, rows), arm in zip(arms, probed, strict=True)]
    with progress(f"probe {name} in split halves", len(arms) * len(pairs) * 2, "halves") as advance:
        hits = split_half_hits(chosen, y, n_classes, pairs, workers=workers, advance=advance)
    predictions = Predictions(
        item_ids=[items.item_ids[i] for i in tested],
        groups=[items.groups[i] for i in tested],
        y=y[tested],
        classes=items.classes,
        items=inputs.digest,
        l2_grid=(settings.l2_grid.low, settings.l2_grid.high),
        arms=[replace(arm, split_half_hits=own) for arm, own in zip(probed, hits, strict=True)],
        features=_with_seen_counted(features.metadata, tested),
        split_half_counts=split_half_counts(y, n_classes, pairs),
    )
    write_predictions(paths.predictions(name), predictions)
    why = f"; {inputs.left_out} training items left out, because their group is also tested"
    return (
        f"{paths.predictions(name)}: {len(probed)} arms, {len(tested)} items held out in {len(folds)} folds"
        f"{why if inputs.left_out else ''}"
    )


def _with_seen_counted(metadata: Mapping[str, Any], tested: np.ndarray) -> dict[str, Any]:
    """The metadata of features in which `seen` says how many of the items `tested` the pretraining saw.

    It saw an item if it saw a path with the same points, or the very clip, under whatever name.
    """
    if "seen" not in metadata:
        return dict(metadata)
    seen, rows = set(metadata["seen"][POINTS]), set(metadata["seen"]["rows"])
    points = read_trajectories(paths.TRAJECTORIES).points
    held_out = sum(row in rows or points_digest(points[row]) in seen for row in tested.tolist())
    return {**metadata, "seen": {"recorded": metadata["seen"]["recorded"], "held_out": held_out}}
