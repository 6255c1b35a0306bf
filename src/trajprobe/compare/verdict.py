"""One word and one plain sentence for a gain and its interval."""

from dataclasses import dataclass
from typing import Literal

from trajprobe.compare.gain import Gain

Word = Literal["helps", "hurts", "no_difference", "inconclusive"]
Saturated = Literal["neither", "one", "both"]  # which arms are at the ceiling of the task

FEW = 5  # random initialisations, under which their spread is hardly known (benchmarks/calibration.md)
RARE = 0.1  # share of folds with a penalty at the edge of the grid that goes without saying


HARDER = "try more classes, fewer labels or more noise"


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
    confidence: float,
    rope: float,
    pretrained_above_noise: bool,
    random_above_noise: bool,
    saturated: Saturated,
    confounded: bool,
    at_edge: float,
) -> Verdict:
    """The verdict on `gain`.

    no_difference: the interval lies inside ±rope, be zero in it or not, also with a few disagreements more than were
    seen. helps or hurts: it excludes zero, also after
    Holm's correction over all comparisons (p_adjusted), and the arm that is ahead has learned something at
    all: two arms at the level of noise differ by luck only. inconclusive: anything else, and whatever one random
    initialisation seems to say, of whose like nothing is known. at_edge: share of folds whose penalty is an end of the
    grid.
    """
    ahead_is_real = pretrained_above_noise if gain.value > 0 else random_above_noise
    excludes_zero = gain.low > 0 or gain.high < 0
    significant = excludes_zero and p_adjusted < 1 - confidence
    word: Word = "inconclusive"
    if gain.seeds == 1:
        pass
    elif gain.equality <= rope:
        word = "no_difference"
    elif significant and ahead_is_real:
        word = "helps" if gain.value > 0 else "hurts"
    warnings = []
    if not pretrained_above_noise:
        both = "" if random_above_noise else ", and neither is the random arm: what sets them apart is luck"
        warnings.append(f"the pretrained arm is not shown to beat hash noise{both}")
    if saturated == "both" and word not in ("helps", "hurts"):
        warnings.append(
            f"saturated: both arms are at the ceiling, so this task cannot separate them; {HARDER}"
        )
    elif saturated != "neither":
        warnings.append(f"saturated: an arm is at the ceiling, where a larger gain could not show; {HARDER}")
    if confounded:
        warnings.append(
            "confounded: the random arm cannot tell the order of frames and the pretrained one can, so part of the "
            "gain may be no more than having a clock; compare with a card that says `random: {positions: pretrained}`"
        )
    # Where nothing is found in the features, the strongest penalty is the best there is.
    if at_edge > RARE and (pretrained_above_noise or random_above_noise):
        warnings.append(
            f"the penalty that was chosen is the first or last of its grid in {100 * at_edge:.0f} % of the folds, so "
            "a better one may lie beyond; widen probe.strengths"
        )
    if gain.seeds == 1:
        warnings.append(
            "one random initialisation stands for all, so nothing is concluded; raise features.random_inits to know "
            "their spread"
        )
    elif gain.seeds < FEW:
        warnings.append(
            f"{gain.seeds} random initialisations hardly tell their spread, so the interval may be too narrow; raise "
            "features.random_inits to 8"
        )
    if not gain.halved:
        warnings.append(
            "a class has too few items to be halved, so the interval does not know what other training items would "
            "change, and is too narrow; give more items of it"
        )
    if word == "inconclusive" and gain.seeds > 1 and -rope <= gain.low and gain.high <= rope:
        warnings.append(
            f"the interval lies inside ±{100 * rope:g} points, but the arms differ on too few items to be called "
            "equal; give more items"
        )
    if excludes_zero and not significant and word == "inconclusive":
        warnings.append("not significant after Holm's correction for the number of comparisons")
    figures = (
        f"{_points(gain.value)} points ({100 * confidence:g} % interval {_bare(gain.low)} to {_bare(gain.high)}; "
        f"{gain.seeds} random init{'s' if gain.seeds > 1 else ''}; {_p(p_adjusted)})"
    )
    sentences = {
        "helps": f"Pretraining helps: {figures}.",
        "hurts": f"Pretraining hurts: {figures}.",
        "no_difference": f"Pretraining makes no difference beyond ±{100 * rope:g} points: {figures}.",
        "inconclusive": f"Inconclusive: {figures}{'' if excludes_zero else _detectable(gain.detectable)}.",
    }
    return Verdict(word, sentences[word], "; ".join(warnings), confounded)


def _detectable(gain: float) -> str:
    if gain > 1:
        return "; no gain that is possible would have been detected four times in five"
    return f"; a gain of {100 * gain:.1f} points would have been detected four times in five"


def _points(value: float) -> str:
    return _bare(value) if round(1000 * value) < 0 else f"+{_bare(value)}"


def _bare(value: float) -> str:
    return f"{'−' if round(1000 * value) < 0 else ''}{abs(100 * value):.1f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
