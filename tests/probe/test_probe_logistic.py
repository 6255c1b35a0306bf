"""The probe held against scikit-learn's LogisticRegression: the optimum of every strength to 1e-4 in loss, and the
strength and predictions of GridSearchCV over the same folds. Closed forms where there are some."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.preprocessing import StandardScaler

from trajprobe.probe import logistic, solver
from trajprobe.probe.logistic import fit, fit_all, grid, principal_axes

STRENGTHS = grid(1e-4, 1e2, 7)


def sample(n, width, n_classes, signal=1.0, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.arange(n) % n_classes)
    latent = rng.normal(size=(n, 12)) + signal * rng.normal(size=(n_classes, 12))[codes]
    features = np.tanh(latent @ rng.normal(size=(12, width)) / 3) + 0.1 * rng.normal(size=(n, width))
    return features.astype(np.float32), codes


def inner_folds(n, count=4, seed=1):
    of = np.random.default_rng(seed).permutation(n) % count
    return [np.flatnonzero(of == fold) for fold in range(count)]


def loss(logits, codes, coefficients, strength):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probability = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_probability[np.arange(len(codes)), codes].mean() + strength / 2 * (coefficients**2).sum()


def reference(standard, codes, strength):
    """scikit-learn's optimum as one column of coefficients a class, and its penalised mean loss."""
    n_classes = codes.max() + 1
    model = LogisticRegression(
        C=(2 if n_classes == 2 else 1) / (strength * len(codes)), max_iter=20000, tol=1e-7
    )
    model.fit(standard, codes)
    weights, intercept = model.coef_, model.intercept_
    if n_classes == 2:
        weights, intercept = (
            np.concatenate([-weights, weights]) / 2,
            np.concatenate([-intercept, intercept]) / 2,
        )
    return loss(standard @ weights.T + intercept, codes, weights, strength)


@pytest.mark.parametrize(
    ("n", "width", "n_classes"), [(90, 200, 4), (150, 20, 3), (80, 1, 2), (60, 30, 2), (120, 15, 12)]
)
def test_every_strength_reaches_the_optimum_of_sklearn(n, width, n_classes):
    features, codes = sample(n, width, n_classes)
    axes = principal_axes(features)
    rows = axes.apply(features)
    fitted = fit_all(rows, axes.energy, codes, n_classes, STRENGTHS).astype(np.float64)
    standard = StandardScaler().fit_transform(features.astype(np.float64))
    for at, strength in enumerate(STRENGTHS):
        weights = fitted[:, :, at]
        ours = loss(rows @ weights[:-1] + weights[-1], codes, weights[:-1], strength)
        assert ours == pytest.approx(reference(standard, codes, strength), abs=1e-5)


@pytest.mark.parametrize(("width", "signal"), [(200, 1.0), (20, 0.5), (60, 0.0)])
def test_strength_and_predictions_are_those_of_grid_search(width, signal):
    features, codes = sample(120, width, 3, signal, seed=width)
    features, codes, new = features[:90], codes[:90], features[90:]
    inner = inner_folds(90)
    probe = fit(features, codes, 3, inner, STRENGTHS)
    scaler = StandardScaler().fit(features.astype(np.float64))
    splits = [(np.setdiff1d(np.arange(90), held), held) for held in inner]
    # A strength is a penalty per training item, so C differs by their number: fold and whole are 90 * 3/4 and 90.
    sizes = {len(train) for train, _ in splits}
    assert sizes <= {67, 68}
    search = GridSearchCV(
        LogisticRegression(max_iter=5000, tol=1e-6),
        {"C": 1 / (STRENGTHS * 67.5)},
        scoring="neg_log_loss",
        cv=splits,
        refit=False,
    ).fit(scaler.transform(features), codes)
    assert STRENGTHS[search.best_index_] == probe.strength
    # Where the penalty is weak the optimum is flat: coefficients, and held-out losses, are known less exactly.
    firm = STRENGTHS[: len(probe.inner_loss)] >= 1e-2
    every = -search.cv_results_["mean_test_score"]
    assert probe.inner_loss[firm] == pytest.approx(every[: len(firm)][firm], abs=3e-3)
    model = LogisticRegression(C=1 / (probe.strength * 90), max_iter=5000, tol=1e-6)
    model.fit(scaler.transform(features), codes)
    expected = model.predict_proba(scaler.transform(new))
    assert probe.probabilities(new) == pytest.approx(expected, abs=5e-3)


def test_weak_strengths_are_left_out_only_behind_three_rises(monkeypatch):
    features, codes = sample(90, 60, 3, 0.0)
    probe = fit(features, codes, 3, inner_folds(90), STRENGTHS)
    tried = len(probe.inner_loss)
    assert tried < len(STRENGTHS)
    assert (np.diff(probe.inner_loss)[-3:] > 0).all()
    monkeypatch.setattr(logistic, "RISES", len(STRENGTHS))
    whole = fit(features, codes, 3, inner_folds(90), STRENGTHS)
    assert len(whole.inner_loss) == len(STRENGTHS)
    assert whole.inner_loss[:tried].tobytes() == probe.inner_loss.tobytes()
    assert whole.probabilities(features).tobytes() == probe.probabilities(features).tobytes()


