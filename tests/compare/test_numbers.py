"""Numbers as labels in the comparison: R^2 and the absolute error against scikit-learn's, the standard error against
the delta method by hand and simulated studies, and what is said of a gain."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from trajprobe.artifacts.formatting import R2
from trajprobe.artifacts.predictions import Arm, ArmPredictions
from trajprobe.compare.checks import check_contrast, refuse_leakage
from trajprobe.compare.gain import estimate_gain
from trajprobe.compare.ladder import climb, ladder_rows, worth_using
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.params import CompareParams
from trajprobe.compare.tables import arm_rows, confusion_rows, per_class_rows, reliability_rows, summarise
from trajprobe.compare.verdict import judge
from trajprobe.core.errors import UserError
from trajprobe.probe.folds import make_folds
from trajprobe.probe.held_out import make_split_halves, probe_arms, split_half_counts

SETTINGS = CompareParams(confidence=0.95, rope=0.02)
REPEATS, SEEDS = 2, 5


def arm_of(
    y: np.ndarray, errors: np.ndarray, arm: str = "random", init: int = 0, encoder: str = "e"
) -> ArmPredictions:
    """An arm with these errors (R, N)."""
    predicted = y - errors
    return ArmPredictions(
        Arm(encoder, arm, init, "mid", "mean"),
        np.zeros(predicted.shape, int),
        predicted,
        np.full(predicted.shape, 0.1),
        np.zeros((*predicted.shape, 0), np.float32),
        {"r2": np.zeros((0, 2, 1))},
    )


def make_numbers(
    seed: int = 0,
    count: int = 80,
    pretrained: float = 0.5,
    random: float = 0.8,
    spread: float = 0.02,
    size: int = 1,
    **others: float,
) -> PairedPredictions:
    """Numbers of variance 1, and arms with errors of these standard deviations, which share half of their variance.

    spread: of the standard deviation over initialisations. size: of a group, whose items share half of the rest.
    """
    rng = np.random.default_rng(seed)
    groups = np.arange(count) // size
    y, common = rng.normal(size=count), rng.normal(size=count)

    def errors(level: float) -> np.ndarray:
        own = rng.normal(size=(REPEATS, count)) + rng.normal(size=count // size)[groups]
        return level * (common + own / np.sqrt(2)) / np.sqrt(2)

    contrast = Contrast(
        arm_of(y, errors(pretrained), "pretrained"),
        [arm_of(y, errors(random + spread * rng.normal()), init=init) for init in range(SEEDS)],
    )
    controls = {name: arm_of(y, errors(level), "control", 0, name) for name, level in others.items()}
    order = {arm: {"mid/mean": {"shuffled": 0.5}} for arm in ("pretrained", "random")}
    return PairedPredictions(
        y, groups, [], {"e": [contrast]}, controls, (1e-4, 1e2), np.zeros((0, 2, 1)),
        {"e": {"order": order}}, score="r2",
    )  # fmt: skip


def test_the_score_of_an_arm_is_scikit_learns_r2() -> None:
    paired = make_numbers()
    contrast = paired.contrasts["e"][0]
    for arm in (contrast.pretrained, *contrast.random):
        expected = np.mean([r2_score(paired.y, predicted) for predicted in arm.predicted])
        assert paired.accuracy([arm]).mean == pytest.approx(expected)
    gain = estimate_gain(paired, contrast, 0.95, 1)
    random = [
        np.mean([r2_score(paired.y, predicted) for predicted in arm.predicted]) for arm in contrast.random
    ]
    assert gain.accuracies == pytest.approx(random)
    assert gain.value == pytest.approx(gain.accuracy - np.mean(random))
    assert gain.odds_ratio is None
    errors = [((arm.predicted - paired.y) ** 2).mean() for arm in (contrast.pretrained, *contrast.random)]
    assert gain.error_reduction == pytest.approx(1 - errors[0] / np.mean(errors[1:]))


def test_the_error_is_that_of_a_ratio_of_means() -> None:
    """Against the variance of a ratio as in Cochran (1977), equation 2.39, over N - 1."""
    paired = make_numbers(count=60)
    arm = paired.contrasts["e"][0].pretrained
    spread = (paired.y - paired.y.mean()) ** 2
    error = ((arm.predicted - paired.y) ** 2).mean(axis=0)
    ratio, n = error.mean() / spread.mean(), 60
    by_hand = np.sqrt(((error - ratio * spread) ** 2).sum() / (n - 1) / n) / spread.mean()
    assert paired.accuracy([arm]).error == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("size", [1, 4])
def test_intervals_cover_the_gain_of_simulated_studies(size: int) -> None:
    """The true gain follows from the variances: errors of variance v leave R^2 = 1 - v."""
    studies, covered, alone = 200, 0, 0
    truth = (0.8**2 + 0.02**2) - 0.5**2
    for seed in range(studies):
        paired = make_numbers(seed, count=120, size=size)
        gain = estimate_gain(paired, paired.contrasts["e"][0], 0.95, 1)
        covered += gain.low <= truth <= gain.high
        rows = [*arm_rows(paired, judge(paired, SETTINGS), 0.95)] if seed % 4 == 0 else []
        alone += sum(row["accuracy_ci_low"] <= 0.75 <= row["accuracy_ci_high"] for row in rows[:1])
    assert 0.91 <= covered / studies <= 0.99
    assert alone / (studies / 4) >= 0.88


@pytest.mark.slow
def test_intervals_cover_the_gain_of_the_probe_itself() -> None:
    """Features are noisy maps of six signals, the same map in the pretrained arm, another for each initialisation.

    The true gain of so many training items has no closed form; its mean over all studies stands for it. 350 studies
    gave 96 % (95 % without the split halves).
    """
    count, width, names = 80, 12, [str(item) for item in range(80)]
    trained = np.random.default_rng(99).normal(size=(6, width))
    grid = np.geomspace(1e2, 1e-4, 9)
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        signal = rng.normal(size=(count, 6))
        y = signal @ [1, 1, 0.7, 0.5, 0.3, 0.2] + 0.5 * rng.normal(size=count)
        arms = [(Arm("e", "pretrained"), signal @ trained + rng.normal(size=(count, width)))]
        for init in range(SEEDS):
            rows = signal @ rng.normal(size=(6, width)) + 2 * rng.normal(size=(count, width))
            arms.append((Arm("e", "random", init), rows))
        folds = make_folds(
            y, names, [""] * count, [], split="auto", folds=5, repeats=2, inner_folds=4, seed=seed
        )
        pairs = make_split_halves(y, names, [""] * count, split="auto", folds=5, count=10, seed=seed)
        pretrained, *random = probe_arms("test", arms, y, 0, folds, pairs, grid, 1)
        contrasts, counts = {"e": [Contrast(pretrained, random)]}, split_half_counts(y, 0, pairs)
        paired = PairedPredictions(y, np.arange(count), [], contrasts, {}, (1e-4, 1e2), counts, score="r2")
        gain = estimate_gain(paired, contrasts["e"][0], 0.95, 1)
        assert gain.covers_training
        found.append((gain.value, gain.low, gain.high))
    values, lows, highs = np.array(found).T
    truth = values.mean()
    assert ((lows <= truth) & (truth <= highs)).mean() >= 0.89


def test_equal_predictions_have_no_gain_and_break_nothing() -> None:
    paired = make_numbers()
    same = paired.contrasts["e"][0].pretrained
    equal = replace(paired, contrasts={"e": [Contrast(same, [same] * SEEDS)]})
    gain = estimate_gain(equal, equal.contrasts["e"][0], 0.95, 1)
    assert gain.value == pytest.approx(0, abs=1e-12)
    assert gain.p_both == pytest.approx(1)
    assert gain.equality_bound < 1e-6


def test_an_interval_may_leave_what_a_difference_of_fractions_cannot() -> None:
    paired = make_numbers(pretrained=0.3, random=3.0)
    gain = estimate_gain(paired, paired.contrasts["e"][0], 0.95, 1)
    assert gain.value > 5
    assert gain.high > gain.value > gain.low > 1
    assert gain.prediction_high > gain.value


def test_a_gain_is_said_in_r2() -> None:
    paired = make_numbers(hash_noise=1.05, coordinates=0.9)
    refuse_leakage(paired)
    (judged,) = judge(paired, SETTINGS)["e"]
    gain, verdict = judged.gain, judged.verdict
    assert verdict.word == "helps"
    assert verdict.sentence.startswith(
        f"Pretraining helps: R² is {gain.value:.2f} higher than with the average untrained network "
        f"({gain.accuracy:.2f} against {gain.random_accuracy:.2f}; 80 items, 5 initialisations; 95 % confidence "
        f"interval {gain.low:.2f} to {gain.high:.2f}, p < 0.001). R² is higher than with all 5;"
    )
    rungs = climb(paired, "e", 0.95)
    worth = worth_using(rungs, 0.95, R2)
    assert worth.startswith("None of the 1 simpler alternatives is as good")
    for said in (verdict.sentence, verdict.warning, worth):
        assert not any(word in said for word in ("accura", "percent", "point"))
    assert check_contrast(paired, "e", paired.contrasts["e"][0]).saturated == "neither"


def test_equivalence_is_in_units_of_r2() -> None:
    paired = make_numbers(count=4000, pretrained=0.7, random=0.7, spread=0.001, hash_noise=1.05)
    wide, narrow = (
        judge(paired, CompareParams(confidence=0.95, rope=rope))["e"][0].verdict for rope in (0.1, 0.001)
    )
    assert wide.word == "no_difference"
    assert wide.sentence.startswith("Pretraining makes no difference beyond ±0.1 (equivalence test): R² is")
    assert narrow.word != "no_difference"


def test_noise_above_the_mean_is_leakage() -> None:
    with pytest.raises(
        UserError, match=r"leakage: the control hash_noise reaches 0\.\d\d, expected chance \(0\.00\)"
    ):
        refuse_leakage(make_numbers(hash_noise=0.4))


def test_tables_have_r2_and_the_absolute_error_and_nothing_of_classes() -> None:
    paired = make_numbers(coordinates=0.9)
    judged = judge(paired, SETTINGS)
    first, *_ = arm_rows(paired, judged, 0.95)
    arm = paired.contrasts["e"][0].pretrained
    assert first["log_loss"] == pytest.approx(
        np.mean([mean_absolute_error(paired.y, predicted) for predicted in arm.predicted])
    )
    assert first["accuracy_ci_low"] < first["accuracy"] < first["accuracy_ci_high"] < 1
    assert "macro_f1" not in first
    assert not [*confusion_rows(paired), *per_class_rows(paired, 0.95), *reliability_rows(paired)]
    summary = summarise(paired, "e", judged["e"][0], "pretrained", "said")
    assert (summary.chance, summary.n_classes, summary.macro_f1) == (0, 0, None)
    assert summary.accuracy == pytest.approx(first["accuracy"])
    rows = list(ladder_rows(paired, climb(paired, "e", 0.95), 0.95))
    assert rows[1]["difference"] == pytest.approx(rows[1]["accuracy"] - rows[0]["accuracy"])
