"""Alternatives that only make features: the probe of the encoders reads them, with the same folds and split halves."""

from typing import Any

import numpy as np

from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline.task import Outcome, Task
from trajprobe.core.costs import Measured, stopwatch
from trajprobe.core.parallel import parallel_map
from trajprobe.probe.folds import Fold
from trajprobe.probe.held_out import probe_arms, split_half_counts
from trajprobe.probe.targets import target_of


def probe_features(
    task: Task,
    rows: np.ndarray,
    arm: Arm,
    seconds: float,
    metadata: dict[str, Any],
    parameters: int = 0,
    device: str = "cpu",
) -> Outcome:
    """The outcome of (N, D) finite features.

    seconds: that making the features of one item takes, on `device`. parameters: float32 numbers that it needs.
    """
    inputs = task.inputs
    y, folds, pairs = inputs.y, inputs.folds, inputs.split_halves
    what, workers = f"baseline {task.name}", task.workers
    own = probe_arms(what, [(arm, rows)], y, task.n_classes, folds, pairs, inputs.l2_grid, workers)
    fitting, predicting, width = _time_a_fit(task, rows, folds[0])
    measured = Measured(
        training_seconds=fitting + seconds * len(folds[0].train),
        inference_seconds=predicting + seconds,
        parameters=parameters + width,
        bytes=4 * (parameters + width),
        trainings=len(folds) + sum(len(half.folds) for pair in pairs for half in pair),
        device=device,
    )
    counts = split_half_counts(y, task.n_classes, pairs)
    return Outcome(own, counts, measured, metadata)


def _time_a_fit(task: Task, rows: np.ndarray, fold: Fold) -> tuple[float, float, int]:
    """Seconds to fit one fold on one thread, seconds to predict an item, and how many numbers the model has."""

    clock, target = stopwatch("cpu"), target_of(task.inputs.y, task.n_classes)

    def fit(fold: Fold) -> tuple[float, float, int]:
        start = clock()
        model = target.fit(rows, fold, task.inputs.l2_grid)
        fitted = clock()
        target.predict(model, rows[fold.test])
        predicting = (clock() - fitted) / len(fold.test)
        # As one matrix from features to classes, with an offset, which is what the axes and coefficients amount to.
        return fitted - start, predicting, (rows.shape[1] + 1) * target.counted

    return next(parallel_map(fit, [fold], 1))
