"""One word and one plain sentence for a gain and its interval."""

from dataclasses import dataclass
from typing import Literal

from trajprobe.compare.gain import Gain

Word = Literal["helps", "hurts", "no_difference", "inconclusive"]

RARE = 0.1  # share of folds with a penalty at the edge of the grid that goes without saying


@dataclass(frozen=True)
class Verdict:
    """word: the verdict. sentence: it in plain words, with the figures. warning: what to mind about it, or empty.

    confounded: part of the gain may be no more than being able to tell the order of frames.
    """

    word: Word
    sentence: str
    warning: str
    confounded: bool


def decide(
    gain: Gain,
    *,
    p_adjusted: float,
    encoders: int,
    confidence: float,
    rope: float,
    pretrained_above_noise: bool,
    random_above_noise: bool,
    saturated: bool,
    confounded: bool,
    at_edge: float,
) -> Verdict:
    """The verdict on `gain`.

    no_difference: the interval lies inside ±rope, be zero in it or not. helps or hurts: it excludes zero, also after
    Holm's correction over `encoders` comparisons (p_adjusted), and the arm that is ahead has learned something at
    all: two arms at the level of noise differ by luck only. inconclusive: anything else. at_edge: share of folds whose
    penalty is an end of the grid.
    """
    ahead_is_real = pretrained_above_noise if gain.value > 0 else random_above_noise
    excludes_zero = (gain.low > 0 or gain.high < 0) and p_adjusted < 1 - confidence
    word: Word = "inconclusive"
    if -rope <= gain.low and gain.high <= rope:
        word = "no_difference"
    elif excludes_zero and ahead_is_real:
        word = "helps" if gain.value > 0 else "hurts"
    warnings = []
    if not pretrained_above_noise:
        warnings.append(
            "the pretrained arm does not beat hash noise, so the probe finds nothing in its features"
        )
    if saturated:
        warnings.append(
            "saturated: both arms are at the ceiling, so this task cannot separate them; try more classes, fewer "
            "labels or more noise"
        )
    if confounded:
        warnings.append(
            "confounded: the random arm cannot tell the order of frames and the pretrained one can, so part of the "
            "gain may be no more than having a clock; compare with a card that says `random: {positions: pretrained}`"
        )
    if at_edge > RARE:
        warnings.append(
            f"the penalty that was chosen is the first or last of its grid in {100 * at_edge:.0f} % of the folds, so "
            "a better one may lie beyond; widen probe.strengths"
        )
    if gain.seeds == 1:
        warnings.append(
            "one random initialisation stands for all; raise features.random_inits to know their spread"
        )
    if not gain.halved:
        warnings.append(
            "a class has too few items to be halved, so the interval does not know what other training items would "
            "change, and is too narrow; give more items of it"
        )
    if word == "inconclusive" and excludes_zero is False and (gain.low > 0 or gain.high < 0):
        warnings.append(f"not significant after Holm's correction over {encoders} encoders")
    figures = (
        f"{_points(gain.value)} points ({100 * confidence:g} % interval {_bare(gain.low)} to {_bare(gain.high)}; "
        f"{gain.seeds} random init{'s' if gain.seeds > 1 else ''}; {_p(p_adjusted)})"
    )
    sentences = {
        "helps": f"Pretraining helps: {figures}.",
        "hurts": f"Pretraining hurts: {figures}.",
        "no_difference": f"Pretraining makes no difference beyond ±{100 * rope:g} points: {figures}.",
        "inconclusive": f"Inconclusive: {figures}; a gain of {100 * gain.detectable:.1f} points would have been "
        "detected four times in five.",
    }
    return Verdict(word, sentences[word], "; ".join(warnings), confounded)


def _points(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(100 * value):.1f}"


def _bare(value: float) -> str:
    return f"{'−' if round(1000 * value) < 0 else ''}{abs(100 * value):.1f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
