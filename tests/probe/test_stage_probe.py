"""The probe stage: scikit-learn's own search on the same fold, and what all arms must have in common."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from by_hand import standardise
from made_features import CLASSES, made_params, make_features
from running import run
from trajprobe.artifacts.features import read_features, write_features
from trajprobe.artifacts.predictions import Predictions, read_predictions, read_training_items
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.probe.folds import make_folds
from trajprobe.probe.logistic import make_l2_grid


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def probed() -> Predictions:
    return read_predictions(paths.predictions("tiny"))


def test_a_fold_is_what_sklearn_finds_in_its_own_search() -> None:
    y = make_features()
    params = made_params()
    message = run("probe", params, "tiny")
    assert "3 arms, 60 items held out in 6 folds" in message
    settings = params.probe
    names = [str(index) for index in range(60)]
    fold = make_folds(
        y, names, [""] * 60, CLASSES, split="auto", folds=3, repeats=2, inner_folds=2, seed=settings.seed
    )[4]
    assert (fold.repeat, fold.fold) == (1, 1)
    assert [len(train) for train, _ in fold.inner] == [20, 20]  # so that one C is one l2 in both
    l2_grid = make_l2_grid(settings.l2_grid.low, settings.l2_grid.high, 5)
    files = read_features(paths.features("tiny")).arrays
    arms = [files["pretrained/mid/mean"], *files["random/mid/mean"]]
    for found, rows in zip(probed().arms, arms, strict=True):
        scaler = standardise(rows[fold.train])
        train, test = scaler.transform(rows[fold.train]), scaler.transform(rows[fold.test])
        classifier = LogisticRegression(max_iter=10000, tol=1e-8)
        search = GridSearchCV(
            classifier,
            {"C": (1 / (l2_grid * 20)).tolist()},
            scoring="neg_log_loss",
            cv=fold.inner,
            refit=False,
        ).fit(train, y[fold.train])
        l2 = l2_grid[search.best_index_]
        theirs = LogisticRegression(C=1 / (l2 * 40), max_iter=10000, tol=1e-8).fit(train, y[fold.train])
        assert (found.fold[1, fold.test] == 1).all()
        assert found.l2[1, fold.test] == pytest.approx(l2)
        assert found.probability[1, fold.test] == pytest.approx(theirs.predict_proba(test), abs=5e-3)
        assert np.array_equal(found.predicted[1], found.probability[1].argmax(axis=1))


def test_all_arms_of_all_representations_have_the_same_folds() -> None:
    make_features(layers=("mid", "deep"), poolings=("mean", "delta"), widths=(6, 9))
    run("probe", made_params(), "tiny")
    found = probed()
    arms = [each.arm for each in found.arms]
    assert [(arm.arm, arm.init, arm.layer, arm.pooling) for arm in arms] == [
        (arm, init, layer, pooling)
        for layer in ("mid", "deep")
        for pooling in ("mean", "delta")
        for arm, init in (("pretrained", 0), ("random", 0), ("random", 1))
    ]
    for each in found.arms:
        assert each.fold.shape == (2, 60)
        assert np.array_equal(each.fold, found.arms[0].fold)
    assert not np.array_equal(found.arms[0].fold[0], found.arms[0].fold[1])


def test_a_group_is_in_one_fold_of_a_repeat() -> None:
    y = make_features(count=90, group_size=3)
    run("probe", made_params(), "tiny")
    found = probed()
    assert np.array_equal(found.y, y)
    for repeat in found.arms[0].fold:
        assert set(repeat) == {0, 1, 2}
        folds_of: dict[str, set[int]] = {}
        for group, fold in zip(found.groups, repeat, strict=True):
            folds_of.setdefault(group, set()).add(int(fold))
        assert all(len(folds) == 1 for folds in folds_of.values())


def test_the_published_test_part_is_held_out_once_and_its_duplicates_train_nothing() -> None:
    make_features(count=60, group_size=4, tests=30)  # the group of items 28 to 31 is on both sides
    message = run("probe", made_params(), "tiny")
    assert (
        "30 items held out in 1 folds; 2 training items left out, because their group is also tested"
        in message
    )
    found = probed()
    assert found.item_ids == [f"item-{index:03d}" for index in range(30, 60)]
    assert found.arms[0].fold.shape == (1, 30)
    assert read_training_items(paths.predictions("tiny")) == 28
    before = found.arms[0].probability
    features = read_features(paths.features("tiny"))
    features.arrays["pretrained/mid/mean"][28:30] = 1e6  # any probe that trained on them would change
    write_features(paths.features("tiny"), features.arrays, features.metadata)
    run("probe", made_params(), "tiny")
    assert np.array_equal(probed().arms[0].probability, before)


def test_reruns_and_processes_give_the_same_bytes() -> None:
    make_features()
    written = set()
    for workers in (1, 1, 2):
        run("probe", made_params(), "tiny", workers)
        written.add(paths.predictions("tiny").read_bytes())
    assert len(written) == 1


def test_features_of_other_items_are_one_line() -> None:
    make_features()
    features = read_features(paths.features("tiny"))
    write_features(paths.features("tiny"), features.arrays, {**features.metadata, "items": "of another day"})
    with pytest.raises(UserError, match=r"was made from other items than .*run `dvc repro`") as caught:
        run("probe", made_params(), "tiny")
    assert "\n" not in str(caught.value)
    assert not paths.predictions("tiny").exists()
