"""The probe stage: features in, held-out predictions of every arm out."""

import numpy as np

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.features.store import items_digest, read_features
from trajprobe.params.study import Params
from trajprobe.probe.arms import hold_out, list_arms
from trajprobe.probe.folds import plan
from trajprobe.probe.logistic import grid
from trajprobe.probe.predictions import Predictions, write_predictions
from trajprobe.progress import progress
from trajprobe.threads import thread_count
from trajprobe.trajectories.table import read_items


def run(params: Params, name: str) -> str:
    """Probe all arms of the encoder `name`, or of the controls, and write data/predictions/<name>.parquet."""
    items = read_items(paths.TRAJECTORIES)
    features = read_features(paths.features(name))
    digest = items_digest(items.item_ids)
    if features.metadata.get("items") != digest:
        raise UserError(
            f"{paths.features(name)}: was made from other items than {paths.TRAJECTORIES} holds; "
            "run `dvc repro` so that both are up to date"
        )
    index = {label: code for code, label in enumerate(items.classes)}
    codes = np.array([index[label] for label in items.labels])
    probe = params.probe
    folds = plan(
        codes,
        items.groups,
        items.splits,
        items.classes,
        split=probe.split,
        folds=probe.folds,
        repeats=probe.repeats,
        inner_folds=probe.inner_folds,
        seed=probe.seed,
    )
    strengths = grid(probe.strengths.low, probe.strengths.high, probe.strengths.count)
    arms = list_arms(features.arrays, features.metadata, name)
    workers = thread_count()
    with progress(f"probe {name}", len(arms) * len(folds), "fits") as advance:
        held = list(
            hold_out(arms, codes, len(items.classes), folds, strengths, workers=workers, advance=advance)
        )
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    predictions = Predictions(
        item_ids=[items.item_ids[i] for i in tested],
        groups=[items.groups[i] for i in tested],
        codes=codes[tested],
        classes=items.classes,
        items=digest,
        strengths=(probe.strengths.low, probe.strengths.high),
        arms=held,
        features=features.metadata,
    )
    write_predictions(paths.predictions(name), predictions)
    left_out = len(codes) - len(np.unique(np.concatenate([*(fold.train for fold in folds), tested])))
    twins = f"; {left_out} training items left out, whose group is held out as well" if left_out else ""
    return f"{paths.predictions(name)}: {len(held)} arms, {len(tested)} items held out in {len(folds)} folds{twins}"
