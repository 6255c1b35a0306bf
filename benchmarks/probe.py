"""How fast probes are trained, beside scikit-learn's GridSearchCV over the same strengths and folds.

    python benchmarks/probe.py [FEATURES]      # two minutes on one core

FEATURES is an encoder's data/features/<encoder>.safetensors; its study must lie around it (dvc repro makes both). By
default that of the embedded encoder. For the pretrained arm and two random ones, on the first folds, both choose a
strength by log loss over the same inner folds of the same standardised rows, and fit all rows with it. They take
turns, each on one thread; the ratio is of processor time. scikit-learn has its default solver and tolerance, and as
many iterations as it needs. Choices and predictions are held against a search in float64 at a hundredth of that
tolerance, which by default is too coarse for the flat bottom of the curve. The gap is what is left of the penalised
loss above scikit-learn's optimum there, at the strength chosen: the largest over all fits.
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

from trajprobe import paths
from trajprobe.features.store import read_features
from trajprobe.params.study import load_params
from trajprobe.probe.folds import Fold
from trajprobe.probe.logistic import Probe, fit
from trajprobe.probe.material import gather
from trajprobe.trajectories.table import read_items

ARMS, FOLDS = 3, 4
CONVERGED = 1e-6  # tolerance of the searches that choices are held against


def searched(
    rows: np.ndarray, codes: np.ndarray, fold: Fold, strengths: np.ndarray, tol: float = 1e-4
) -> tuple[np.ndarray, LogisticRegression]:
    """The loss of the inner folds at each strength by GridSearchCV, and the model fitted to all rows with the best.

    A strength is a penalty per item, so C depends on how many items train: fewer in the search than in the end. tol:
    of the gradient; by default scikit-learn's own.
    """
    every = np.arange(len(rows))
    inner = [(np.setdiff1d(every, held), held) for held in fold.inner]
    size = np.mean([len(train) for train, _ in inner])
    search = GridSearchCV(
        LogisticRegression(max_iter=100_000, tol=tol),
        {"C": 1 / (strengths * size)},
        scoring="neg_log_loss",
        cv=inner,
        refit=False,
    ).fit(rows, codes)
    strength = float(strengths[search.best_index_])
    model = LogisticRegression(C=1 / (strength * len(rows)), max_iter=100_000, tol=tol)
    return -search.cv_results_["mean_test_score"], model.fit(rows, codes)


def penalised(probability: np.ndarray, codes: np.ndarray, weights: np.ndarray, strength: float) -> float:
    """The mean loss with its penalty, which both minimise."""
    true = probability[np.arange(len(codes)), codes]
    return float(-np.log(true).mean() + strength / 2 * (weights**2).sum())


def gap(probe: Probe, features: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> float:
    """How far the probe's loss on its training rows lies above the optimum."""
    own = penalised(probe.probabilities(features), codes, probe.coefficients[:-1], probe.strength)
    best = LogisticRegression(C=1 / (probe.strength * len(rows)), max_iter=100_000, tol=CONVERGED).fit(
        rows, codes
    )
    return own - penalised(best.predict_proba(rows), codes, best.coef_, probe.strength)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else paths.features("magvit2_mini")
    material = gather(read_items(paths.TRAJECTORIES), read_features(file), file.stem, load_params().probe)
    codes, strengths = material.codes, material.strengths
    n_classes = int(codes.max()) + 1
    seconds, same, lost, agree, gaps = np.zeros((ARMS, 2)), 0, 0.0, [], []
    for number, (arm, features) in enumerate(material.arms[:ARMS]):
        for fold in material.folds[:FOLDS]:
            train, true = features[fold.train], codes[fold.train]
            scaler = StandardScaler().fit(train.astype(np.float64))
            rows = scaler.transform(train)
            ours, probe = timed(lambda: fit(train, true, n_classes, fold.inner, strengths))  # noqa: B023
            theirs, _ = timed(lambda: searched(rows, true, fold, strengths))  # noqa: B023
            seconds[number] += ours, theirs
            exact = scaler.transform(train.astype(np.float64))
            losses, model = searched(exact, true, fold, strengths, CONVERGED)
            chosen = losses[strengths == probe.strength].item()
            same += chosen == losses.min()
            lost = max(lost, chosen - losses.min())
            said = probe.probabilities(features[fold.test]).argmax(axis=1)
            agree.append(
                np.mean(said == model.predict(scaler.transform(features[fold.test].astype(np.float64))))
            )
            gaps.append(gap(probe, train, exact, true))
        ours, theirs = seconds[number] / FOLDS
        print(f"{arm}: {ours:.3f} s against {theirs:.3f} s a fold, {theirs / ours:.1f} times", flush=True)
    ours, theirs = seconds.sum(axis=0)
    print(
        f"{len(train)} rows of {features.shape[1]} features, {n_classes} classes, {len(strengths)} strengths"
    )
    print(f"GridSearchCV takes {theirs / ours:.1f} times as long")
    print(
        f"same strength in {same} of {len(gaps)} folds, elsewhere one whose loss is {lost:.1e} higher at most; "
        f"same predictions for {np.mean(agree):.2%} of held-out items"
    )
    print(f"largest gap in penalised loss: {max(gaps):.1e}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
