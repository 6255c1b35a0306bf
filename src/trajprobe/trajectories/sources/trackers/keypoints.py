"""The path of an animal from its keypoints: one of them, or the mean of those that are present.

A tracker is more or less certain of a keypoint. One below the threshold is a missing point, for which the card's
policy for gaps holds.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from trajprobe.artifacts.source_card import PosesCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest

MEAN = "mean"
Keypoints = dict[
    str, tuple[np.ndarray, np.ndarray | None]
]  # name -> (P, 2|3), NaN if missing; (P,) likelihood


def path_of_keypoint(
    animals: Mapping[str, Keypoints], card: PosesCard, where: str, default: float | None
) -> tuple[list[str], list[np.ndarray], list[str], dict[str, int]]:
    """The animals, the path (P, 2|3) of each, notes, and counted notes as in `TrackFile`.

    default: the least likelihood, if the card gives none; None for any. Raises UserError if the card does not say
    which of several keypoints is meant, or names one that no animal has.
    """
    names = list(dict.fromkeys(name for keypoints in animals.values() for name in keypoints))
    chosen = _chosen(names, card.keypoint, where)
    least = default if card.likelihood is None else card.likelihood
    ids: list[str] = []
    paths: list[np.ndarray] = []
    counts: dict[str, int] = {}
    for animal, keypoints in animals.items():
        present = [keypoints[name] for name in chosen if name in keypoints]
        if not present:
            note = "tracks: {} animals without this keypoint are left out"
            counts[note] = counts.get(note, 0) + 1
            continue
        points = np.stack([points for points, _ in present]).astype(np.float64)
        for own, (_, likelihood) in zip(points, present, strict=True):
            if least is None or likelihood is None:
                continue
            unsure = ~(likelihood >= least) & ~np.isnan(own).any(axis=1)
            own[unsure] = np.nan
            by = "" if card.likelihood is not None else ", the default (--likelihood)"
            note = f"likelihood: {{}} points below {least:g} are taken as missing{by}"
            counts[note] = counts.get(note, 0) + int(unsure.sum())
        ids.append(animal)
        paths.append(_mean(points))
    said = f"the mean of those present, of {', '.join(chosen)}" if len(chosen) > 1 else chosen[0]
    return ids, paths, [f"keypoint: {said}"], counts


def _chosen(names: Sequence[str], wanted: str | None, where: str) -> list[str]:
    if wanted in names:
        return [str(wanted)]
    if wanted == MEAN or (wanted is None and len(names) == 1):
        return list(names)
    if wanted is None:
        raise UserError(
            f"{where}: tracks {len(names)} keypoints ({', '.join(names)}); choose one by --keypoint {names[0]}, or "
            "their mean by --keypoint mean"
        )
    raise UserError(f"{where}: has no keypoint {wanted!r} (--keypoint); {nearest(wanted, list(names))}")


def _mean(points: np.ndarray) -> np.ndarray:
    """(P, D), the mean of (K, P, D) over the points of K that are present; NaN where none is."""
    present = ~np.isnan(points).any(axis=2, keepdims=True)
    count = present.sum(axis=0)
    total = np.where(present, points, 0.0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)
