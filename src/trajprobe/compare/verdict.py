"""The verdict on each contrast: one word, plain sentences with the figures, and what limits it.

no_difference    two one-sided tests: the interval lies inside the region of practical equivalence ±rope; both arms
                 beat hash noise
helps, hurts     the interval and the prediction interval exclude zero, also after Holm's correction, and the arm that
                 is ahead beats hash noise; never `helps` if the pretraining saw items that are held out
inconclusive     anything else
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trajprobe.artifacts.formatting import ACCURACY, Scale, counted, p_equals, percent, scale_of
from trajprobe.compare.checks import Checks, check_contrast
from trajprobe.compare.classical_tests import holm
from trajprobe.compare.gain import Gain, estimate_gain
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.params import CompareParams

VerdictWord = Literal["helps", "hurts", "no_difference", "inconclusive"]

FEW_SEEDS = 5  # random initialisations, below which their spread is poorly known (benchmarks/calibration.md)
OFTEN_AT_EDGE = 0.1  # fraction of folds with a penalty at an end of the grid, above which there is a warning


@dataclass(frozen=True)
class Verdict:
    """word: the verdict. sentence: it in plain words, with the figures. warning: sentences on what limits it, or empty.

    confounded: part of the gain may come from seeing the order of frames alone. contaminated: the pretraining saw items
    that are held out.
    """

    word: VerdictWord
    sentence: str
    warning: str
    confounded: bool
    contaminated: bool


@dataclass(frozen=True)
class JudgedContrast:
    """A contrast with its gain, the larger of its two p-values after Holm's correction, and the verdict."""

    contrast: Contrast
    gain: Gain
    p_adjusted: float
    verdict: Verdict


def judge(paired: PairedPredictions, settings: CompareParams) -> dict[str, list[JudgedContrast]]:
    """For each encoder its contrasts, headline first, with their gains and verdicts."""
    gains = {
        encoder: [
            estimate_gain(paired, contrast, settings.confidence, comparisons=len(paired.contrasts))
            for contrast in contrasts
        ]
        for encoder, contrasts in paired.contrasts.items()
    }
    adjusted = _adjust(gains)
    judged: dict[str, list[JudgedContrast]] = {encoder: [] for encoder in paired.contrasts}
    scale = scale_of(len(paired.classes))
    for encoder, contrasts in paired.contrasts.items():
        for contrast, gain, p_adjusted in zip(contrasts, gains[encoder], adjusted[encoder], strict=True):
            checks = check_contrast(paired, encoder, contrast)
            verdict = decide(gain, checks, p_adjusted, settings.confidence, settings.rope, scale)
            judged[encoder].append(JudgedContrast(contrast, gain, p_adjusted, verdict))
    return judged


def _adjust(gains: Mapping[str, Sequence[Gain]]) -> dict[str, list[float]]:
    """The larger p-value of each contrast after Holm's correction.

    Each encoder's headline is corrected over the encoders, which is the question that was asked. Other layers and
    poolings are corrected over all contrasts, because they invite a search for the best one.
    """
    headlines = holm([each[0].p_both for each in gains.values()])
    every = iter(holm([gain.p_both for each in gains.values() for gain in each]))
    found = {encoder: [next(every) for _ in each] for encoder, each in gains.items()}
    return {encoder: [own, *found[encoder][1:]] for encoder, own in zip(gains, headlines, strict=True)}


def decide(
    gain: Gain, checks: Checks, p_adjusted: float, confidence: float, rope: float, scale: Scale = ACCURACY
) -> Verdict:
    """The verdict on `gain`. p_adjusted: the larger of its p-values after Holm's correction over all comparisons.

    rope: in units of the score, of which scale is.
    """
    alpha = 1 - confidence
    # Two arms at the level of noise differ, or agree, by chance only.
    above_noise = checks.pretrained_above_noise, checks.random_above_noise
    ahead_above_noise = above_noise[0] if gain.value > 0 else above_noise[1]
    word: VerdictWord = "inconclusive"
    if gain.seeds > 1:  # a single initialisation says nothing about their spread
        if gain.equality_bound <= rope:
            word = "no_difference" if all(above_noise) else "inconclusive"
        elif p_adjusted < alpha and ahead_above_noise:
            word = "helps" if gain.value > 0 else "hurts"
    if word == "helps" and checks.seen:
        word = "inconclusive"
    warnings = _warnings(gain, checks, word, rope, alpha, scale)
    if gain.p_both < alpha <= p_adjusted and word == "inconclusive":
        warnings.append(
            f"Not significant after Holm's correction for the number of comparisons ({p_equals(p_adjusted)})."
        )
    sentence = _sentence(gain, word, confidence, rope, scale)
    return Verdict(word, sentence, " ".join(warnings), checks.confounded, checks.seen > 0)


