"""Ridge regression against scikit-learn's, and the search over penalties against one by hand."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from made_harness import interleaved
from trajprobe.probe.folds import Fold
from trajprobe.probe.ridge import fit_ridge, predict_ridge, ridge_path


def standardised(rows: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    deviation = fitted_on.std(axis=0)
    return (rows - fitted_on.mean(axis=0)) / np.maximum(deviation, np.median(deviation))


@pytest.mark.parametrize("width", [5, 90])
def test_ridge_is_that_of_scikit_learn(width: int) -> None:
    rng = np.random.default_rng(width)
    features = rng.normal(size=(60, width)) * np.exp(0.5 * rng.normal(size=width))
    targets = features[:, :3] @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2)) + 7
    grid = np.array([10.0, 0.1, 1e-3])
    train, test = np.arange(40), np.arange(40, 60)
    path = ridge_path(features[train], targets[train], features[test], grid)
    for l2, predicted in zip(grid, path, strict=True):
        oracle = Ridge(alpha=l2 * len(train)).fit(
            standardised(features[train], features[train]), targets[train]
        )
        expected = oracle.predict(standardised(features[test], features[train]))
        assert predicted == pytest.approx(expected, rel=1e-3, abs=2e-4)


def test_each_block_gets_the_penalty_that_its_inner_folds_prefer() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 30))
    weak = features[:, 2] + 3 * rng.normal(size=90)
    targets = np.column_stack([features[:, :2], weak, rng.normal(size=90)])
    inner, grid = interleaved(60), np.geomspace(100, 1e-4, 7)
    blocks = [slice(0, 2), slice(2, 3), slice(3, 4)]
    found, penalties = predict_ridge(
        features, targets, blocks, Fold(0, 0, np.arange(60), np.arange(60, 90), tuple(inner)), grid
    )
    path = ridge_path(features[:60], targets[:60], features[60:], grid)
    chosen = []
    for block in blocks:

        def error(l2: float, block: slice = block) -> float:
            total = 0.0
            for train, test in inner:
                rows = features[train]
                model = Ridge(alpha=l2 * len(train)).fit(standardised(rows, rows), targets[train, block])
                predicted = model.predict(standardised(features[test], rows))
                total += float(((predicted.reshape(len(test), -1) - targets[test, block]) ** 2).sum())
            return total

        chosen.append(int(np.argmin([error(l2) for l2 in grid])))
        assert np.array_equal(found[:, block], path[chosen[-1]][:, block])
    assert len(set(chosen)) == 3
    assert penalties.tolist() == grid[chosen].tolist()


@pytest.mark.parametrize("width", [5, 90])
def test_a_single_target_is_fitted_with_the_penalty_of_a_search_by_hand(width: int) -> None:
    rng = np.random.default_rng(width)
    features = rng.normal(size=(60, width))
    y = features[:, 0] - 2 * features[:, 1] + 2 * rng.normal(size=60) + 100
    grid, inner = np.geomspace(100, 1e-4, 7), interleaved(60)
    assert len({len(train) for train, _ in inner}) == 1  # so that one alpha is one l2 in all
    found = fit_ridge(features, y, inner, grid)
    errors = []
    for l2 in grid:
        total = 0.0
        for train, test in inner:
            model = Ridge(alpha=l2 * len(train)).fit(standardised(features[train], features[train]), y[train])
            total += ((model.predict(standardised(features[test], features[train])) - y[test]) ** 2).sum()
        errors.append(total)
    assert found.l2 == grid[np.argmin(errors)]
    oracle = Ridge(alpha=found.l2 * 60).fit(standardised(features, features), y)
    others = rng.normal(size=(9, width))
    assert found.predict(others) == pytest.approx(
        oracle.predict(standardised(others, features)), rel=1e-5, abs=1e-3
    )
    assert found.intercept == pytest.approx(y.mean())
