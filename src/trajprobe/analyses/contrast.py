"""How another classifier than the probe sees the two arms, over the same folds."""

from typing import Any

import numpy as np

from trajprobe.analyses.bench import Bench, Learner, hold_out
from trajprobe.analyses.intervals import crossed


def contrast(bench: Bench, name: str, learner: Learner) -> dict[str, Any]:
    """{probe, pretrained, random, gain}: accuracies, and their difference with its interval over seeds and groups."""
    right = hold_out(bench, learner, name).astype(float)
    groups = np.unique(bench.groups[bench.tested], return_inverse=True)[1]
    return {
        "probe": name,
        "pretrained": float(right[0].mean()),
        "random": float(right[1:].mean()),
        "gain": crossed(right[0] - right[1:], groups, bench.confidence),
    }
