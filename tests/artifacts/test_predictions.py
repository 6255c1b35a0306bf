"""data/predictions/*.parquet: it is read as it was written, its rows are readable, equal input gives equal bytes."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss

from trajprobe.artifacts.predictions import (
    CLASS_SCORES,
    Arm,
    ArmPredictions,
    Predictions,
    class_sums,
    item_scores,
    read_predictions,
    write_predictions,
)
from trajprobe.core.errors import UserError
from trajprobe.core.parquet_file import read_parquet_metadata


def simulate(arm, repeats, n, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(n_classes), (repeats, n)).astype(np.float32)
    return ArmPredictions(
        arm,
        fold=rng.integers(0, 5, (repeats, n)).astype(np.int32),
        predicted=probability.argmax(axis=2),
        l2=rng.choice([0.1, 1.0], (repeats, n)),
        probability=probability,
        split_half_scores={
            "accuracy": rng.integers(0, 3, (4, 2, n_classes)),
            "brier": 3 * rng.random((4, 2, n_classes)),
        },
    )


@pytest.fixture
def predictions():
    arms = [
        Arm("mini", "pretrained", 0, "mid", "mean"),
        Arm("mini", "random", 1, "mid", "mean"),
        Arm("pixels", "control"),
    ]
    return Predictions(
        item_ids=[f"item{i}" for i in range(7)],
        groups=["g"] * 3 + list("abcd"),
        y=np.array([2, 0, 1, 1, 2, 0, 0]),
        classes=["zig", "läuft", "arc"],
        items="digest",
        l2_grid=(1e-4, 100.0),
        arms=[simulate(arm, 2, 7, 3, seed) for seed, arm in enumerate(arms)],
        split_half_counts=np.full((4, 2, 3), 3),
    )


def test_what_is_written_is_read_back(predictions, tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions)
    back = read_predictions(tmp_path / "p.parquet")
    assert (back.item_ids, back.groups, back.classes) == (
        predictions.item_ids,
        predictions.groups,
        predictions.classes,
    )
    assert (back.items, back.l2_grid) == ("digest", (1e-4, 100.0))
    assert np.array_equal(back.y, predictions.y)
    assert np.array_equal(back.split_half_counts, predictions.split_half_counts)
    for one, other in zip(predictions.arms, back.arms, strict=True):
        assert one.arm == other.arm
        for name in ("fold", "predicted", "l2", "probability"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        assert list(one.split_half_scores) == list(other.split_half_scores)
        assert np.array_equal(one.split_half_scores["accuracy"], other.split_half_scores["accuracy"])
        for score, sums in one.split_half_scores.items():
            assert np.abs(sums - other.split_half_scores[score]).max() <= 5e-7


def test_scores_of_items_are_those_of_scikit_learn_and_are_added_up_by_class():
    probability = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    y = np.arange(50) % 2  # the third class has no item
    sums = class_sums(probability, y)
    assert list(sums) == list(CLASS_SCORES)
    for score, by_class in sums.items():
        for code in range(3):
            own = item_scores(score, probability[y == code], y[y == code])
            assert by_class[code] == pytest.approx(own.sum())
    hits, brier = (item_scores(score, probability, y) for score in CLASS_SCORES)
    assert hits.mean() == accuracy_score(y, probability.argmax(axis=1))
    loss = brier_score_loss(y, probability, labels=[0, 1, 2])  # not halved for three classes
    assert brier.mean() == pytest.approx(1 - loss / 2)


def test_a_file_of_an_earlier_layout_is_refused(predictions, tmp_path, monkeypatch):
    path = tmp_path / "p.parquet"

    def earlier(*arguments):
        schema, metadata = read_parquet_metadata(*arguments)
        return schema, {key: value for key, value in metadata.items() if key != "split_half_scores"}

    write_predictions(path, predictions)
    monkeypatch.setattr("trajprobe.artifacts.predictions.read_parquet_metadata", earlier)
    with pytest.raises(
        UserError, match=r"p\.parquet: was not written by this version of trajprobe; run `dvc "
    ):
        read_predictions(path)


def test_rows_name_what_was_predicted(predictions, tmp_path):
    write_predictions(tmp_path / "p.parquet", predictions)
    rows = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert len(rows) == 3 * 2 * 7
    row = rows[7 + 3]  # pretrained, second repeat, fourth item
    assert {key: row[key] for key in ("item_id", "group", "label", "encoder", "arm", "init", "repeat")} == {
        "item_id": "item3",
        "group": "a",
        "label": "läuft",
        "encoder": "mini",
        "arm": "pretrained",
        "init": 0,
        "repeat": 1,
    }
    first = predictions.arms[0]
    assert row["predicted"] == predictions.classes[first.predicted[1, 3]]
    assert row["probability"] == pytest.approx(first.probability[1, 3].tolist())
    assert rows[-1]["layer"] == rows[-1]["pooling"] == ""


def test_the_same_bytes_every_time(predictions, tmp_path):
    for name in "ab":
        write_predictions(tmp_path / name, predictions)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_arm_names_itself():
    assert str(Arm("mini", "random", 3, "mid", "mean")) == "mini random 3 mid/mean"
    assert str(Arm("pixels", "control")) == "pixels control"


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"p\.parquet: is missing; run `dvc repro`"):
        read_predictions(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match="is damaged"):
        read_predictions(tmp_path / "p.parquet")
