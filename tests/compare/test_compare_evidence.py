"""Evidence with groups, uneven classes, repeats and halves: every statistic of a gain, and every guard, against the
same thing counted item by item."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, nct
from scipy.stats import t as student

from by_hand import anova
from trajprobe.compare.bootstrap import bca
from trajprobe.compare.evidence import Contrast, Evidence, gather
from trajprobe.compare.gain import estimate_gain
from trajprobe.compare.guards import above_noise, refuse_leakage, saturated, share_at_edge
from trajprobe.errors import UserError
from trajprobe.params.study import Compare
from trajprobe.probe.predictions import Arm, Held, Predictions

SETTINGS = Compare(confidence=0.9, bootstrap=500, rope=0.02, seed=3)
CODES = np.repeat([0, 1, 2], [30, 20, 10])  # uneven: chance is a half, not a third
GROUPS = np.arange(60) // 2
REPEATS, FOLDS, SEEDS, HALVINGS = 2, 5, 4, 6
HELD_IN_HALVES = np.tile([15, 10, 5], (HALVINGS, 2, 1))
LOW, HIGH = 1e-4, 1e2


def held(
    rng: np.random.Generator, arm: str, init: int, level: float, strength: Sequence[float] = (0.1,)
) -> Held:
    luck = rng.normal(0, 0.3, GROUPS.max() + 1)[GROUPS]  # items of a group are right or wrong together
    right = rng.random((REPEATS, len(CODES))) < level + luck
    predicted = np.where(right, CODES, (CODES + 1) % 3)
    fold = np.stack([rng.permutation(GROUPS.max() + 1)[GROUPS] % FOLDS for _ in range(REPEATS)])
    fold = np.random.default_rng(0).permuted(np.tile(np.arange(30) % FOLDS, (REPEATS, 1)), axis=1)[:, GROUPS]
    return Held(
        Arm("e", arm, init, "mid", "mean"),
        fold,
        predicted,
        np.resize(strength, fold.shape),
        np.full((*fold.shape, 3), 1 / 3, np.float32),
        rng.integers(0, HELD_IN_HALVES + 1, HELD_IN_HALVES.shape),
    )


def evidence(seed: int = 0, **controls: float) -> Evidence:
    rng = np.random.default_rng(seed)
    random = [held(rng, "random", init, level) for init, level in enumerate(np.linspace(0.4, 0.7, SEEDS))]
    contrast = Contrast(held(rng, "pretrained", 0, 0.8), random)
    yardsticks = {name: held(rng, "control", 0, level) for name, level in controls.items()}
    return Evidence(
        CODES, GROUPS, ["a", "b", "c"], {"e": [contrast]}, yardsticks, (LOW, HIGH), HELD_IN_HALVES
    )


def right(arm: Held) -> np.ndarray:
    return arm.predicted == CODES


def by_group(of: Contrast) -> np.ndarray:
    """(S, G) gain of each group over each seed, counted item by item; all groups have two items."""
    table = np.zeros((SEEDS, 30))
    for (seed, theirs), item, repeat in product(enumerate(of.random), range(60), range(REPEATS)):
        ours = int(of.pretrained.predicted[repeat, item] == CODES[item])
        table[seed, item // 2] += (ours - int(theirs.predicted[repeat, item] == CODES[item])) / (2 * REPEATS)
    return table


@pytest.mark.parametrize("seed", range(3))
def test_a_gain_and_its_interval_count_groups_seeds_and_halves(seed: int) -> None:
    given = evidence(seed)
    (contrast,) = given.contrasts["e"]
    gain = estimate_gain(given, contrast, SETTINGS, 2)
    apart = []
    for halving in range(HALVINGS):
        pair = []
        for half in (0, 1):
            ours = contrast.pretrained.halves[halving, half].sum() / 30
            pair.append(ours - sum(arm.halves[halving, half].sum() / 30 for arm in contrast.random) / SEEDS)
        apart.append((pair[0], pair[1]))
    mean, half_width, p_value = anova(by_group(contrast), apart, SETTINGS.confidence)
    assert (gain.value, gain.low, gain.high) == pytest.approx((mean, mean - half_width, mean + half_width))
    assert gain.p_value == pytest.approx(p_value)
    assert gain.halved
    alone = estimate_gain(
        replace(given, halves=np.zeros((0, 2, 3), int)), _without_halves(contrast), SETTINGS, 2
    )
    assert not alone.halved
    mean, half_width, p_value = anova(by_group(contrast), [], SETTINGS.confidence)
    assert (alone.low, alone.high) == pytest.approx((mean - half_width, mean + half_width))
    assert (gain.bootstrap_low, gain.bootstrap_high) == bca(by_group(contrast), 500, 3, 0.9)


def _without_halves(contrast: Contrast) -> Contrast:
    none = np.zeros((0, 2, 3), int)
    return Contrast(
        replace(contrast.pretrained, halves=none), [replace(arm, halves=none) for arm in contrast.random]
    )


def test_the_detectable_gain_has_its_power_at_the_level_of_several_comparisons() -> None:
    given = evidence()
    (contrast,) = given.contrasts["e"]
    for encoders in (1, 4):
        gain = estimate_gain(given, contrast, SETTINGS, encoders)
        critical = student.ppf(1 - 0.1 / encoders / 2, gain.estimate.freedom)
        shift = gain.detectable / gain.estimate.error
        assert nct.sf(critical, gain.estimate.freedom, shift) == pytest.approx(0.8, abs=1e-6)


def test_mcnemar_and_the_resampled_test_use_every_seed_repeat_and_fold() -> None:
    given = evidence()
    (contrast,) = given.contrasts["e"]
    gain = estimate_gain(given, contrast, SETTINGS, 1)
    values = []
    for arm, repeat in product(contrast.random, range(REPEATS)):
        ours, theirs = right(contrast.pretrained)[repeat], right(arm)[repeat]
        b, c = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
        values.append(2 * binom.cdf(min(b, c), b + c, 0.5) - binom.pmf(min(b, c), b + c, 0.5))
    assert gain.mcnemar_p == pytest.approx(min(1, 2 * np.median(values)))
    differences = []
    for repeat, fold in product(range(REPEATS), range(FOLDS)):
        here = contrast.pretrained.fold[repeat] == fold
        assert here.sum() == 12
        theirs = np.mean([right(arm)[repeat, here].mean() for arm in contrast.random])
        differences.append(right(contrast.pretrained)[repeat, here].mean() - theirs)
    assert gain.resampled is not None
    assert gain.resampled.mean == pytest.approx(np.mean(differences))
    share = 12 / 48  # test items over training items
    assert gain.resampled.scale == pytest.approx((np.var(differences, ddof=1) * (1 / 10 + share)) ** 0.5)


def test_chance_is_that_of_the_most_frequent_class_and_leakage_is_told_from_it() -> None:
    assert evidence().chance == 0.5
    refuse_leakage(evidence(hash_noise=0.5))  # above a third, at chance
    leaking = evidence(hash_noise=1.0)
    sure = replace(leaking.controls["hash_noise"], halves=HELD_IN_HALVES)  # right in every half, too
    leaking.controls["hash_noise"] = sure
    with pytest.raises(UserError, match="leakage: the hash_noise control reaches"):
        refuse_leakage(leaking)


def test_an_arm_is_above_noise_or_it_is_not() -> None:
    given, rng = evidence(hash_noise=0.45), np.random.default_rng(9)
    good, luck = (replace(held(rng, "pretrained", 0, level), halves=HELD_IN_HALVES) for level in (1.0, 0.5))
    given.controls["hash_noise"] = replace(given.controls["hash_noise"], halves=HELD_IN_HALVES)
    assert above_noise(given, [good])
    assert not above_noise(given, [luck])
    bare = replace(given, controls={})  # against chance, where there is no such control
    assert above_noise(bare, [good])
    assert not above_noise(bare, [luck])


@pytest.mark.parametrize(
    ("ours", "theirs", "controls", "which"),
    [
        (2.0, 2.0, {}, "both"),
        (2.0, 0.6, {}, "one"),
        (0.6, 2.0, {}, "one"),
        (0.8, 0.7, {}, "neither"),
        (1.2, 1.2, {"coordinates": 1.15}, "both"),  # 93 % where the paths themselves allow 92 %
        (1.2, 1.2, {}, "neither"),
        (1.2, 0.6, {"coordinates": 1.15}, "neither"),
        (0.8, 0.8, {"coordinates": 0.5}, "neither"),  # a poor yardstick is no ceiling
    ],
)
def test_ceilings(ours: float, theirs: float, controls: dict[str, float], which: str) -> None:
    rng = np.random.default_rng(0)
    given = evidence(**controls)
    contrast = Contrast(held(rng, "pretrained", 0, ours), [held(rng, "random", 0, theirs)])
    if controls:
        assert (right(given.controls["coordinates"]).mean() > 0.9) == (controls["coordinates"] > 1)
    assert saturated(given, contrast) == which


def test_both_ends_of_the_grid_are_edges() -> None:
    given, rng = evidence(), np.random.default_rng(1)
    ends = held(rng, "pretrained", 0, 0.5, strength=(LOW, HIGH, 0.1, 1.0, 10.0, 1e-3))
    inside = held(rng, "random", 0, 0.5)
    assert share_at_edge(given, [ends]) == pytest.approx(1 / 3)
    assert share_at_edge(given, [ends, inside]) == pytest.approx(1 / 6)


def predictions(seed: int, encoder: str) -> Predictions:
    given = evidence(seed)
    (contrast,) = given.contrasts["e"]
    names = [str(group) for group in GROUPS]
    ids = [f"item {number}" for number in range(60)]
    arms = [contrast.pretrained, *contrast.random]
    if encoder == "controls":
        arms = [replace(arms[0], arm=Arm("hash_noise", "control"))]
    return Predictions(ids, names, CODES, ["a", "b", "c"], "digest", (LOW, HIGH), arms, halves=HELD_IN_HALVES)


@pytest.mark.parametrize("what", ["items", "labels", "groups", "folds", "halves"])
def test_files_that_disagree_are_not_compared(what: str) -> None:
    files = {"e": predictions(0, "e"), "controls": predictions(1, "controls")}
    gathered = gather(files, ["e"], "controls")
    assert np.array_equal(np.bincount(gathered.groups), np.full(30, 2))
    assert list(gathered.controls) == ["hash_noise"]
    other: Any = files["controls"]
    change = {
        "items": {"items": "another"},
        "labels": {"codes": np.roll(CODES, 1)},
        "groups": {"groups": other.item_ids},
        "folds": {"arms": [replace(other.arms[0], fold=np.roll(other.arms[0].fold, 2, axis=1))]},
        "halves": {"halves": HELD_IN_HALVES + 1},
    }[what]
    with pytest.raises(UserError, match=f"probed with different {what}"):
        gather({**files, "controls": replace(other, **change)}, ["e"], "controls")
