"""The bench that all analyses work at: the arms of one representation, and how classifiers are held to them.

Every analysis asks the same of all arms: the same items to learn from, the same to be tested on, the same choices of
a penalty. A classifier is here a `Learner`, so that an analysis need not know which one it drives.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from trajprobe.probe.folds import Fold, deal
from trajprobe.probe.logistic import Probe, fit, fit_all, principal_axes
from trajprobe.progress import progress

Job = TypeVar("Job")
Result = TypeVar("Result")

# (rows (n, D), codes (n,), classes, inner folds as rows held out, new rows (m, D)) -> (m, K) scores of the classes
Learner = Callable[[np.ndarray, np.ndarray, int, Sequence[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Bench:
    """N items, and the A arms of one representation: pretrained first, then the random initialisations.

    arms: A times (N, D). codes, groups: (N,) integers from 0. folds: one repeat of the probe's outer folds.
    inner_folds: that choose a penalty where an analysis deals its own. strengths: from strong to weak. name: of the
    encoder, for the progress. workers: threads, which change no result.
    """

    name: str
    arms: Sequence[np.ndarray]
    codes: np.ndarray
    groups: np.ndarray
    n_classes: int
    folds: Sequence[Fold]
    inner_folds: int
    strengths: np.ndarray
    seed: int
    confidence: float
    workers: int

    @property
    def published(self) -> bool:
        """Whether the one outer fold is the split that the data came with."""
        return len(self.folds) == 1

    @property
    def tested(self) -> np.ndarray:
        """(M,) the items that any fold holds out, ascending."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))

    def logistic(
        self,
        rows: np.ndarray,
        codes: np.ndarray,
        n_classes: int,
        inner: Sequence[np.ndarray],
        new: np.ndarray,
    ) -> np.ndarray:
        """The Learner of the probe stage."""
        return fit(rows, codes, n_classes, inner, self.strengths).probabilities(new)

    def quick_logistic(
        self,
        rows: np.ndarray,
        codes: np.ndarray,
        n_classes: int,
        inner: Sequence[np.ndarray],
        new: np.ndarray,
    ) -> np.ndarray:
        """The same for analyses that fit hundreds of times, mostly a few rows: every second strength of the grid.

        Without inner folds nothing can be chosen, and the strength is the middle of the grid.
        """
        if inner:
            return fit(rows, codes, n_classes, inner, self.strengths[::2]).probabilities(new)
        middle = np.sqrt(self.strengths[:1] * self.strengths[-1:])
        axes = principal_axes(rows)
        fitted = fit_all(axes.apply(rows), axes.energy, codes, n_classes, middle)
        return Probe(float(middle[0]), np.zeros(0), axes, fitted[:, :, 0]).probabilities(new)

    def spread(self, what: str, work: Callable[[Job], Result], jobs: Iterable[Job]) -> list[Result]:
        """`work` done on every job, in order, by threads with one BLAS thread each."""
        jobs = list(jobs)
        with progress(f"analyse {self.name}: {what}", len(jobs), "fits") as advance:

            def done(job: Job) -> Result:
                result = work(job)
                advance()
                return result

            with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.workers) as pool:
                return list(pool.map(done, jobs))


def hold_out(
    bench: Bench,
    learner: Learner,
    what: str,
    codes: np.ndarray | None = None,
    folds: Sequence[Fold] | None = None,
) -> np.ndarray:
    """(A, M) whether each tested item is classified rightly by what was learned on its fold's training part.

    codes, folds: other labels than the bench's, and other inner folds that go with them.
    """
    codes = bench.codes if codes is None else codes
    folds = bench.folds if folds is None else folds
    tested = bench.tested

    def classify(job: tuple[np.ndarray, Fold]) -> np.ndarray:
        rows, fold = job
        scores = learner(rows[fold.train], codes[fold.train], bench.n_classes, fold.inner, rows[fold.test])
        return scores.argmax(axis=1)

    jobs = [(rows, fold) for rows in bench.arms for fold in folds]
    predicted = iter(bench.spread(what, classify, jobs))
    claimed = np.empty((len(bench.arms), len(tested)), int)
    for arm in claimed:
        for fold in folds:
            arm[np.searchsorted(tested, fold.test)] = next(predicted)
    return claimed == codes[tested]


def deal_inner(
    codes: np.ndarray, groups: np.ndarray, most: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """At most `most` inner folds of n labelled items: for each, the positions that it holds out.

    Groups stay together. A class with one group alone is never held out, because nothing would be left to learn it
    from; where that is true of all classes there are no inner folds, and nothing can be chosen.
    """
    groups = np.unique(groups, return_inverse=True)[1]
    classes = np.unique(codes)
    counts = np.bincount(np.unique(np.stack([codes, groups]), axis=1)[0])
    several = counts[codes] >= 2
    if not several.any():
        return []
    fold_of_group = np.full(groups.max() + 1, -1)
    dealt = np.unique(groups[several], return_inverse=True)[1]
    folds = min(most, counts.max())
    fold_of_group[groups[several]] = deal(codes[several], dealt, folds, rng)
    held = [np.flatnonzero(fold_of_group[groups] == fold) for fold in range(folds)]
    return [one for one in held if len(one) and len(np.unique(np.delete(codes, one))) == len(classes)]
