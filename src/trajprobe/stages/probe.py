"""The probe stage: features in, held-out predictions of every arm out."""

from dataclasses import replace

import numpy as np

from trajprobe import paths
from trajprobe.features.store import read_features
from trajprobe.params.study import Params
from trajprobe.probe.arms import hold_out
from trajprobe.probe.halves import held_in_halves, right_in_halves
from trajprobe.probe.material import gather
from trajprobe.probe.predictions import Predictions, write_predictions
from trajprobe.progress import progress
from trajprobe.threads import thread_count
from trajprobe.trajectories.table import read_items


def run(params: Params, name: str) -> str:
    """Probe all arms of the encoder `name`, or of the controls, and write data/predictions/<name>.parquet."""
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(name))
    material = gather(items, features, name, params.probe)
    arms, codes, folds, tested = material.arms, material.codes, material.folds, material.tested
    n_classes, workers = len(items.classes), thread_count()
    with progress(f"probe {name}", len(arms) * len(folds), "fits") as advance:
        held = list(
            hold_out(arms, codes, n_classes, folds, material.strengths, workers=workers, advance=advance)
        )
    halvings = material.halvings
    chosen = [(rows, float(np.median(each.strength))) for (_, rows), each in zip(arms, held, strict=True)]
    with progress(f"probe {name} in halves", len(arms) * len(halvings) * 2, "halves") as advance:
        right = right_in_halves(chosen, codes, n_classes, halvings, workers=workers, advance=advance)
    predictions = Predictions(
        item_ids=[items.item_ids[i] for i in tested],
        groups=[items.groups[i] for i in tested],
        codes=codes[tested],
        classes=items.classes,
        items=material.digest,
        strengths=(params.probe.strengths.low, params.probe.strengths.high),
        arms=[replace(each, halves=halves) for each, halves in zip(held, right, strict=True)],
        features=features.metadata,
        halves=held_in_halves(codes, n_classes, halvings),
    )
    write_predictions(paths.predictions(name), predictions)
    left_out = len(codes) - len(np.unique(np.concatenate([*(fold.train for fold in folds), tested])))
    twins = f"; {left_out} training items left out, whose group is held out as well" if left_out else ""
    return f"{paths.predictions(name)}: {len(held)} arms, {len(tested)} items held out in {len(folds)} folds{twins}"
