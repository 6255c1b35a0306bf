"""The comparison as the summary and the rows of the five tables of metrics/ (columns: artifacts/metrics.py)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from trajprobe.artifacts.metrics import Summary
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.compare.checks import fraction_at_edge
from trajprobe.compare.classical_tests import holm
from trajprobe.compare.gain import gain_interval
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.scores import mean_absolute_error, reliability, score, score_interval
from trajprobe.compare.verdict import JudgedContrast

TableRow = dict[str, Any]
Judged = Mapping[str, Sequence[JudgedContrast]]  # by encoder, the headline first


def summarise(
    paired: PairedPredictions, encoder: str, judged: JudgedContrast, weights: str, sentence: str
) -> Summary:
    """The summary of the headline contrast; its scores are those of the arm that `weights` names."""
    gain, contrast, verdict = judged.gain, judged.contrast, judged.verdict
    scores = _scores(paired, [contrast.pretrained] if weights == "pretrained" else contrast.random)
    return Summary(
        encoder=encoder,
        weights=weights,
        n_items=len(paired.y),
        n_classes=len(paired.classes),
        chance=paired.chance,
        accuracy=scores["accuracy"],
        macro_f1=scores.get("macro_f1"),
        log_loss=scores["log_loss"],
        random_accuracy=gain.random_accuracy,
        gain=gain.value,
        gain_ci_low=gain.low,
        gain_ci_high=gain.high,
        p_value=gain.p_value,
        p_draw=gain.p_draw,
        minimum_detectable_gain=gain.detectable,
        verdict=verdict.word,
        confounded=verdict.confounded,
        contaminated=verdict.contaminated,
        sentence=sentence,
        warning=verdict.warning,
    )


def _scores(paired: PairedPredictions, arms: Sequence[ArmPredictions]) -> dict[str, float]:
    """All scores averaged over arms and repeats; of numbers R^2 as the accuracy and the absolute error as the loss."""
    if not paired.classes:
        error = mean_absolute_error(paired.y, np.stack([arm.predicted for arm in arms]))
        return {"accuracy": float(paired.item_scores(arms).mean()), "log_loss": error}
    each = [
        asdict(score(paired.y, predicted, probability))
        for arm in arms
        for predicted, probability in zip(arm.predicted, arm.probability, strict=True)
    ]
    return {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}


def arm_rows(paired: PairedPredictions, judged: Judged, confidence: float) -> Iterable[TableRow]:
    """arms.csv: a row for every arm of every encoder, headline first, then the controls."""
    for contrasts in judged.values():
        for each in contrasts:
            yield _arm_row(paired, each.contrast.pretrained, confidence) | {
                "gain": each.gain.value,
                "gain_ci_low": each.gain.low,
                "gain_ci_high": each.gain.high,
                "gain_pi_low": each.gain.prediction_low,
                "gain_pi_high": each.gain.prediction_high,
                "p_value": each.gain.p_value,
                "p_draw": each.gain.p_draw,
                "p_adjusted": each.p_adjusted,
                "error_reduction": each.gain.error_reduction,
                "odds_ratio": each.gain.odds_ratio,
                "verdict": each.verdict.word,
                "confounded": int(each.verdict.confounded),
                "contaminated": int(each.verdict.contaminated),
                "warning": each.verdict.warning,
            }
            for arm in each.contrast.random:
                yield _arm_row(paired, arm, confidence)
    for arm in paired.controls.values():
        yield _arm_row(paired, arm, confidence)


def _arm_row(paired: PairedPredictions, arm: ArmPredictions, confidence: float) -> TableRow:
    low, high = score_interval(paired, paired.accuracy([arm]), confidence)
    return {
        **asdict(arm.arm),
        **_scores(paired, [arm]),
        "accuracy_ci_low": low,
        "accuracy_ci_high": high,
        "l2": float(np.median(arm.l2)),
        "l2_at_edge": fraction_at_edge(paired, [arm]),
    }


def confusion_rows(paired: PairedPredictions) -> Iterable[TableRow]:
    """confusion.csv: actual and predicted class of each item in the first repeat, for every arm of each headline.

    As in all tables about classes there are no rows if numbers are predicted.
    """
    for encoder, contrast in _headlines(paired):
        for arm in (contrast.pretrained, *contrast.random):
            for actual, predicted in zip(paired.y, arm.predicted[0], strict=True):
                yield {
                    "encoder": encoder,
                    "arm": arm.arm.arm,
                    "actual": paired.classes[actual],
                    "predicted": paired.classes[predicted],
                }


def per_class_rows(paired: PairedPredictions, confidence: float) -> Iterable[TableRow]:
    """per_class.csv: a row for each class with held-out items, in the order of the classes, of each headline.

    The gain of a class is that on its items alone, and the gains of all classes, weighted by their items, add up to the
    gain of the study. An interval covers one class at a time; to look for classes that stand out, use `p_value_holm`,
    which is corrected for the number of an encoder's classes. A class may be recognised more often because it is named
    more often, at the cost of the others: the confusion matrices show that.
    """
    present = np.unique(paired.y).tolist()
    for encoder, contrast in _headlines(paired):
        gains = [_class_gain(paired, contrast, class_index, confidence) for class_index in present]
        adjusted = holm([gain["p_value"] for gain in gains])
        for class_index, gain, p_value in zip(present, gains, adjusted, strict=True):
            yield {"encoder": encoder, "label": paired.classes[class_index], **gain, "p_value_holm": p_value}


def _class_gain(
    paired: PairedPredictions, contrast: Contrast, class_index: int, confidence: float
) -> TableRow:
    own = paired.y == class_index
    estimate = paired.difference([contrast.pretrained], contrast.random, class_index)
    low, high, p_value = gain_interval(estimate, confidence)
    return {
        "items": int(own.sum()),
        "pretrained": float(paired.item_accuracy([contrast.pretrained])[:, own].mean()),
        "random": float(paired.item_accuracy(contrast.random)[:, own].mean()),
        "gain": estimate.mean,
        "gain_ci_low": low,
        "gain_ci_high": high,
        "p_value": p_value,
    }


def reliability_rows(paired: PairedPredictions) -> Iterable[TableRow]:
    """reliability.csv: a row for each bin of confidence, for both arms of each headline.

    Reliability diagrams are drawn from it (Murphy & Winkler, Reliability of subjective probability forecasts of
    precipitation and temperature, Applied Statistics 26, 1977). items: averaged over repeats and initialisations, so
    that an arm's sum to N. An empty bin has neither confidence nor accuracy. All repeats and initialisations are
    pooled, so the calibration error of a diagram is never above `ece` in arms.csv, which is averaged over them.
    """
    for encoder, contrast in _headlines(paired):
        for arms in ([contrast.pretrained], contrast.random):
            for row in _bins(paired, arms):
                yield {"encoder": encoder, "arm": arms[0].arm.arm, **row}


def _bins(paired: PairedPredictions, arms: Sequence[ArmPredictions]) -> Iterable[TableRow]:
    predicted = np.concatenate([arm.predicted.ravel() for arm in arms])
    probability = np.concatenate([arm.probability.reshape(-1, arm.probability.shape[-1]) for arm in arms])
    runs = len(predicted) // len(paired.y)
    found = reliability(np.tile(paired.y, runs), predicted, probability)
    bins = len(found.count)
    for number, (count, confidence, accuracy) in enumerate(
        zip(found.count, found.confidence, found.accuracy, strict=True)
    ):
        row = {"bin_low": number / bins, "bin_high": (number + 1) / bins, "items": float(count / runs)}
        yield row | ({"confidence": float(confidence), "accuracy": float(accuracy)} if count else {})


def order_rows(paired: PairedPredictions) -> Iterable[TableRow]:
    """order.csv: a row for both arms of each encoder at each layer and pooling.

    The ratios were measured when the features were extracted, and came with them.
    """
    for encoder, features in paired.features.items():
        for arm in ("pretrained", "random"):
            for place, ratios in features["order"][arm].items():
                layer, _, pooling = place.rpartition("/")
                yield {"encoder": encoder, "arm": arm, "layer": layer, "pooling": pooling, **ratios}


def _headlines(paired: PairedPredictions) -> Iterable[tuple[str, Contrast]]:
    """Of each encoder, for the tables about classes."""
    return ((encoder, contrasts[0]) for encoder, contrasts in paired.contrasts.items() if paired.classes)
