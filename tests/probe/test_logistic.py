"""The fit against scikit-learn's LogisticRegression: the optimum at every penalty to 1e-5 in loss, and the penalty and
predictions of GridSearchCV over the same folds. Closed forms where there are some."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from by_hand import standardise
from trajprobe.artifacts.predictions import item_scores
from trajprobe.probe import logistic, solver
from trajprobe.probe.folds import splits_of
from trajprobe.probe.logistic import fit_logistic, fit_principal_axes, make_l2_grid, predict_folds

L2_GRID = make_l2_grid(1e-4, 1e2, 7)


@pytest.fixture(autouse=True)
def _one_thread():
    """Matrices are small here: several BLAS threads would wait for each other."""
    with threadpool_limits(1):
        yield


def sample(n, width, n_classes, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    latent = rng.normal(size=(n, 12)) + signal * rng.normal(size=(n_classes, 12))[y]
    features = np.tanh(latent @ rng.normal(size=(12, width)) / 3) + 0.1 * rng.normal(size=(n, width))
    return features.astype(np.float32), y


def inner_folds(n, count=4, seed=1):
    return splits_of(np.random.default_rng(seed).permutation(n) % count, count)


def loss(logits, y, coefficients, l2):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_probability[np.arange(len(y)), y].mean() + l2 / 2 * (coefficients**2).sum()


def reference(standard, y, l2):
    """scikit-learn's optimum as one column of coefficients a class, and its penalised mean loss."""
    n_classes = y.max() + 1
    model = LogisticRegression(C=(2 if n_classes == 2 else 1) / (l2 * len(y)), max_iter=20000, tol=1e-7)
    model.fit(standard, y)
    weights, intercept = model.coef_, model.intercept_
    if n_classes == 2:
        weights = np.concatenate([-weights, weights]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    return loss(standard @ weights.T + intercept, y, weights, l2)


@pytest.mark.parametrize(
    ("n", "width", "n_classes"), [(90, 200, 4), (150, 20, 3), (80, 1, 2), (60, 30, 2), (120, 15, 12)]
)
def test_every_penalty_reaches_the_optimum_of_sklearn(n, width, n_classes):
    features, y = sample(n, width, n_classes)
    standard = standardise(features).transform(features.astype(np.float64))
    for l2 in L2_GRID:
        fitted = fit_logistic(features, y, n_classes, [], np.array([l2]))
        weights = fitted.coefficients.astype(np.float64)
        ours = loss(fitted.axes.apply(features) @ weights[:-1] + weights[-1], y, weights[:-1], l2)
        assert ours == pytest.approx(reference(standard, y, l2), abs=1e-5)


@pytest.mark.parametrize(("width", "signal"), [(200, 1.0), (20, 0.5), (60, 0.0)])
def test_penalty_and_predictions_are_those_of_grid_search(width, signal, monkeypatch):
    monkeypatch.setattr(logistic, "CHOOSING", 1e-6)  # test losses move more than the loss that is minimised
    features, y = sample(120, width, 3, signal, seed=width)
    features, y, new = features[:90], y[:90], features[90:]
    inner = inner_folds(90)
    fitted = fit_logistic(features, y, 3, inner, L2_GRID)
    scaler = standardise(features)
    # A penalty is per training item, so C differs by their number: fold and whole are 90 * 3/4 and 90.
    assert {len(train) for train, _ in inner} <= {67, 68}
    search = GridSearchCV(
        LogisticRegression(max_iter=5000, tol=1e-6),
        {"C": 1 / (L2_GRID * 67.5)},
        scoring="neg_log_loss",
        cv=inner,
        refit=False,
    ).fit(scaler.transform(features), y)
    assert L2_GRID[search.best_index_] == fitted.l2
    # With a weak penalty the optimum is flat: coefficients, and test losses, are known less exactly.
    firm = L2_GRID[: len(fitted.inner_loss)] >= 1e-2
    every = -search.cv_results_["mean_test_score"]
    assert fitted.inner_loss[firm] == pytest.approx(every[: len(firm)][firm], abs=3e-3)
    model = LogisticRegression(C=1 / (fitted.l2 * 90), max_iter=5000, tol=1e-6)
    model.fit(scaler.transform(features), y)
    expected = model.predict_proba(scaler.transform(new))
    assert fitted.probabilities(new) == pytest.approx(expected, abs=5e-3)


def test_weak_penalties_are_left_out_only_after_three_rises(monkeypatch):
    features, y = sample(90, 60, 3, 0.0)
    fitted = fit_logistic(features, y, 3, inner_folds(90), L2_GRID)
    tried = len(fitted.inner_loss)
    assert tried < len(L2_GRID)
    assert (np.diff(fitted.inner_loss)[-3:] > 0).all()
    monkeypatch.setattr(logistic, "RISES", len(L2_GRID))
    whole = fit_logistic(features, y, 3, inner_folds(90), L2_GRID)
    assert len(whole.inner_loss) == len(L2_GRID)
    assert whole.inner_loss[:tried].tobytes() == fitted.inner_loss.tobytes()
    assert whole.probabilities(features).tobytes() == fitted.probabilities(features).tobytes()


def test_predicted_folds_are_sklearns_cross_val_predict():
    features, y = sample(120, 15, 3, 0.4)
    fold_of = np.random.default_rng(5).permutation(120) % 4
    predicted = predict_folds(features, y, 3, splits_of(fold_of, 4), 0.03)
    model = make_pipeline(
        standardise(features), LogisticRegression(C=1 / (0.03 * 90), max_iter=5000, tol=1e-7)
    )
    expected = cross_val_predict(
        model, features.astype(np.float64), y, cv=PredefinedSplit(fold_of), method="predict_proba"
    )
    ours = np.concatenate(predicted)[np.argsort(np.argsort(fold_of, kind="stable"))]
    assert np.mean(ours.argmax(axis=1) == expected.argmax(axis=1)) > 0.99
    brier, expected_brier = (item_scores("brier", each, y).mean() for each in (ours, expected))
    assert brier == pytest.approx(expected_brier, abs=2e-3)


def test_folds_of_ample_rows_share_axes_and_predict_the_same(monkeypatch):
    features, y = sample(600, 40, 5, 0.4)
    folds = splits_of(np.random.default_rng(5).permutation(600) % 4, 4)
    for l2 in (1e-4, 1e-2, 1.0):
        monkeypatch.setattr(logistic, "AMPLE", 600 / 40)
        together = np.concatenate(predict_folds(features, y, 5, folds, l2))
        monkeypatch.setattr(logistic, "AMPLE", 600)
        alone = np.concatenate(predict_folds(features, y, 5, folds, l2))
        assert np.mean(together.argmax(axis=1) == alone.argmax(axis=1)) > 0.99
        assert np.abs(together - alone).mean() < 1e-2


def test_predicted_folds_of_wide_features_under_a_weak_penalty_are_those_of_the_whole_fit():
    """On the axes of all rows a fit that ends as early is right for 3 % of the items in place of 55 %."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(95) % 10)
    latent = rng.normal(size=(95, 30)) + 0.8 * rng.normal(size=(10, 30))[y]
    features = latent * np.geomspace(1, 0.01, 30) @ rng.normal(size=(30, 1500)) + 3 * rng.normal(
        size=(95, 1500)
    )
    folds = splits_of(rng.permutation(95) % 4, 4)
    predicted = predict_folds(features, y, 10, folds, 1e-4)
    for (train, test), probability in zip(folds, predicted, strict=True):
        fitted = fit_logistic(features[train], y[train], 10, [], np.array([1e-4]))
        classes = fitted.probabilities(features[test]).argmax(axis=1)
        assert np.mean(classes == probability.argmax(axis=1)) > 0.9


def test_a_rotation_keeps_distances_and_a_common_scale_changes_nothing():
    features, y = sample(60, 100, 3)
    axes = fit_principal_axes(features)
    rows = axes.apply(features)
    standard = standardise(features).transform(features.astype(np.float64))
    assert rows @ rows.T == pytest.approx(standard @ standard.T, abs=1e-2)
    assert (rows**2).sum(axis=0) == pytest.approx(axes.energy, rel=1e-4, abs=1e-4)
    scaled = features * np.float32(1e3) + np.linspace(-5, 5, 100, dtype=np.float32)
    one, other = (fit_logistic(x, y, 3, inner_folds(60), L2_GRID) for x in (features, scaled))
    assert one.l2 == other.l2
    assert one.probabilities(features) == pytest.approx(other.probabilities(scaled), abs=2e-2)


def test_a_nearly_constant_column_is_not_blown_up():
    """A column of 1e-3 noise in the training part, and of 1 in one new item, decides nothing."""
    features, y = sample(90, 20, 3)
    noise = 1e-3 * np.random.default_rng(2).normal(size=(90, 1)).astype(np.float32)
    fitted = fit_logistic(np.concatenate([features, noise], axis=1), y, 3, inner_folds(90), L2_GRID)
    new = np.concatenate([features[:1], np.ones((1, 1), np.float32)], axis=1)
    usual = np.concatenate([features[:1], noise[:1]], axis=1)
    assert np.abs(fitted.axes.apply(new)).max() < 10  # divided by its own deviation: about 1000
    assert fitted.probabilities(new) == pytest.approx(fitted.probabilities(usual), abs=0.1)


def test_constant_features_leave_the_shares_of_the_classes():
    features, y = np.full((40, 5), 3.3, np.float32), np.repeat([0, 1], [30, 10])
    fitted = fit_logistic(features, y, 2, inner_folds(40), L2_GRID)
    assert fitted.probabilities(features[:3]) == pytest.approx(np.tile([0.75, 0.25], (3, 1)), abs=1e-3)
    assert fitted.l2 == L2_GRID[0]


def test_constant_columns_change_nothing():
    features, y = sample(60, 8, 3)
    padded = np.concatenate([features, np.full((60, 2), 1e6, np.float32)], axis=1)
    one, other = (fit_logistic(x, y, 3, inner_folds(60), L2_GRID) for x in (features, padded))
    assert one.probabilities(features) == pytest.approx(other.probabilities(padded), abs=1e-3)


def test_a_hundred_classes():
    features, y = sample(400, 30, 100, signal=3.0)
    fitted = fit_logistic(features, y, 100, inner_folds(400), L2_GRID)
    probability = fitted.probabilities(features)
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (probability.argmax(axis=1) == y).mean() > 0.9


def test_blocks_of_rows_and_batches_of_penalties_change_nothing(monkeypatch):
    features, y = sample(90, 25, 3)
    whole = fit_logistic(features, y, 3, inner_folds(90), L2_GRID)
    monkeypatch.setattr(solver, "BLOCK", 500)
    monkeypatch.setattr(logistic, "COEFFICIENTS", 1)
    monkeypatch.setattr(logistic, "ROWS", 7)
    parts = fit_logistic(features, y, 3, inner_folds(90), L2_GRID)
    assert parts.l2 == whole.l2
    assert parts.inner_loss == pytest.approx(whole.inner_loss, abs=5e-3)
    assert parts.probabilities(features) == pytest.approx(whole.probabilities(features), abs=5e-3)


def test_without_folds_the_middle_of_the_grid_is_taken_and_the_grid_is_logarithmic():
    features, y = sample(60, 10, 3)
    assert fit_logistic(features, y, 3, [], L2_GRID).l2 == pytest.approx(0.1)
    assert fit_logistic(features, y, 3, inner_folds(60), make_l2_grid(1, 1, 1)).l2 == 1
    assert make_l2_grid(1e-4, 1e2, 7).tolist() == pytest.approx([1e2, 1e1, 1, 1e-1, 1e-2, 1e-3, 1e-4])


def test_the_solver_stops_at_its_limit(monkeypatch):
    monkeypatch.setattr(solver, "LIMIT", 2)
    features, y = sample(60, 10, 3)
    assert np.isfinite(fit_logistic(features, y, 3, [], L2_GRID).coefficients).all()


def test_the_same_bits_every_time():
    features, y = sample(80, 120, 4)
    one, other = (fit_logistic(features, y, 4, inner_folds(80), L2_GRID) for _ in range(2))
    assert one.probabilities(features).tobytes() == other.probabilities(features).tobytes()
