"""Probing one arm: fit on each fold's training part, predict what it holds out.

Arms and folds are independent of each other, so they are spread over processes (see pool.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np

from trajprobe.errors import UserError
from trajprobe.probe.folds import Fold
from trajprobe.probe.logistic import fit
from trajprobe.probe.pool import spread
from trajprobe.probe.predictions import Arm, Held


def list_arms(
    arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any], name: str
) -> list[tuple[Arm, np.ndarray]]:
    """The arms in a file of features, each with its (N, D) rows; an encoder's headline representation comes first.

    arrays: `pretrained/<layer>/<pooling>` (N, D) with `random/<layer>/<pooling>` (R, N, D), or `control/<name>`
    (N, D). Raises UserError where a feature is NaN or infinite.
    """
    arms: list[tuple[Arm, np.ndarray]] = []
    for key in sorted(key for key in arrays if key.startswith("control/")):
        arms.append((Arm(key.removeprefix("control/"), "control"), arrays[key]))
    for layer in metadata.get("layers", ()):
        for pooling in metadata.get("poolings", ()):
            place = f"{layer}/{pooling}"
            arms.append((Arm(name, "pretrained", 0, layer, pooling), arrays[f"pretrained/{place}"]))
            for init, rows in enumerate(arrays[f"random/{place}"]):
                arms.append((Arm(name, "random", init, layer, pooling), rows))
    for arm, rows in arms:
        broken = np.count_nonzero(~np.isfinite(rows).all(axis=1))
        if broken:
            raise UserError(
                f"features of {arm}: {broken} of {len(rows)} items have a NaN or infinite value, which no probe can "
                "learn from; check this encoder's weights and preprocessing"
            )
    return arms


def hold_out(
    arms: Sequence[tuple[Arm, np.ndarray]],
    codes: np.ndarray,
    n_classes: int,
    folds: Sequence[Fold],
    strengths: np.ndarray,
    *,
    workers: int,
    advance: Callable[[], None],
) -> Iterator[Held]:
    """The held-out predictions of each arm, in order, over the items that any fold tests (ascending).

    strengths: from strong to weak. advance: called after every fold of every arm.
    """
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    repeats = max(fold.repeat for fold in folds) + 1
    jobs = [(rows, fold) for _, rows in arms for fold in folds]

    def probe(job: tuple[np.ndarray, Fold]) -> tuple[float, np.ndarray]:
        rows, fold = job
        probe = fit(rows[fold.train], codes[fold.train], n_classes, fold.inner, strengths)
        return probe.strength, probe.probabilities(rows[fold.test])

    with closing(spread(probe, jobs, workers)) as results:
        for arm, _ in arms:
            shape = (repeats, len(tested))
            held = Held(
                arm,
                fold=np.zeros(shape, np.int32),
                predicted=np.zeros(shape, np.int32),
                strength=np.zeros(shape),
                probability=np.zeros((*shape, n_classes), np.float32),
            )
            for fold in folds:
                strength, probability = next(results)
                advance()
                at = fold.repeat, np.searchsorted(tested, fold.test)
                held.fold[at] = fold.fold
                held.strength[at] = strength
                held.probability[at] = probability
                held.predicted[at] = probability.argmax(axis=1)
            yield held
