"""The ladder of alternatives: is the pretrained encoder worth using, beside what is simpler?

A rung is one way to classify the same items with the same folds: an encoder's pretrained arm, its random arms, a
control, an alternative of the stage `baseline`. Every rung is compared with the headline's pretrained arm by the
statistics of the gain, corrected by Holm's method over the rungs, and with every other rung to name those that are
statistically tied for best. Hash noise is left out: it knows nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.artifacts.seen_items import held_out_seen
from trajprobe.compare.best_set import tied_for_best
from trajprobe.compare.checks import HASH_NOISE
from trajprobe.compare.classical_tests import holm
from trajprobe.compare.gain import gain_interval
from trajprobe.compare.paired_predictions import PairedPredictions
from trajprobe.compare.random_effects import MeanEstimate, p_value_greater
from trajprobe.compare.scores import score_interval

REARRANGED = ("static", "shuffled", "reversed")  # the encoder itself, on other frames
SMALLER = 2.0  # times fewer parameters, from which it is said
NAMES = {  # as the sentence calls them
    "coordinates": "the resampled coordinates",
    "kinematics": "kinematic features",
    "pixels": "the pixels",
    "random_projection": "a random projection of the pixels",
    "dtw": "dynamic time warping",
    "multirocket": "MultiRocket",
    "cnn3d": "a small 3-D CNN trained from scratch",
    "finetune": "the encoder fine-tuned end to end",
}


@dataclass(frozen=True)
class Rung:
    """One way to classify the items. arms: one for each seed. difference: from the headline; None of itself.

    interval: of the difference, with the p-value. p_holm: of no difference, corrected over the other rungs.
    contaminated: it contains a pretraining that saw held-out items. parameters: numbers that it keeps. multiply_adds:
    of its network for one clip. Both are None where nothing counted them.
    """

    name: str
    arms: Sequence[ArmPredictions]
    accuracy: MeanEstimate
    difference: MeanEstimate | None
    interval: tuple[float, float, float] | None
    p_holm: float
    tied: bool
    contaminated: bool
    parameters: int | None
    multiply_adds: int | None

    @property
    def arm(self) -> str:
        """pretrained, random, control or baseline."""
        return self.arms[0].arm.arm


def climb(paired: PairedPredictions, headline: str, confidence: float) -> list[Rung]:
    """The headline's pretrained arm, then all other rungs, the most accurate first."""
    return compare_rungs(paired, _rungs(paired, headline), confidence)


def compare_rungs(
    paired: PairedPredictions, everyone: Sequence[tuple[str, Sequence[ArmPredictions]]], confidence: float
) -> list[Rung]:
    """The first, then all others, the most accurate first. everyone: two or more names with their arms."""
    first, *others = everyone
    differences = [paired.difference(arms, first[1]) for _, arms in others]
    intervals = [gain_interval(each, confidence, paired.most) for each in differences]
    adjusted = holm([p_value for _, _, p_value in intervals])
    tied = tied_for_best(_p_less(paired, [arms for _, arms in everyone]), confidence)
    rungs = [
        Rung(
            name,
            arms,
            paired.accuracy(arms),
            difference,
            interval,
            p_holm,
            bool(is_tied),
            _contaminated(paired, name, arms),
            *_counted(paired, name),
        )
        for (name, arms), difference, interval, p_holm, is_tied in zip(
            everyone, [None, *differences], [None, *intervals], [1.0, *adjusted], tied, strict=True
        )
    ]
    return [rungs[0], *sorted(rungs[1:], key=lambda rung: -rung.accuracy.mean)]


def _rungs(paired: PairedPredictions, headline: str) -> list[tuple[str, Sequence[ArmPredictions]]]:
    encoders = [headline, *(name for name in paired.contrasts if name != headline)]
    contrasts = [(name, paired.contrasts[name][0]) for name in encoders]
    return [
        *((name, [contrast.pretrained]) for name, contrast in contrasts),
        *((name, contrast.random) for name, contrast in contrasts),
        *((name, [arm]) for name, arm in paired.controls.items() if name != HASH_NOISE),
        *(
            (name, [arm for arm in arms if arm.arm.arm == kind])
            for name, arms in paired.alternatives.items()
            for kind in dict.fromkeys(arm.arm.arm for arm in arms)
        ),
    ]


def _contaminated(paired: PairedPredictions, name: str, arms: Sequence[ArmPredictions]) -> bool:
    """Whether a rung with a pretrained encoder has one that saw held-out items."""
    encoder = paired.alternative_features.get(name, {}).get("encoder", name)
    return arms[0].arm.arm != "random" and held_out_seen(paired.features.get(encoder, {}))[1] > 0


