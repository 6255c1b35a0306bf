"""The gain of pretraining on each class alone: metrics/per_class.csv.

A class's gain is what the pretrained arm recognises of its items beyond the mean of the random initialisations, and
the gains of all classes, weighted by their items, make the gain of the study. Each has the interval of `crossed`,
over the groups of that class and the initialisations together: it covers the gain over other items, trained on and
tested, and other initialisations, with as many items as here. It covers one class at a time. Whoever looks through all
of them for the ones that stand out needs `p_value_holm`, corrected for the number of an encoder's classes.

A class may be recognised more often because it is named more often, at the others' cost; the confusion matrices tell.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from trajprobe.compare.evidence import Contrast, Evidence
from trajprobe.compare.gain import gain_interval
from trajprobe.compare.holm import holm

CLASS_COLUMNS = (
    *("encoder", "label", "items", "pretrained", "random"),
    *("gain", "gain_ci_low", "gain_ci_high", "p_value", "p_value_holm"),
)


def class_rows(
    evidence: Evidence, contrasts: Mapping[str, Contrast], confidence: float
) -> Iterable[dict[str, Any]]:
    """A row for each class with held-out items, in the order of the classes, for each encoder's contrast."""
    codes = np.unique(evidence.codes)
    for encoder, contrast in contrasts.items():
        gains = [_class_gain(evidence, contrast, int(code), confidence) for code in codes]
        adjusted = holm([gain["p_value"] for gain in gains])
        for code, gain, p_value in zip(codes, gains, adjusted, strict=True):
            yield {"encoder": encoder, "label": evidence.classes[code], **gain, "p_value_holm": p_value}


def _class_gain(evidence: Evidence, contrast: Contrast, code: int, confidence: float) -> dict[str, float]:
    own = evidence.codes == code
    estimate = evidence.accuracy([contrast.pretrained], contrast.random, code)
    low, high, p_value = gain_interval(estimate, confidence)
    return {
        "items": int(own.sum()),
        "pretrained": float(evidence.accuracy_of_items(contrast.pretrained)[:, own].mean()),
        "random": float(evidence.accuracy_of_items(*contrast.random)[:, own].mean()),
        "gain": estimate.mean,
        "gain_ci_low": low,
        "gain_ci_high": high,
        "p_value": p_value,
    }
