"""What is wrong with a single item: the checks that no later stage has to repeat.

Each reason is a few words that name the place, for they are what the user reads in the error or in the manifest.
"""

from collections import Counter

import numpy as np

from trajprobe.trajectories.parsed import Parsed

SPLITS = ("", "train", "test")


def find_defects(parsed: Parsed) -> dict[int, str]:
    """Item -> the first thing that is wrong with it; items that are sound do not appear."""
    found = dict(parsed.defects)
    times_seen = Counter(parsed.item_ids)
    is_split = any(parsed.splits)
    for index, item_id in enumerate(parsed.item_ids):
        reason = (
            _of_names(item_id, times_seen[item_id], parsed.labels[index])
            or _of_split(parsed.splits[index], is_split)
            or _of_path(parsed.points[index])
            or _of_times(parsed.times[index], len(parsed.points[index]))
        )
        if reason:
            found.setdefault(index, reason)
    return found | _of_dimensions(parsed, found)


def _of_names(item_id: str, times_seen: int, label: str) -> str:
    if not item_id:
        return "empty id"
    if times_seen > 1:
        return f"id occurs {times_seen} times"
    return "" if label.strip() else "empty label"


def _of_split(split: str, is_split: bool) -> str:
    if split not in SPLITS:
        return f"unknown split {split!r}: must be train, test or empty"
    return "in neither train nor test, while other items are" if is_split and not split else ""


def _of_path(path: np.ndarray) -> str:
    if path.ndim != 2 or path.shape[1] not in (2, 3):
        return f"points have shape {path.shape}: must be (P, 2) or (P, 3)"
    if len(path) < 2:
        return "no points" if len(path) == 0 else "a single point"
    finite = np.isfinite(path).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        return f"point {bad[0]} is NaN or infinite" + (
            f", as are {len(bad) - 1} more" if len(bad) > 1 else ""
        )
    return "" if path.any() else f"all {len(path)} points are the same"


def _of_times(times: np.ndarray, points: int) -> str:
    if times.shape != (points,):
        return f"{len(times)} times for {points} points"
    if not np.isfinite(times).all():
        return f"time of point {np.flatnonzero(~np.isfinite(times))[0]} is NaN or infinite"
    backwards = np.flatnonzero(np.diff(times) <= 0)
    return f"time of point {backwards[0] + 1} is not after the one before it" if len(backwards) else ""


def _of_dimensions(parsed: Parsed, found: dict[int, str]) -> dict[int, str]:
    """Paths of another dimension than most of the sound ones (than the first, where it is a draw)."""
    dimensions = {i: path.shape[1] for i, path in enumerate(parsed.points) if i not in found}
    usual = Counter(dimensions.values()).most_common(1)
    return {
        index: f"{dimension}-D among {usual[0][0]}-D paths"
        for index, dimension in dimensions.items()
        if dimension != usual[0][0]
    }
