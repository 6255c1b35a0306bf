"""Checks on a comparison: does the data leak, did an arm learn anything, is there room for a difference?

Leakage stops the stage. All other findings limit what the verdict may say; `verdict` puts them into words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajprobe.artifacts.features import is_confounded
from trajprobe.artifacts.formatting import scale_of
from trajprobe.artifacts.predictions import ArmPredictions
from trajprobe.artifacts.seen_items import held_out_seen
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.compare.random_effects import p_value_greater
from trajprobe.core.errors import UserError

HASH_NOISE, COORDINATES = "hash_noise", "coordinates"  # controls
LEAKAGE_LEVEL = 0.001  # a false alarm stops a study, so it must be rare
ABOVE_NOISE_LEVEL = 0.05
CEILING = 0.99  # accuracy, or R^2, at which an arm is saturated, unless the coordinates themselves allow less
HIGH = 0.9  # accuracy of the coordinates, below which they are no ceiling


@dataclass(frozen=True)
class Checks:
    """What was found about one contrast.

    pretrained_above_noise, random_above_noise: whether the arm is significantly better than hash noise. saturated:
    which arms are at the ceiling of the task. confounded: only the pretrained arm can see the order of frames, so part
    of the gain may come from that alone. at_edge: fraction of folds whose chosen penalty is an end of the grid.
    seen: how many of the `held_out` items the pretraining saw.
    """

    pretrained_above_noise: bool
    random_above_noise: bool
    saturated: Literal["neither", "one", "both"]
    confounded: bool
    at_edge: float
    seen: int = 0
    held_out: int = 0


def check_contrast(paired: PairedPredictions, encoder: str, contrast: Contrast) -> Checks:
    """All checks of a contrast of this encoder."""
    return Checks(
        pretrained_above_noise=above_noise(paired, [contrast.pretrained]),
        random_above_noise=above_noise(paired, contrast.random),
        saturated=saturated(paired, contrast),
        confounded=_confounded(paired, encoder, contrast),
        at_edge=fraction_at_edge(paired, [contrast.pretrained, *contrast.random]),
        seen=held_out_seen(paired.features[encoder])[1],
        held_out=len(paired.y),
    )


def refuse_leakage(paired: PairedPredictions) -> None:
    """Raise UserError if hash noise, which depends on nothing but an item's name, predicts above chance."""
    noise = paired.controls.get(HASH_NOISE)
    if noise is None:
        return
    accuracy, scale = paired.accuracy([noise]), scale_of(len(paired.classes))
    if p_value_greater(accuracy, paired.chance) < LEAKAGE_LEVEL:
        raise UserError(
            f"leakage: the control {HASH_NOISE} reaches {scale.value(accuracy.mean)}, expected chance "
            f"({scale.value(paired.chance)}): "
            "labels can be predicted from the names of the items; look for folds that share items, or for an id that "
            "several items have"
        )


def unpinned_weights(paired: PairedPredictions) -> list[str]:
    """A sentence for each encoder whose card does not say which weights were meant, with the digest of those used."""
    seen = {
        name: metadata.get("provenance", {}).get("first_seen") for name, metadata in paired.features.items()
    }
    return [
        f"Weights of {name}: sha256 {digest}, as first seen; `trajprobe fetch {name}` shows how to pin them."
        for name, digest in seen.items()
        if digest
    ]


def above_noise(paired: PairedPredictions, arms: Sequence[ArmPredictions]) -> bool:
    """Whether the arms' mean accuracy exceeds that of hash noise (or chance, without that control)."""
    noise = paired.controls.get(HASH_NOISE)
    if noise is None:
        p_value = p_value_greater(paired.accuracy(arms), paired.chance)
    else:
        p_value = p_value_greater(paired.difference(arms, [noise]), 0)
    return p_value < ABOVE_NOISE_LEVEL


def saturated(paired: PairedPredictions, contrast: Contrast) -> Literal["neither", "one", "both"]:
    """Which arms are at the ceiling: an accuracy of CEILING, for both also that of the coordinates if it is high."""
    ceiling = CEILING
    coordinates = paired.controls.get(COORDINATES)
    if coordinates is not None:
        reached = float(paired.item_scores([coordinates]).mean())
        ceiling = min(ceiling, reached) if reached > HIGH else ceiling
    pretrained = paired.item_scores([contrast.pretrained]).mean()
    random = paired.item_scores(contrast.random).mean()
    if min(pretrained, random) >= ceiling:
        return "both"
    return "one" if max(pretrained, random) >= CEILING else "neither"


def fraction_at_edge(paired: PairedPredictions, arms: Sequence[ArmPredictions]) -> float:
    """In what fraction of the folds the chosen l2 is the first or the last of the grid."""
    chosen = np.stack([arm.l2 for arm in arms])
    return float(np.isclose(chosen[..., None], paired.l2_grid).any(axis=-1).mean())


def _confounded(paired: PairedPredictions, encoder: str, contrast: Contrast) -> bool:
    place = f"{contrast.pretrained.arm.layer}/{contrast.pretrained.arm.pooling}"
    order = paired.features[encoder]["order"]
    return is_confounded(order["pretrained"][place], order["random"][place])
