"""The probe stage on 100,000 items of 512 features in 10 classes, with 9 arms: how long, in how much memory?

    python benchmarks/large_probe.py           # two minutes on two cores

One arm is fitted in one outer fold, with the choice of its penalty, and once in a half of the items, by two processes
at once, as the stage does with two workers. The stage has 9 arms, in 3 repeats of 5 folds and in 20 pairs of halves,
and the time is that many times the measured one. Features are noisy nonlinear views of 64 numbers of an item.
"""

import argparse
import multiprocessing
import resource
import time
from multiprocessing.queues import SimpleQueue

import numpy as np
from threadpoolctl import threadpool_limits

from results import report
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.probe.folds import splits_of
from trajprobe.probe.logistic import fit_logistic, make_l2_grid, predict_folds

WIDTH, CLASSES, LATENT = 512, 10, 64
ARMS, FOLDS, REPEATS, INNER, PAIRS = 9, 5, 3, 4, 20  # as in params.yaml
WORKERS = 2


def features(items: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, WIDTH) float32 features, and (N,) classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, items)
    latent = 0.35 * rng.normal(size=(CLASSES, LATENT))[y] + rng.normal(size=(items, LATENT))
    shown = np.tanh(latent @ rng.normal(size=(LATENT, WIDTH)) / LATENT**0.5)
    return (shown + 0.7 * rng.normal(size=shown.shape)).astype(np.float32), y


def fold_of(items: int, folds: int) -> np.ndarray:
    return np.random.default_rng(1).permutation(items) % folds


def measured(rows: np.ndarray, y: np.ndarray, results: SimpleQueue) -> None:
    """Seconds of a fit in an outer fold and of a half, and the memory in bytes that this process adds at its peak."""
    keep_freed_memory()  # as the command line does; earlier it would count the memory of `features` to the peak before
    items = len(y)
    train = fold_of(items, FOLDS) > 0
    inner = splits_of(fold_of(int(train.sum()), INNER), INNER)
    half = fold_of(items, 2) > 0
    folds = splits_of(fold_of(int(half.sum()), FOLDS), FOLDS)
    before = _peak()
    with threadpool_limits(1):
        start = time.perf_counter()
        fitted = fit_logistic(rows[train], y[train], CLASSES, inner, make_l2_grid(1e-4, 1e2, 13))
        middle = time.perf_counter()
        predict_folds(rows[half], y[half], CLASSES, folds, fitted.l2)
        results.put((middle - start, time.perf_counter() - middle, _peak() - before))


def _peak() -> float:
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=100_000)
    items = parser.parse_args().items
    # A forked process starts with the memory in use at that moment as its peak.
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    given = (*features(items), results)
    for _ in range(WORKERS):
        context.Process(target=measured, args=given).start()
    each = [results.get() for _ in range(WORKERS)]
    fit, half, memory = (float(np.mean(values)) for values in zip(*each, strict=True))
    fits, halves = ARMS * FOLDS * REPEATS * fit / WORKERS, ARMS * PAIRS * 2 * half / WORKERS
    held = 4 * items * WIDTH * ARMS
    print(
        f"{items} items: {fit:.1f} s a fold, {half:.1f} s a half, {memory / 1e9:.2f} GB beside the features"
    )
    report(
        "large_probe",
        f"{(fits + halves) / 60:.0f} minutes: folds {fits / 60:.0f}, halves {halves / 60:.0f}; "
        f"{(held + WORKERS * memory) / 1e9:.1f} GB, of which {held / 1e9:.1f} features (from one fit of each kind)",
    )


if __name__ == "__main__":
    main()
