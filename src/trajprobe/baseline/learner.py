"""Alternatives that learn by themselves: their trainings in the outer folds and split halves of the probe.

A learner is trained on the training part of every outer fold, once for each seed, and tested on the rest of the items.
The same is repeated in split halves of the items, with the first seed, for the variance that other training items would
cause (see `probe.held_out`). Trainings may take minutes, so each one that is finished is kept in a cache outside the
repository, under a key of everything that decides it: a killed stage continues with the training in progress.

Trainings are independent of each other and run in processes of one thread each, so neither their number nor the number
of processes changes a result.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.artifacts.predictions import CLASS_SCORES, Arm, ArmPredictions, Score, class_sums
from trajprobe.baseline.task import Outcome, Task
from trajprobe.core import paths
from trajprobe.core.costs import Measured
from trajprobe.core.files import sha256
from trajprobe.core.parallel import parallel_map
from trajprobe.core.progress import progress
from trajprobe.extract.shard_cache import ShardCache, shard_key
from trajprobe.probe.folds import Fold, Split, assign_folds, splits_of
from trajprobe.probe.held_out import Half, by_arm, split_half_counts

INNER_STREAM = 3  # of random numbers, apart from those of the probe's folds and halves


@dataclass(frozen=True)
class Fit:
    """One training: (H, K) probabilities of the tested items, seconds to train, seconds to test an item, the model."""

    probability: np.ndarray
    training_seconds: float
    inference_seconds: float
    parameters: int
    bytes: int


class Learner(ABC):
    """What is trained. It holds the data of all N items and must be picklable.

    y, groups: (N,) integers from 0. inner_folds: into how many the training part of a half is divided, where something
    is chosen by them. identity: all that decides a training but for its items; None if a training is too fast to keep.
    device: on which it runs.
    """

    y: np.ndarray
    groups: np.ndarray
    n_classes: int
    inner_folds: int = 4
    identity: Mapping[str, Any] | None = None
    device: str = "cpu"

    @abstractmethod
    def fit(self, train: np.ndarray, test: np.ndarray, inner: Sequence[Split], seed: int) -> Fit:
        """Train on the items `train` and predict the items `test`; inner: (train, test) positions within `train`."""

    def half_scores(self, half: Half, seed: int) -> dict[Score, np.ndarray]:
        """By score, (K,) float64 sums over the tested items of each class in all folds of a half."""
        probability = []
        for number, (train, test) in enumerate(half.folds):
            train, test = half.items[train], half.items[test]
            probability.append(self.fit(train, test, self._inner(train, [seed, number]), seed).probability)
        tested = half.items[np.concatenate([test for _, test in half.folds])]
        return class_sums(np.concatenate(probability), self.y[tested])

    def _inner(self, train: np.ndarray, seed: Sequence[int]) -> list[Split]:
        """At most `inner_folds` inner folds, groups whole; none if a class has a single group."""
        y, groups = self.y[train], np.unique(self.groups[train], return_inverse=True)[1]
        counts = np.bincount(np.unique(np.stack([y, groups]), axis=1)[0], minlength=self.n_classes)
        folds = min(self.inner_folds, int(counts.min()))
        if folds < 2:
            return []
        fold_of = assign_folds(y, groups, folds, np.random.default_rng([*seed, INNER_STREAM]))
        return splits_of(fold_of, folds)


def train_everywhere(
    task: Task,
    learners: Sequence[Learner],
    arms: Sequence[Arm],
    halves: int,
    metadata: dict[str, Any],
    repeats: int | None = None,
) -> Outcome:
    """The outcome of arms, each a learner with the seed `arm.init`, in all folds and the first `halves` split halves.

    halves: of an arm's first seed; the other seeds of the same kind of arm get the same results there. repeats: of the
    folds, of which the first so many are used; None: all.
    """
    inputs = task.inputs
    folds = [fold for fold in inputs.folds if repeats is None or fold.repeat < repeats]
    pairs = inputs.split_halves[:halves]
    seed = task.settings.seed
    fit_jobs: list[Job] = [
        (learner, seed + arm.init, (fold.train, fold.test, fold.inner))
        for learner, arm in zip(learners, arms, strict=True)
        for fold in folds
    ]
    firsts = [index for index, arm in enumerate(arms) if arm.init == 0]
    half_jobs: list[Job] = [
        (learners[index], seed, half) for index in firsts for pair in pairs for half in pair
    ]
    quick = learners[0].identity is None  # sending it to a process would take longer
    workers = 1 if quick or learners[0].device != "cpu" else task.workers
    cache = ShardCache(paths.finished_work("trainings"))
    with progress(f"baseline {task.name}", len(fit_jobs) + len(half_jobs), "trainings") as advance:

        def run(jobs: Sequence[Job]) -> Iterator[dict[str, np.ndarray]]:
            with closing(parallel_map(lambda job: _kept_or_run(cache, job), jobs, workers)) as results:
                for result in results:
                    advance()
                    yield result

        fits = list(run(fit_jobs))
        halves_found: list[dict[Score, np.ndarray]] = [
            {score: result[score][0] for score in CLASS_SCORES} for result in run(half_jobs)
        ]
    if learners[0].identity is not None:
        cache.prune()
    counts = split_half_counts(inputs.y, task.n_classes, pairs)
    in_halves = by_arm(halves_found, len(firsts))
    by_kind = {arms[index].arm: own for index, own in zip(firsts, in_halves, strict=True)}
    per_arm = [fits[start : start + len(folds)] for start in range(0, len(fits), len(folds))]
    predictions = [
        replace(_arm_predictions(task, arm, folds, own), split_half_scores=by_kind[arm.arm])
        for arm, own in zip(arms, per_arm, strict=True)
    ]
    costs = np.array([result["costs"][0] for result in fits])
    measured = Measured(
        training_seconds=float(costs[:, 0].mean()),
        inference_seconds=float(costs[:, 1].mean()),
        parameters=int(costs[0, 2]),
        bytes=int(costs[0, 3]),
        trainings=len(fit_jobs) + sum(len(half.folds) for _, _, half in half_jobs if isinstance(half, Half)),
        device=learners[0].device,
    )
    return Outcome(predictions, counts, measured, metadata)


# A learner, its seed, and what it is trained on: the parts of an outer fold, or a half.
Job = tuple[Learner, int, tuple[np.ndarray, np.ndarray, Sequence[Split]] | Half]


def _kept_or_run(cache: ShardCache, job: Job) -> dict[str, np.ndarray]:
    """{"probability": (H, K), "costs": (1, 4)} of a fold, a (1, K) for each of CLASS_SCORES of a half."""
    learner, seed, part = job
    names = list(CLASS_SCORES) if isinstance(part, Half) else ["probability", "costs"]
    key = None
    if learner.identity is not None:
        key = shard_key({**learner.identity, "seed": seed, "part": names, "items": _digest(learner, part)})
        kept = cache.get(key, names, (None, None), np.float64)
        if kept is not None:
            return kept
    result: dict[str, np.ndarray]
    if isinstance(part, Half):
        result = {score: sums[None] for score, sums in learner.half_scores(part, seed).items()}
    else:
        fit = learner.fit(*part, seed)
        costs = [fit.training_seconds, fit.inference_seconds, fit.parameters, fit.bytes]
        result = {"probability": fit.probability.astype(np.float64), "costs": np.array([costs], np.float64)}
    if key is not None:
        cache.put(key, result)
    return result


def _digest(learner: Learner, part: tuple[np.ndarray, np.ndarray, Sequence[Split]] | Half) -> str:
    """SHA-256 of which items are trained on and tested, of how they are divided, and of their labels and groups."""
    if isinstance(part, Half):
        arrays = [part.items, *(positions for fold in part.folds for positions in fold)]
    else:
        arrays = [part[0], part[1], *(positions for fold in part[2] for positions in fold)]
    arrays += [learner.y, learner.groups]
    content = b"".join(len(array).to_bytes(8, "little") + array.astype("<i8").tobytes() for array in arrays)
    return hashlib.sha256(content).hexdigest()


def source_digests(*modules: str | Path | None) -> list[str]:
    """SHA-256 of source files (`module.__file__`) that decide a training, for its `identity`."""
    return [sha256(module) for module in modules if module is not None]


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of the shape and the bytes of an array that decides a training, for its `identity`."""
    content = repr((array.shape, array.dtype.str)).encode() + np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(content).hexdigest()


def _arm_predictions(
    task: Task, arm: Arm, folds: Sequence[Fold], fits: Sequence[Mapping[str, np.ndarray]]
) -> ArmPredictions:
    tested = task.inputs.tested
    shape = (max(fold.repeat for fold in folds) + 1, len(tested))
    own = ArmPredictions(
        arm,
        fold=np.zeros(shape, np.int32),
        predicted=np.zeros(shape, np.int32),
        l2=np.zeros(shape),  # no penalty of the probe
        probability=np.zeros((*shape, task.n_classes), np.float32),
    )
    for fold, fit in zip(folds, fits, strict=True):
        place = fold.repeat, np.searchsorted(tested, fold.test)
        own.fold[place] = fold.fold
        own.probability[place] = fit["probability"]
        own.predicted[place] = fit["probability"].argmax(axis=1)
    return own
