"""Checks on the comparison itself: is anything leaking, is anything learned, is there room for a difference?"""

import numpy as np

from trajprobe.compare.evidence import Contrast, Evidence
from trajprobe.compare.gain import exceeds
from trajprobe.compare.verdict import Saturated
from trajprobe.errors import UserError
from trajprobe.probe.predictions import Held

HASH_NOISE, COORDINATES = "hash_noise", "coordinates"
LEAKAGE = 0.001  # a false alarm stops a study, so it must be rare
ABOVE_NOISE = 0.05
CEILING = 0.99


def refuse_leakage(evidence: Evidence) -> None:
    """Raise UserError where hash noise, which knows nothing of an item but its name, predicts above chance."""
    noise = evidence.controls.get(HASH_NOISE)
    if noise is None:
        return
    correct = evidence.accuracy([noise])
    if exceeds(correct, evidence.chance) < LEAKAGE:
        raise UserError(
            f"leakage: the {HASH_NOISE} control reaches {correct.mean:.1%} where chance is {evidence.chance:.1%}, "
            "so labels can be told from the names of the items; look for folds that share items, or for an id that "
            "several items have"
        )


def above_noise(evidence: Evidence, arms: list[Held]) -> bool:
    """Whether the arms' mean accuracy exceeds that of hash noise (or chance, without that control)."""
    noise = evidence.controls.get(HASH_NOISE)
    if noise is None:
        return exceeds(evidence.accuracy(arms), evidence.chance) < ABOVE_NOISE
    return exceeds(evidence.accuracy(arms, [noise]), 0) < ABOVE_NOISE


def saturated(evidence: Evidence, contrast: Contrast) -> Saturated:
    """Which arms are at the ceiling: what the coordinates themselves allow, where that is known to be high."""
    ceiling = CEILING
    coordinates = evidence.controls.get(COORDINATES)
    if coordinates is not None:
        known = float(evidence.hits(coordinates).mean())
        ceiling = min(ceiling, known) if known > 0.9 else ceiling
    ours = evidence.hits(contrast.pretrained).mean()
    theirs = np.mean([evidence.hits(held).mean() for held in contrast.random])
    if min(ours, theirs) >= ceiling:
        return "both"
    return "one" if max(ours, theirs) >= CEILING else "neither"


def share_at_edge(evidence: Evidence, arms: list[Held]) -> float:
    """In what share of the folds the strength that was chosen is the first or the last of the grid."""
    strengths = np.stack([held.strength for held in arms])
    return float(np.isclose(strengths[..., None], evidence.strengths).any(axis=-1).mean())