def _sentence(gain: Gain, word: VerdictWord, confidence: float, rope: float, scale: Scale) -> str:
    """The verdict with the answers to both questions, and what neither covers."""
    level = percent(confidence, None)
    opening = {
        "helps": "Pretraining helps",
        "hurts": "Pretraining hurts",
        "no_difference": f"Pretraining makes no difference beyond {scale.region(rope)} (equivalence test)",
        "inconclusive": "Inconclusive",
    }[word]
    side = scale.lower if gain.value < 0 else scale.higher
    differs = scale.differs.format(size=scale.bare(abs(gain.value)), side=side)
    other = "the average untrained network" if gain.seeds > 1 else "one untrained network"
    said = [
        f"{opening}: {differs} {other} "
        f"({scale.bare(gain.accuracy)} against {scale.value(gain.random_accuracy)}; {counted(gain.items, 'item')}, "
        f"{counted(gain.seeds, 'initialisation')}; {level} confidence interval {scale.between(gain.low, gain.high)}, "
        f"{p_equals(gain.p_value)})."
    ]
    if gain.seeds > 1:
        said.append(
            f"{scale.beats} {_beaten(gain)}; the {level} prediction interval of its gain over one untrained "
            f"network is {scale.between(gain.prediction_low, gain.prediction_high)} ({p_equals(gain.p_draw)})."
        )
    if word == "inconclusive" and gain.p_both >= 1 - confidence:
        most = scale.sized(gain.detectable) if gain.detectable <= 1 else "no gain"
        said.append(
            f"A study of this size detects {'a gain of ' if gain.detectable <= 1 else ''}{most} (80 % power in both "
            f"tests, two-sided {percent(1 - confidence, None)})."
        )
    return " ".join([*said, "Other pretraining runs are not covered."])


def _beaten(gain: Gain) -> str:
    count = sum(gain.accuracy > accuracy for accuracy in gain.accuracies)
    return {0: "none", gain.seeds: f"all {gain.seeds}"}.get(count, f"{count} of the {gain.seeds}")


def _warnings(
    gain: Gain, checks: Checks, word: VerdictWord, rope: float, alpha: float, scale: Scale
) -> list[str]:
    """Sentences on what limits the verdict `word`, each with its remedy."""
    found = []
    if checks.seen:
        found.append(
            f"Contaminated: the pretraining saw {checks.seen} of the {checks.held_out} held-out items, so the gain may "
            "come from having seen them and is no evidence that pretraining helps. Pretrain on other items (`trajprobe "
            "pretrain NAME --source SOURCE --items train` leaves the published test part out), or test on other items."
        )
    if not checks.pretrained_above_noise:
        found.append(
            "The pretrained arm is not significantly better than hash noise."
            if checks.random_above_noise
            else "Neither arm is significantly better than hash noise, so neither a difference between them nor its "
            "absence means anything."
        )
    if gain.p_value < alpha <= gain.p_draw and gain.seeds > 1:
        found.append(
            "This checkpoint differs from the average untrained network, but not by more than untrained networks "
            "differ among themselves: it may be a lucky draw. Raise extract.random_inits."
        )
    if checks.saturated != "neither":
        found.append(
            "Saturated: both arms are at the ceiling, so this task cannot separate them."
            if checks.saturated == "both" and word not in ("helps", "hurts")
            else "Saturated: an arm is at the ceiling, so a larger gain could not show."
        )
        found.append(scale.harder)
    if checks.confounded:
        found.append(
            "Confounded: the pretrained arm can see the order of frames and the random arm cannot, so part of the gain "
            "may come from that alone. Compare with a card that sets `random: {positions: pretrained}`."
        )
    # Features without information get the strongest penalty, and a wider grid would not help.
    if checks.at_edge > OFTEN_AT_EDGE and (checks.pretrained_above_noise or checks.random_above_noise):
        found.append(
            f"In {percent(checks.at_edge, 0)} of the folds the chosen penalty is an end of the grid, so a better one "
            "may lie outside it. Widen probe.l2_grid."
        )
    if gain.seeds == 1:
        found.append(
            "A single random initialisation says nothing about the spread between initialisations, so nothing is "
            "concluded. Raise extract.random_inits to 8."
        )
    elif gain.seeds < FEW_SEEDS:
        found.append(
            f"The spread between random initialisations is poorly known from {gain.seeds}, so the interval may be "
            "too narrow. Raise extract.random_inits to 8."
        )
    if gain.outlier is not None:
        found.append(
            f"Initialisation {gain.outlier} ({scale.value(gain.accuracies[gain.outlier])}) lies far from the others, "
            "and a few that collapse make intervals too narrow. Raise extract.random_inits to 20."
        )
    if not gain.covers_training:
        found.append(
            f"{scale.too_few} to split in half, so the interval does not cover other training items and is "
            f"too narrow. Add items{scale.of_class}."
        )
    if word == "inconclusive" and gain.seeds > 1 and -rope <= gain.low and gain.high <= rope:
        found.append(
            f"The interval lies inside {scale.region(rope)}, but the arms differ on too few items to be called "
            "equal. Add items."
        )
    return found