def test_folds_in_one_batch_are_sklearns_cross_val_predict():
    features, codes = sample(120, 15, 3, 0.4)
    fold_of = np.random.default_rng(5).permutation(120) % 4
    predicted = logistic.fit_folds(
        features, codes, 3, [np.flatnonzero(fold_of == fold) for fold in range(4)], 0.03
    )
    # The axes, and so the scale of a column, are those of all rows; the penalty is on the 90 that are trained on.
    standard = StandardScaler().fit_transform(features.astype(np.float64))
    model = LogisticRegression(C=1 / (0.03 * 90), max_iter=5000, tol=1e-7)
    expected = cross_val_predict(model, standard, codes, cv=PredefinedSplit(fold_of))
    ours = np.concatenate(predicted)[np.argsort(np.argsort(fold_of, kind="stable"))]
    assert np.mean(ours == expected) > 0.99


def test_a_rotation_keeps_distances_and_a_scale_changes_nothing():
    features, codes = sample(60, 100, 3)
    axes = principal_axes(features)
    rows = axes.apply(features)
    standard = StandardScaler().fit_transform(features.astype(np.float64))
    assert rows @ rows.T == pytest.approx(standard @ standard.T, abs=1e-2)
    assert (rows**2).sum(axis=0) == pytest.approx(axes.energy, rel=1e-4, abs=1e-4)
    scaled = features * np.geomspace(1e-3, 1e3, 100, dtype=np.float32) + 5
    one, other = (fit(x, codes, 3, inner_folds(60), STRENGTHS) for x in (features, scaled))
    assert one.strength == other.strength
    assert one.probabilities(features) == pytest.approx(other.probabilities(scaled), abs=2e-2)


def test_constant_features_leave_the_shares_of_the_classes():
    features, codes = np.full((40, 5), 3.3, np.float32), np.repeat([0, 1], [30, 10])
    probe = fit(features, codes, 2, inner_folds(40), STRENGTHS)
    assert probe.probabilities(features[:3]) == pytest.approx(np.tile([0.75, 0.25], (3, 1)), abs=1e-3)
    assert probe.strength == STRENGTHS[0]


def test_constant_columns_change_nothing():
    features, codes = sample(60, 8, 3)
    padded = np.concatenate([features, np.full((60, 2), 1e6, np.float32)], axis=1)
    one, other = (fit(x, codes, 3, inner_folds(60), STRENGTHS) for x in (features, padded))
    assert one.probabilities(features) == pytest.approx(other.probabilities(padded), abs=1e-3)


def test_a_hundred_classes():
    features, codes = sample(400, 30, 100, signal=3.0)
    probe = fit(features, codes, 100, inner_folds(400), STRENGTHS)
    probability = probe.probabilities(features)
    assert probability.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (probability.argmax(axis=1) == codes).mean() > 0.9


def test_blocks_of_rows_and_batches_of_strengths_change_nothing(monkeypatch):
    features, codes = sample(90, 25, 3)
    whole = fit(features, codes, 3, inner_folds(90), STRENGTHS)
    monkeypatch.setattr(solver, "BLOCK", 500)
    monkeypatch.setattr(logistic, "COEFFICIENTS", 1)
    monkeypatch.setattr(logistic, "ROWS", 7)
    parts = fit(features, codes, 3, inner_folds(90), STRENGTHS)
    assert parts.strength == whole.strength
    assert parts.inner_loss == pytest.approx(whole.inner_loss, abs=5e-3)
    assert parts.probabilities(features) == pytest.approx(whole.probabilities(features), abs=5e-3)


def test_one_strength_needs_no_choice_and_the_grid_is_logarithmic():
    features, codes = sample(60, 10, 3)
    assert fit(features, codes, 3, inner_folds(60), grid(1, 1, 1)).strength == 1
    assert grid(1e-4, 1e2, 7).tolist() == pytest.approx([1e2, 1e1, 1, 1e-1, 1e-2, 1e-3, 1e-4])


def test_the_solver_stops_at_its_limit(monkeypatch):
    monkeypatch.setattr(solver, "LIMIT", 2)
    features, codes = sample(60, 10, 3)
    axes = principal_axes(features)
    fitted = fit_all(axes.apply(features), axes.energy, codes, 3, STRENGTHS)
    assert np.isfinite(fitted).all()


def test_the_same_bits_every_time():
    features, codes = sample(80, 120, 4)
    one, other = (
        fit(features, codes, 4, inner_folds(80), STRENGTHS).probabilities(features) for _ in range(2)
    )
    assert one.tobytes() == other.tobytes()
