"""The rules of a card applied to the items of a file: missing labels, padding, gaps, and the axis that points up.

Nothing happens in silence: each rule that changes an item adds a note. Without a rule, a point that is missing inside
a path stays NaN, and the validation refuses its item.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trajprobe.artifacts.source_card import FileCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning_counts import CleaningCounts
from trajprobe.trajectories.sources.parsed import Raw

# Labels and cells that hold no value.
MISSING = frozenset({"", "na", "n/a", "<na>", "nan", "none", "null", "?"})
PADDING = 2  # zero points at the end of an array that show that it is padded
# Rotations, so that the scene is not mirrored: which axes become x, y and z, and their signs.
ROTATIONS = {
    "x": ([2, 1, 0], [-1, 1, 1]),
    "-x": ([2, 1, 0], [1, 1, -1]),
    "y": ([0, 2, 1], [1, -1, 1]),
    "-y": ([0, 2, 1], [1, 1, -1]),
    "-z": ([0, 1, 2], [1, -1, -1]),
}


def is_missing(text: str) -> bool:
    """Whether a label or a cell stands for a missing value."""
    return text.strip().casefold() in MISSING


def _refuse_rules_for_paths(raw: Raw, card: FileCard) -> None:
    """Raise UserError if the card has a rule that cannot be kept for ready-made clips."""
    given = {"gaps": card.gaps != "refuse", "zeros": card.zeros != "auto", "up": card.up != "z"}
    if not raw.has_paths and (named := [key for key, is_given in given.items() if is_given]):
        raise UserError(
            f"{named[0]}: is a rule for paths, and the items are clips without paths; leave it out"
        )
    if card.gaps == "split":
        raise UserError(
            "gaps: split cuts paths, and the clips that belong to them cannot be cut; choose --gaps interpolate, or "
            "draw the paths by --draw"
        )


@dataclass
class _Item:
    points: np.ndarray
    times: np.ndarray | None
    strokes: np.ndarray | None

    def __getitem__(self, which: slice | np.ndarray) -> "_Item":
        return _Item(
            self.points[which],
            None if self.times is None else self.times[which],
            None if self.strokes is None else self.strokes[which],
        )


def clean(raw: Raw, card: FileCard) -> Raw:
    """The items after the card's rules.

    Raises UserError if `up` is given for 2-D paths, or a rule for paths is given and the items are clips.
    """
    if raw.clips is not None:
        _refuse_rules_for_paths(raw, card)
    labels = [label.strip() for label in raw.labels]
    named = set(card.classes or ())
    labels = ["" if is_missing(label) and label not in named else label for label in labels]
    if card.gaps == "strokes" and raw.times is None:  # a lifted pen takes its time
        raw = replace(raw, times=[np.arange(len(path)) * card.time_step for path in raw.points])
    if not raw.has_paths:
        return replace(raw, labels=labels, notes=[*raw.notes, *_unlabelled(raw.labels, labels)])
    counts = CleaningCounts()
    padded = _ends_in_zeros(raw.points) if raw.rectangular and card.zeros == "auto" else set()
    items: list[_Item] = []
    sources: list[int] = []
    for index, path in enumerate(raw.points):
        item = _Item(
            path,
            None if raw.times is None else raw.times[index],
            None if raw.strokes is None else raw.strokes[index],
        )
        if (
            path.ndim != 2
            or path.dtype.kind not in "iuf"
            or (item.times is not None and len(item.times) != len(path))
        ):
            pieces = [item]  # the validation says what is wrong
        else:
            pieces = _clean_item(item, index in padded, card, counts, _name(raw, index))
        items += pieces
        sources += [index] * len(pieces)
    notes = [
        *raw.notes,
        *_unlabelled(raw.labels, labels),
        *counts.describe(card.gaps, raw.strokes is not None),
    ]
    if card.up != "z":
        notes.append(f"axes: {card.up} points up in the file; rotated so that z does")
    has_strokes = card.gaps == "strokes" or raw.strokes is not None
    cleaned = replace(
        raw,
        labels=labels,
        points=[_turned(item.points, card.up) for item in items],
        times=None if raw.times is None else [_times(item) for item in items],
        strokes=[_strokes(item) for item in items] if has_strokes else None,
        notes=notes,
    )
    return _repeated(cleaned, sources) if len(items) > len(raw.points) else cleaned


def _unlabelled(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """A note that counts the items without a label, if there are any."""
    found = Counter(old for old, new in zip(before, after, strict=True) if not new)
    listed = ", ".join(f"{old or 'empty'} {count}" for old, count in found.items())
    return [f"labels: {found.total()} items have none ({listed})"] if found else []


def _name(raw: Raw, index: int) -> str:
    return f"{index:06d}" if raw.item_ids is None else raw.item_ids[index]


def _ends_in_zeros(paths: Sequence[np.ndarray]) -> set[int]:
    """The items that end in zero points, if any of them ends in several; items that are zero throughout do not."""
    lengths = {index: _zero_ends(path) for index, path in enumerate(paths)}
    if max(lengths.values(), default=0) < PADDING:
        return set()
    return {index for index, length in lengths.items() if length}


def _zero_ends(path: np.ndarray) -> int:
    if not len(path) or path[-1].any():
        return 0
    other = np.flatnonzero(path.any(axis=1))
    return len(path) - 1 - int(other[-1]) if len(other) else 0


def _clean_item(item: _Item, padded: bool, card: FileCard, counts: CleaningCounts, name: str) -> list[_Item]:
    """The item without padding, its gaps treated; several items if it is split."""
    if padded:
        counts.zero_ends += 1
        item = item[: len(item.points) - _zero_ends(item.points)]
    points = item.points
    if card.zeros == "missing" and (zero := ~points.any(axis=1)).any() and not zero.all():
        counts.zeros_missing += 1
        points = points.astype(np.float64)
        points[zero] = np.nan
        item.points = points
    elif card.zeros == "auto" and _has_zeros(points):
        counts.zeros_inside += 1
        counts.first_zeros = counts.first_zeros or name
    missing = np.isnan(points).any(axis=1) if points.dtype.kind == "f" else np.zeros(len(points), bool)
    if missing.any():
        present = np.flatnonzero(~missing)
        inside = slice(present[0], present[-1] + 1) if len(present) else slice(0, 0)
        if inside.stop - inside.start < len(points):
            counts.nan_ends += 1
            item, missing = item[inside], missing[inside]
    if card.gaps != "refuse" and item.times is not None:
        again = np.concatenate([[False], np.diff(item.times) == 0])[: len(item.points)]
        if again.any():
            counts.repeats += int(again.sum())
            item, missing = item[~again], missing[~again]
    if card.gaps == "strokes":
        item.strokes = _strokes(item) + np.cumsum(missing) * 1j  # a change of either starts a stroke
        if missing.any():
            item = item[~missing]
    elif missing.any():
        counts.gaps += 1
        counts.gap_points += int(missing.sum())
        if card.gaps == "split":
            return _split(item, missing, counts)
        if card.gaps != "refuse":
            item.points = _interpolated(item, missing, card.gaps)
    return [item]


def _has_zeros(points: np.ndarray) -> bool:
    """Whether points between others, or several at the end, are exactly zero; a rest at the start does not count."""
    if not len(points) or points.all(axis=1).all():
        return False
    other = np.flatnonzero(points.any(axis=1))
    if not len(other):
        return False
    return bool(other[-1] - other[0] >= len(other) or len(points) - 1 - other[-1] >= PADDING)


def _times(item: _Item) -> np.ndarray:
    return np.arange(len(item.points), dtype=np.float64) if item.times is None else item.times


def _strokes(item: _Item) -> np.ndarray:
    return np.zeros(len(item.points)) if item.strokes is None else item.strokes


def _interpolated(item: _Item, missing: np.ndarray, policy: str) -> np.ndarray:
    """The points with the gaps filled that are not too long for the policy, linearly in time."""
    most = int(policy.partition(":")[2] or len(missing))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(np.int8), [0]])))
    fill = np.zeros(len(missing), bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        fill[start:stop] = stop - start <= most
    points, clock = item.points.astype(np.float64), _times(item)
    for axis in points.T:
        own = fill & np.isnan(axis)
        axis[own] = np.interp(clock[own], clock[~missing], axis[~missing])
    return points


def _split(item: _Item, missing: np.ndarray, counts: CleaningCounts) -> list[_Item]:
    """The pieces of two points and more between the gaps; the whole item if there are none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], missing.astype(np.int8), [1]])))
    pieces = [item[start:stop] for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    whole = [piece for piece in pieces if len(piece.points) > 1]
    counts.short_pieces += len(pieces) - len(whole)
    counts.pieces += len(whole)
    return whole or [item]


def _turned(points: np.ndarray, up: str) -> np.ndarray:
    if up == "z" or points.ndim != 2:
        return points
    if points.shape[1] == 2:
        raise UserError(
            f"up: {up} is for 3-D data, and there are 2-D paths; for those name y_axis, up or down"
        )
    axes, signs = ROTATIONS[up]
    return points[:, axes] * np.array(signs)


def _repeated(raw: Raw, sources: Sequence[int]) -> Raw:
    """The names of every piece: `ID/1`, `ID/2`, ..., in one group."""
    pieces, seen = Counter(sources), Counter[int]()
    ids, groups = [], []
    for source in sources:
        seen[source] += 1
        name, group = _name(raw, source), raw.groups[source] if raw.groups else ""
        ids.append(f"{name}/{seen[source]}" if pieces[source] > 1 else name)
        groups.append(group or (name if pieces[source] > 1 else ""))
    return replace(
        raw,
        labels=[raw.labels[source] for source in sources],
        item_ids=ids,
        groups=groups,
        splits=[raw.splits[source] for source in sources] if raw.splits else None,
        defects={at: raw.defects[source] for at, source in enumerate(sources) if source in raw.defects},
    )
