"""Confidence against accuracy, bin by bin: metrics/reliability.csv, from which reliability diagrams are drawn.

Murphy & Winkler, Reliability of subjective probability forecasts of precipitation and temperature, Applied Statistics
26, 1977. All repeats of an arm, and all initialisations of the random one, are pooled into one diagram. So a diagram's
own calibration error never exceeds `ece` in arms.csv, which is taken of each repeat and averaged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trajprobe.compare.evidence import Contrast, Evidence
from trajprobe.probe.predictions import Held
from trajprobe.probe.scores import reliability

RELIABILITY_COLUMNS = ("encoder", "arm", "bin_low", "bin_high", "items", "confidence", "accuracy")


def reliability_rows(evidence: Evidence, contrasts: Mapping[str, Contrast]) -> Iterable[dict[str, Any]]:
    """A row for each bin of confidence, for both arms of each encoder's contrast.

    items: how many fall into the bin, a mean over repeats and initialisations; an arm's sum to N. An empty bin has
    neither confidence nor accuracy.
    """
    for encoder, contrast in contrasts.items():
        for arms in ([contrast.pretrained], contrast.random):
            for row in _bins(evidence, arms):
                yield {"encoder": encoder, "arm": arms[0].arm.arm, **row}


def _bins(evidence: Evidence, arms: Sequence[Held]) -> Iterable[dict[str, float]]:
    predicted = np.concatenate([held.predicted.ravel() for held in arms])
    probability = np.concatenate([held.probability.reshape(-1, held.probability.shape[-1]) for held in arms])
    runs = len(predicted) // len(evidence.codes)
    found = reliability(np.tile(evidence.codes, runs), predicted, probability)
    bins = len(found.count)
    for number, (count, confidence, accuracy) in enumerate(
        zip(found.count, found.confidence, found.accuracy, strict=True)
    ):
        row = {"bin_low": number / bins, "bin_high": (number + 1) / bins, "items": float(count / runs)}
        yield row | ({"confidence": float(confidence), "accuracy": float(accuracy)} if count else {})
