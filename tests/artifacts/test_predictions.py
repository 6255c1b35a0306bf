"""data/predictions/*.parquet: it is read as it was written, its rows are readable, equal input gives equal bytes."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from trajprobe.artifacts.predictions import (
    Arm,
    ArmPredictions,
    Predictions,
    read_predictions,
    write_predictions,
)
from trajprobe.core.errors import UserError


def simulate(arm, repeats, n, n_classes, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.ones(n_classes), (repeats, n)).astype(np.float32)
    return ArmPredictions(
        arm,
        fold=rng.integers(0, 5, (repeats, n)).astype(np.int32),
        predicted=probability.argmax(axis=2),
        l2=rng.choice([0.1, 1.0], (repeats, n)),
        probability=probability,
        split_half_hits=rng.integers(0, 3, (4, 2, n_classes)),
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
        for name in ("fold", "predicted", "l2", "probability", "split_half_hits"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


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
