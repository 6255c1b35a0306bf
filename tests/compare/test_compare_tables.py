"""Rows of the tables: the gain of each class against a two-way analysis of variance worked out term by term, Holm's
definition and the gain of the study, and how often it covers; bins of confidence against scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from by_hand import anova
from trajprobe.artifacts.predictions import Arm, ArmPredictions
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.tables import per_class_rows, reliability_rows

CLASSES = ["left", "right", "round", "nobody's"]


def make_pairs(
    rng: np.random.Generator,
    count: int = 90,
    seeds: int = 5,
    repeats: int = 2,
    group: int = 1,
    levels: tuple[float, float, float] = (0.9, 0.6, 0.3),
    splits: int = 0,
) -> PairedPredictions:
    """Three classes in turn; the pretrained arm recognises each at its level, random ones at about half of that.

    group: items in a row that belong together (and then need not be of one class). splits: in each half of which every
    class has twelve items.
    """
    y = np.arange(count) % 3
    hard = rng.normal(0, 0.1, count)

    def make_arm(arm: str, init: int, level: np.ndarray) -> ArmPredictions:
        correct = rng.random((repeats, count)) < level + hard
        predicted = np.where(correct, y, (y + 1) % 3)
        confidence = rng.uniform(0.3, 1, (repeats, count))
        probability = np.broadcast_to(((1 - confidence) / 3)[..., None], (repeats, count, 4)).copy()
        np.put_along_axis(probability, predicted[..., None], confidence[..., None], axis=-1)
        fold = np.zeros((repeats, count), int)
        hits = rng.integers(0, 13, (splits, 2, 4))
        place = Arm("e", arm, init, "mid", "mean")
        return ArmPredictions(place, fold, predicted, np.ones(fold.shape), probability, {"accuracy": hits})

    level = np.array(levels)[y]
    random = [make_arm("random", init, level / 2 + rng.normal(0, 0.05)) for init in range(seeds)]
    contrast = Contrast(make_arm("pretrained", 0, level), random)
    counts = np.full((splits, 2, 4), 12)
    return PairedPredictions(
        y, np.arange(count) // group, CLASSES, {"e": [contrast]}, {}, (1e-4, 1e2), counts
    )


def rows(of: PairedPredictions, confidence: float = 0.95) -> list[dict]:
    return list(per_class_rows(of, confidence))


@pytest.mark.parametrize(("confidence", "splits"), [(0.8, 0), (0.95, 6)])
def test_the_interval_is_that_of_the_analysis_of_variance(confidence: float, splits: int) -> None:
    given = make_pairs(np.random.default_rng(0), splits=splits)
    contrast = given.contrasts["e"][0]
    found = rows(given, confidence)
    assert [row["label"] for row in found] == CLASSES[:3]
    for index, row in enumerate(found):
        own = given.y == index
        ours = (contrast.pretrained.predicted == index)[:, own].mean(axis=0)
        table = np.stack([ours - (arm.predicted == index)[:, own].mean(axis=0) for arm in contrast.random])
        random_hits = np.mean([arm.split_half_scores["accuracy"] for arm in contrast.random], axis=0)
        halves = (contrast.pretrained.split_half_scores["accuracy"] - random_hits)[:, :, index] / 12
        mean, half, p_value = anova(table, [tuple(pair) for pair in halves], confidence)
        assert row["items"] == own.sum() == 30
        assert row["gain"] == pytest.approx(mean)
        assert (row["gain_ci_low"], row["gain_ci_high"]) == pytest.approx((mean - half, mean + half))
        assert row["p_value"] == pytest.approx(p_value)
        assert row["gain"] == pytest.approx(row["pretrained"] - row["random"])


def test_gains_of_classes_weighted_by_items_are_the_gain() -> None:
    given = make_pairs(np.random.default_rng(1), count=80, group=4)
    contrast = given.contrasts["e"][0]
    found = rows(given)
    random = np.mean([given.correct(arm).mean() for arm in contrast.random])
    gain = given.correct(contrast.pretrained).mean() - random
    assert sum(row["items"] * row["gain"] for row in found) / 80 == pytest.approx(gain)


def test_p_values_are_corrected_over_the_classes() -> None:
    found = rows(make_pairs(np.random.default_rng(2)))
    ordered = sorted(found, key=lambda row: row["p_value"])
    steps = [min(1, (3 - rank) * row["p_value"]) for rank, row in enumerate(ordered)]
    assert [row["p_value_holm"] for row in ordered] == pytest.approx([max(steps[: i + 1]) for i in range(3)])


def test_one_item_of_a_class_says_only_that_gains_are_fractions() -> None:
    row = rows(make_pairs(np.random.default_rng(3), count=3))[0]
    assert (row["gain_ci_low"], row["gain_ci_high"]) == (-1, 1)
    assert row["p_value"] > 0.05


def test_the_interval_covers_with_a_dozen_items_of_a_class() -> None:
    rng = np.random.default_rng(4)
    covered = [
        [
            row["gain_ci_low"] <= true <= row["gain_ci_high"]
            for row, true in zip(rows(given), (0.4, 0.3), strict=False)
        ]
        for given in (
            make_pairs(rng, count=36, seeds=8, repeats=1, levels=(0.8, 0.6, 0.5)) for _ in range(200)
        )
    ]
    assert 0.92 <= np.mean(covered) <= 0.995


def test_bins_are_those_of_scikit_learn_and_hold_every_item_once() -> None:
    given = make_pairs(np.random.default_rng(5), count=300)
    contrast = given.contrasts["e"][0]
    found = list(reliability_rows(given))
    for name, arms in (("pretrained", [contrast.pretrained]), ("random", contrast.random)):
        own = [row for row in found if row["arm"] == name]
        assert [(row["bin_low"], row["bin_high"]) for row in own] == [
            (i / 10, (i + 1) / 10) for i in range(10)
        ]
        assert sum(row["items"] for row in own) == pytest.approx(300)
        assert [row["items"] for row in own[:3]] == [0, 0, 0]
        assert not any("accuracy" in row for row in own[:3])
        confidences = np.concatenate([arm.probability.max(axis=-1).ravel() for arm in arms])
        correct = np.concatenate([given.correct(arm).ravel() for arm in arms])
        accuracy, confidence = calibration_curve(correct, confidences, n_bins=10)
        filled = own[3:]
        np.testing.assert_allclose([row["accuracy"] for row in filled], accuracy)
        np.testing.assert_allclose([row["confidence"] for row in filled], confidence)
