"""The comparison as files: metrics/summary.json, metrics/arms.csv, metrics/confusion.csv.

The summary is flat and has neither NaN nor null, because `dvc metrics diff` shows both as changed for ever; what
cannot be computed (a spread of one seed, a test over folds without folds) has no key. Figures are rounded to six
decimals, far below their uncertainty.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.compare.evidence import Contrast, Evidence
from trajprobe.compare.gain import Gain
from trajprobe.compare.guards import COORDINATES, HASH_NOISE, share_at_edge
from trajprobe.compare.proportion import interval
from trajprobe.compare.verdict import Verdict
from trajprobe.files import atomic
from trajprobe.probe.predictions import Held
from trajprobe.probe.scores import score

ARM_COLUMNS = (
    *("encoder", "arm", "init", "layer", "pooling"),
    *("accuracy", "accuracy_ci_low", "accuracy_ci_high", "balanced_accuracy", "macro_f1", "log_loss", "ece"),
    *("strength", "strength_at_edge"),
    *("gain", "gain_ci_low", "gain_ci_high", "p_value", "p_adjusted", "verdict", "confounded", "warning"),
)


@dataclass(frozen=True)
class Judged:
    """A contrast with its gain, the p-value after Holm's correction, and the verdict."""

    contrast: Contrast
    gain: Gain
    p_adjusted: float
    verdict: Verdict


def scores_of(evidence: Evidence, arms: Sequence[Held], confidence: float) -> dict[str, float]:
    """All scores of the mean arm, averaged over repeats, with the interval of the accuracy."""
    each = [
        asdict(score(evidence.codes, held.predicted[repeat], held.probability[repeat]))
        for held in arms
        for repeat in range(len(held.predicted))
    ]
    mean = {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}
    low, high = interval(evidence.accuracy(arms), int(evidence.groups.max()) + 1, confidence)
    accuracy = mean.pop("accuracy")
    return {"accuracy": accuracy, "accuracy_ci_low": low, "accuracy_ci_high": high, **mean}


def summarise(
    evidence: Evidence, encoder: str, judged: Judged, weights: str, confidence: float, rope: float
) -> dict:
    """The flat summary of the headline contrast; its scores are those of the arm that `weights` names."""
    gain, contrast, verdict = judged.gain, judged.contrast, judged.verdict
    arms = [contrast.pretrained] if weights == "pretrained" else contrast.random
    accuracies = [float(evidence.hits(held).mean()) for held in contrast.random]
    summary: dict[str, Any] = {
        "encoder": encoder,
        "weights": weights,
        "n_items": len(evidence.codes),
        "n_classes": len(evidence.classes),
        "chance": evidence.chance,
        **scores_of(evidence, arms, confidence),
        "random_inits": gain.seeds,
        "random_accuracy": float(np.mean(accuracies)),
        "random_accuracy_sd": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0,
        "gain": gain.value,
        "gain_ci_low": gain.low,
        "gain_ci_high": gain.high,
        "gain_bootstrap_low": gain.bootstrap_low,
        "gain_bootstrap_high": gain.bootstrap_high,
        "p_value": gain.p_value,
        "p_adjusted": judged.p_adjusted,
        "verdict": verdict.word,
        "confounded": verdict.confounded,
        "minimum_detectable_gain": gain.detectable,
        "rank": gain.rank,
        "mcnemar_p": gain.mcnemar_p,
    }
    if gain.hedges_g is not None:
        summary["hedges_g"] = gain.hedges_g
    if gain.resampled is not None:
        hurts, same, helps = gain.resampled.rope(rope)
        summary |= {
            "resampled_t_p": gain.resampled.p_value,
            "probability_hurts": hurts,
            "probability_no_difference": same,
            "probability_helps": helps,
        }
    for name in (COORDINATES, HASH_NOISE):
        if name in evidence.controls:
            summary[f"{name}_accuracy"] = float(evidence.hits(evidence.controls[name]).mean())
    summary |= {"sentence": verdict.sentence, "warning": verdict.warning}
    return {key: rounded(value) for key, value in summary.items()}


def arm_rows(
    evidence: Evidence, judged: Mapping[str, Sequence[Judged]], confidence: float
) -> Iterable[dict[str, Any]]:
    """A row for every arm of every encoder, headline first, then the controls."""
    for contrasts in judged.values():
        for each in contrasts:
            yield _arm_row(evidence, each.contrast.pretrained, confidence) | {
                "gain": each.gain.value,
                "gain_ci_low": each.gain.low,
                "gain_ci_high": each.gain.high,
                "p_value": each.gain.p_value,
                "p_adjusted": each.p_adjusted,
                "verdict": each.verdict.word,
                "confounded": int(each.verdict.confounded),
                "warning": each.verdict.warning,
            }
            for held in each.contrast.random:
                yield _arm_row(evidence, held, confidence)
    for held in evidence.controls.values():
        yield _arm_row(evidence, held, confidence)


def _arm_row(evidence: Evidence, held: Held, confidence: float) -> dict[str, Any]:
    return {
        **asdict(held.arm),
        **scores_of(evidence, [held], confidence),
        "strength": float(np.median(held.strength)),
        "strength_at_edge": share_at_edge(evidence, [held]),
    }


def confusion_rows(evidence: Evidence, judged: Mapping[str, Sequence[Judged]]) -> Iterable[dict[str, Any]]:
    """Actual and predicted class of each item in the first repeat, for every arm of each headline contrast."""
    actual = [evidence.classes[code] for code in evidence.codes]
    for encoder, contrasts in judged.items():
        contrast = contrasts[0].contrast
        for held in (contrast.pretrained, *contrast.random):
            for name, code in zip(actual, held.predicted[0], strict=True):
                yield {
                    "encoder": encoder,
                    "arm": held.arm.arm,
                    "actual": name,
                    "predicted": evidence.classes[code],
                }


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows under a header; a column that a row lacks stays empty."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: rounded(value) for key, value in row.items()})


def rounded(value: Any) -> Any:
    """A float to six decimals, or to six significant digits where it is smaller than that; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 6) if abs(value) >= 1e-3 else float(f"{value:.6g}")
