"""Prediction files are paired only if they agree on everything that a paired comparison rests on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from made_pairs import GROUPS, HALF_COUNTS, STRONGEST, WEAKEST, Y, make_pairs
from trajprobe.artifacts.predictions import Arm, Predictions
from trajprobe.compare.paired_predictions import pair_any, pair_predictions
from trajprobe.core.errors import UserError


def predictions(seed: int, encoder: str) -> Predictions:
    (contrast,) = make_pairs(seed).contrasts["e"]
    arms = [contrast.pretrained, *contrast.random]
    if encoder == "controls":
        arms = [replace(arms[0], arm=Arm("hash_noise", "control"))]
    return Predictions(
        item_ids=[f"item {number}" for number in range(60)],
        groups=[str(group) for group in GROUPS],
        y=Y,
        classes=["a", "b", "c"],
        items="digest",
        l2_grid=(WEAKEST, STRONGEST),
        arms=arms,
        split_half_counts=HALF_COUNTS,
    )


@pytest.fixture
def files() -> dict[str, Any]:
    return {"e": predictions(0, "e"), "controls": predictions(1, "controls")}


def test_files_that_agree_are_paired(files: dict[str, Any]) -> None:
    paired = pair_predictions(files)
    assert np.array_equal(np.bincount(paired.groups), np.full(30, 2))
    assert paired.n_groups == 30
    assert list(paired.controls) == ["hash_noise"]
    assert [arm.arm.init for arm in paired.contrasts["e"][0].random] == [0, 1, 2, 3]


@pytest.mark.parametrize("what", ["items", "labels", "groups", "folds", "split halves"])
def test_files_that_disagree_are_refused(files: dict[str, Any], what: str) -> None:
    other = files["controls"]
    change: dict[str, Any] = {
        "items": {"items": "another"},
        "labels": {"y": np.roll(Y, 1)},
        "groups": {"groups": other.item_ids},
        "folds": {"arms": [replace(other.arms[0], fold=np.roll(other.arms[0].fold, 2, axis=1))]},
        "split halves": {"split_half_counts": HALF_COUNTS + 1},
    }[what]
    for pair in (pair_predictions, pair_any):
        with pytest.raises(UserError, match=f"probed with different {what}"):
            pair({**files, "controls": replace(other, **change)})


def test_files_from_anywhere_may_have_fewer_split_halves(files: dict[str, Any]) -> None:
    short = replace(files["controls"], split_half_counts=HALF_COUNTS[:2])
    for pair in ({"short": short, "e": files["e"]}, {"e": files["e"], "short": short}):
        paired = pair_any(pair)
        assert np.array_equal(paired.split_half_counts, HALF_COUNTS)
        assert paired.n_groups == 30
    with pytest.raises(UserError, match="probed with different split halves"):
        pair_predictions({**files, "controls": short})


def test_an_encoder_without_both_arms_is_refused(files: dict[str, Any]) -> None:
    only = replace(files["e"], arms=files["e"].arms[:1])
    with pytest.raises(UserError, match=r"e\.parquet: mid/mean: expected .* found 1 and 0; .*probe@e"):
        pair_predictions({**files, "e": only})
