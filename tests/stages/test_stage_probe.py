"""The probe stage: scikit-learn's own search on the same fold, and what all arms must have in common."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.preprocessing import StandardScaler

from made_features import CLASSES, made_params, make_features
from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.features.store import read_features, write_features
from trajprobe.probe.folds import plan
from trajprobe.probe.logistic import grid
from trajprobe.probe.predictions import Predictions, read_predictions
from trajprobe.stages import probe


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def probed() -> Predictions:
    return read_predictions(paths.predictions("tiny"))


def test_a_fold_is_what_sklearn_finds_in_its_own_search() -> None:
    codes = make_features()
    params = made_params()
    message = probe.run(params, "tiny")
    assert "3 arms, 60 items held out in 6 folds" in message
    settings = params.probe
    names = [str(index) for index in range(60)]
    fold = plan(
        codes, names, [""] * 60, CLASSES, split="auto", folds=3, repeats=2, inner_folds=2, seed=settings.seed
    )[4]
    assert (fold.repeat, fold.fold) == (1, 1)
    inner = np.zeros(40, int)
    inner[fold.inner[1]] = 1
    assert np.bincount(inner).tolist() == [20, 20]  # so that one C is one strength in both
    strengths = grid(settings.strengths.low, settings.strengths.high, 5)
    files = read_features(paths.features("tiny")).arrays
    arms = [files["pretrained/mid/mean"], *files["random/mid/mean"]]
    for held, rows in zip(probed().arms, arms, strict=True):
        scaler = StandardScaler().fit(rows[fold.train])
        train, test = scaler.transform(rows[fold.train]), scaler.transform(rows[fold.test])
        classifier = LogisticRegression(max_iter=10000, tol=1e-8)
        search = GridSearchCV(
            classifier,
            {"C": (1 / (strengths * 20)).tolist()},
            scoring="neg_log_loss",
            cv=PredefinedSplit(inner),
            refit=False,
        ).fit(train, codes[fold.train])
        strength = strengths[search.best_index_]
        theirs = LogisticRegression(C=1 / (strength * 40), max_iter=10000, tol=1e-8).fit(
            train, codes[fold.train]
        )
        assert (held.fold[1, fold.test] == 1).all()
        assert held.strength[1, fold.test] == pytest.approx(strength)
        assert held.probability[1, fold.test] == pytest.approx(theirs.predict_proba(test), abs=5e-3)
        assert np.array_equal(held.predicted[1], held.probability[1].argmax(axis=1))


def test_all_arms_of_all_representations_have_the_same_folds() -> None:
    make_features(layers=("mid", "deep"), poolings=("mean", "delta"), widths=(6, 9))
    probe.run(made_params(), "tiny")
    found = probed()
    assert [(held.arm.arm, held.arm.init, held.arm.layer, held.arm.pooling) for held in found.arms] == [
        (arm, init, layer, pooling)
        for layer in ("mid", "deep")
        for pooling in ("mean", "delta")
        for arm, init in (("pretrained", 0), ("random", 0), ("random", 1))
    ]
    for held in found.arms:
        assert held.fold.shape == (2, 60)
        assert np.array_equal(held.fold, found.arms[0].fold)
    assert not np.array_equal(found.arms[0].fold[0], found.arms[0].fold[1])


def test_a_group_is_in_one_fold_of_a_repeat() -> None:
    codes = make_features(count=90, group_size=3)
    probe.run(made_params(), "tiny")
    found = probed()
    assert np.array_equal(found.codes, codes)
    for repeat in found.arms[0].fold:
        assert set(repeat) == {0, 1, 2}
        folds_of: dict[str, set[int]] = {}
        for group, fold in zip(found.groups, repeat, strict=True):
            folds_of.setdefault(group, set()).add(int(fold))
        assert all(len(folds) == 1 for folds in folds_of.values())


def test_the_published_test_part_is_held_out_once_and_its_twins_train_nothing() -> None:
    make_features(count=60, group_size=4, tests=30)  # the group of items 28 to 31 is on both sides
    message = probe.run(made_params(), "tiny")
    assert "30 items held out in 1 folds; 2 training items left out" in message
    found = probed()
    assert found.item_ids == [f"item-{index:03d}" for index in range(30, 60)]
    assert found.arms[0].fold.shape == (1, 30)
    before = found.arms[0].probability
    features = read_features(paths.features("tiny"))
    features.arrays["pretrained/mid/mean"][28:30] = 1e6  # would spoil any probe that learned from them
    write_features(paths.features("tiny"), features.arrays, features.metadata)
    probe.run(made_params(), "tiny")
    assert np.array_equal(probed().arms[0].probability, before)


def test_reruns_and_threads_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    make_features()
    written = set()
    for workers in ("1", "1", "2"):
        monkeypatch.setenv("TRAJPROBE_WORKERS", workers)
        probe.run(made_params(), "tiny")
        written.add(paths.predictions("tiny").read_bytes())
    assert len(written) == 1


def test_features_of_other_items_are_one_line() -> None:
    make_features()
    features = read_features(paths.features("tiny"))
    write_features(paths.features("tiny"), features.arrays, {**features.metadata, "items": "of another day"})
    with pytest.raises(UserError, match=r"was made from other items than .*run `dvc repro`") as caught:
        probe.run(made_params(), "tiny")
    assert "\n" not in str(caught.value)
    assert not paths.predictions("tiny").exists()