def _counted(paired: PairedPredictions, name: str) -> tuple[int | None, int | None]:
    """How many numbers a rung keeps, and multiply-adds of a clip, of an encoder without its probe; None if unknown."""
    known = paired.features.get(name) or paired.alternative_features.get(name, {})
    encoder = paired.features.get(known.get("encoder", ""), {})  # of an alternative that contains one
    parameters = known.get("parameters", known.get("provenance", {}).get("parameters"))
    return parameters, known.get("multiply_adds", encoder.get("multiply_adds"))


def _p_less(paired: PairedPredictions, arms: Sequence[Sequence[ArmPredictions]]) -> np.ndarray:
    """(k, k) one-sided p-values, entry (i, j) small where rung i is less accurate than rung j."""
    p_less = np.ones((len(arms), len(arms)))
    for i in range(len(arms)):
        for j in range(i + 1, len(arms)):
            p_less[i, j] = p_value_greater(paired.difference(arms[j], arms[i]), 0.0)
            p_less[j, i] = 1 - p_less[i, j]
    return p_less


def ladder_rows(
    paired: PairedPredictions, rungs: Sequence[Rung], confidence: float
) -> Iterable[dict[str, Any]]:
    """ladder.csv: a row for each rung, in order."""
    for rung in rungs:
        low, high = score_interval(paired, rung.accuracy, confidence)
        row: dict[str, Any] = {
            "alternative": rung.name,
            "arm": rung.arm,
            "seeds": len(rung.arms),
            "accuracy": rung.accuracy.mean,
            "accuracy_ci_low": low,
            "accuracy_ci_high": high,
            "tied": int(rung.tied),
            "contaminated": int(rung.contaminated),
            "parameters": rung.parameters,
            "multiply_adds": rung.multiply_adds,
        }
        if rung.difference is not None and rung.interval is not None:
            low, high, p_value = rung.interval
            row |= {
                "difference": rung.difference.mean,
                "difference_ci_low": low,
                "difference_ci_high": high,
                "p_value": p_value,
                "p_holm": rung.p_holm,
            }
        yield row


def worth_using(rungs: Sequence[Rung], confidence: float, scale: Scale = ACCURACY) -> str:
    """The answer to "is it worth it?" in one sentence, from the ladder of `climb`; empty if there is none.

    scale: of the score.

    Nothing is said in favour of a rung that is contaminated.
    """
    headline, *others = rungs
    simpler = [rung for rung in others if rung.arm in ("control", "baseline") and rung.name not in REARRANGED]
    tuned = [rung for rung in others if rung.name == "finetune" and rung.arm == "pretrained"]
    if not simpler:
        return ""
    better = [
        rung
        for rung in [*simpler, *tuned]
        if rung.difference is not None and rung.difference.mean > 0 and rung.p_holm < 1 - confidence
        if not rung.contaminated
    ]
    if better:
        best = better[0]
        return (
            f"But {NAMES.get(best.name, best.name)}{'' if best in tuned else ' alone'} {_verb(best)} better "
            f"({scale.value(best.accuracy.mean)}, {_difference(best, scale)}{_smaller(best, headline)}): use "
            f"{'those' if _verb(best) == 'do' else 'that'}."
        )
    if headline.contaminated:
        return ""
    equal = [rung for rung in simpler if rung.tied and headline.tied]
    if equal:
        best = equal[0]
        return (
            f"{_capital(NAMES.get(best.name, best.name))} {_verb(best)} not differ significantly from it "
            f"({scale.value(best.accuracy.mean)}, {_difference(best, scale)}{_smaller(best, headline)})."
        )
    if not headline.tied:
        names = ", ".join(f"{rung.name} ({rung.arm})" for rung in others if rung.tied)
        return f"Nothing simpler is {scale.better} by the corrected tests, but tied for best are {names}."
    return (
        f"None of the {len(simpler)} simpler alternatives is {scale.as_good}: the best of them is "
        f"{NAMES.get(simpler[0].name, simpler[0].name)} ({scale.value(simpler[0].accuracy.mean)})."
    )


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _verb(rung: Rung) -> str:
    return "do" if NAMES.get(rung.name, "").endswith("s") else "does"


def _smaller(rung: Rung, headline: Rung) -> str:
    """How much less a rung keeps than the headline, where both were counted and it is less than half."""
    if not rung.parameters or not headline.parameters or headline.parameters < SMALLER * rung.parameters:
        return ""
    ratio = float(f"{headline.parameters / rung.parameters:.2g}")
    return f"; 1/{ratio:,.0f} of the parameters"


def _difference(rung: Rung, scale: Scale) -> str:
    assert rung.difference is not None
    assert rung.interval is not None
    low, high, _ = rung.interval
    mean = rung.difference.mean
    return f"{'+' if mean > 0 else '−'}{scale.sized(abs(mean))}, {scale.between(low, high)}"
