"""The time to train probes, beside scikit-learn's GridSearchCV over the same penalties and folds.

    python benchmarks/probe.py [FEATURES]      # two minutes on one core

FEATURES is an encoder's data/features/<encoder>.safetensors, by default that of the embedded encoder; its study must
lie around it (dvc repro makes both). For the pretrained arm and two random ones, on the first folds, both choose a
penalty by log loss over the same inner folds of the same standardised rows, and fit all rows with it. They take turns,
each on one thread; the ratio is of processor time. scikit-learn has its default solver and tolerance, and as many
iterations as it needs. Choices and predictions are compared with a search in float64 at a hundredth of that tolerance,
which by default is too coarse for the flat bottom of the curve. The gap is how far the penalised loss lies above
scikit-learn's optimum there, at the chosen penalty: the largest over all fits.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from results import report
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.trajectories import read_items
from trajprobe.core import paths
from trajprobe.params import load_params
from trajprobe.probe.folds import Fold
from trajprobe.probe.inputs import load_inputs
from trajprobe.probe.logistic import FittedLogistic, fit_logistic

ARMS, FOLDS = 3, 4
CONVERGED = 1e-6  # tolerance of the searches that choices are compared with


def grid_search(
    rows: np.ndarray, y: np.ndarray, fold: Fold, l2_grid: np.ndarray, tol: float = 1e-4
) -> tuple[np.ndarray, LogisticRegression]:
    """The loss on the inner folds at each penalty by GridSearchCV, and the model fitted to all rows with the best.

    A penalty is per item, so C depends on how many items train: fewer in the search than in the end. tol: of the
    gradient; by default scikit-learn's own.
    """
    size = np.mean([len(train) for train, _ in fold.inner])
    search = GridSearchCV(
        LogisticRegression(max_iter=100_000, tol=tol),
        {"C": 1 / (l2_grid * size)},
        scoring="neg_log_loss",
        cv=fold.inner,
        refit=False,
    ).fit(rows, y)
    l2 = float(l2_grid[search.best_index_])
    model = LogisticRegression(C=1 / (l2 * len(rows)), max_iter=100_000, tol=tol)
    return -search.cv_results_["mean_test_score"], model.fit(rows, y)


def penalised(probability: np.ndarray, y: np.ndarray, weights: np.ndarray, l2: float) -> float:
    """The mean loss with its penalty, which both minimise."""
    true = probability[np.arange(len(y)), y]
    return float(-np.log(true).mean() + l2 / 2 * (weights**2).sum())


def gap(probe: FittedLogistic, features: np.ndarray, rows: np.ndarray, y: np.ndarray) -> float:
    """How far the probe's loss on its training rows lies above the optimum."""
    own = penalised(probe.probabilities(features), y, probe.coefficients[:-1], probe.l2)
    best = LogisticRegression(C=1 / (probe.l2 * len(rows)), max_iter=100_000, tol=CONVERGED).fit(rows, y)
    return own - penalised(best.predict_proba(rows), y, best.coef_, probe.l2)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The processor time of `work` in seconds, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else paths.features("magvit2_mini")
    inputs = load_inputs(read_items(paths.TRAJECTORIES), read_features(file), file.stem, load_params().probe)
    y, l2_grid = inputs.y, inputs.l2_grid
    n_classes = int(y.max()) + 1
    seconds, same, lost, agree, gaps = np.zeros((ARMS, 2)), 0, 0.0, [], []
    for number, (arm, features) in enumerate(inputs.arms[:ARMS]):
        for fold in inputs.folds[:FOLDS]:
            train, true = features[fold.train], y[fold.train]
            scaler = StandardScaler().fit(train.astype(np.float64))
            scaler.scale_ = np.maximum(scaler.scale_, np.median(scaler.scale_[scaler.var_ > 0]))
            rows = scaler.transform(train)
            ours, probe = timed(lambda: fit_logistic(train, true, n_classes, fold.inner, l2_grid))  # noqa: B023
            theirs, _ = timed(lambda: grid_search(rows, true, fold, l2_grid))  # noqa: B023
            seconds[number] += ours, theirs
            exact = scaler.transform(train.astype(np.float64))
            losses, model = grid_search(exact, true, fold, l2_grid, CONVERGED)
            chosen = losses[l2_grid == probe.l2].item()
            same += chosen == losses.min()
            lost = max(lost, chosen - losses.min())
            predicted = probe.probabilities(features[fold.test]).argmax(axis=1)
            expected = model.predict(scaler.transform(features[fold.test].astype(np.float64)))
            agree.append(np.mean(predicted == expected))
            gaps.append(gap(probe, train, exact, true))
        ours, theirs = seconds[number] / FOLDS
        print(f"{arm}: {ours:.3f} s against {theirs:.3f} s a fold, {theirs / ours:.1f} times", flush=True)
    ours, theirs = seconds.sum(axis=0)
    print(f"{len(train)} rows of {features.shape[1]} features, {n_classes} classes, {len(l2_grid)} penalties")
    report("sklearn", f"{theirs / ours:.1f}× as fast, {ours / ARMS / FOLDS:.2f} s a fold")
    print(
        f"same penalty in {same} of {len(gaps)} folds, elsewhere one whose loss is {lost:.1e} higher at most; "
        f"same predictions for {np.mean(agree):.2%} of held-out items"
    )
    print(f"largest gap in penalised loss: {max(gaps):.1e}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
