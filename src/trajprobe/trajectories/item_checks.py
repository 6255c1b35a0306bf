"""Which items cannot be used, and why: invalid items, duplicates, and groups on both sides of the published split.

A classifier that has seen a copy of a test item, or another item of its group, has seen the test item. So copies are
put into one group. A copy or a group on both sides of the published split makes its train items unusable: leaving
those out keeps the published test part whole and its figures comparable.

Each reason is a short clause that names the place. Users read it in the error or in data/quarantine.csv.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from trajprobe.trajectories.sources.parsed import Parsed

SPLITS = ("", "train", "test")
NO_LABEL = "no label"
LONGEST_NAME = 1000  # characters
LEAST, MOST = 1e-15, 1e15  # of a path's extent and duration: their squares and ratios are finite in float32
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def find_defects(parsed: Parsed, numeric: bool = False) -> dict[int, str]:
    """Item -> the first thing that is wrong with it by itself; sound items do not appear. numeric: of labels."""
    found = dict(parsed.defects)
    times_seen = Counter(parsed.item_ids)
    is_split = any(parsed.splits)
    for index, item_id in enumerate(parsed.item_ids):
        reason = (
            _check_names(item_id, times_seen[item_id], parsed.labels[index])
            or _check_characters("id", item_id)
            or _check_characters("label", parsed.labels[index])
            or _check_characters("group", parsed.groups[index])
            or (numeric and _check_number(parsed.labels[index]))
            or _check_split(parsed.splits[index], is_split)
            or (parsed.has_paths and _check_path(parsed.points[index]))
            or (parsed.has_paths and _check_times(parsed.times[index], len(parsed.points[index])))
        )
        if reason:
            found.setdefault(index, reason)
    return found | _check_dimensions(parsed, found) if parsed.has_paths else found


def _check_names(item_id: str, times_seen: int, label: str) -> str:
    if not item_id:
        return "empty id"
    if times_seen > 1:
        return f"id occurs {times_seen} times"
    return "" if label.strip() else NO_LABEL


def _check_characters(name: str, text: str) -> str:
    if len(text) > LONGEST_NAME:
        return f"{name} of {len(text)} characters, at most {LONGEST_NAME} are accepted"
    if text.isprintable() or not (
        wrong := [mark for mark in text if unicodedata.category(mark) in ("Cc", "Cs")]
    ):
        return ""
    return f"{name} {text[:60]!r} contains the control character or lone surrogate {wrong[0]!a}"


def is_number(label: str) -> bool:
    """Whether a label can be predicted as a number: finite, and its square too."""
    return NUMBER.fullmatch(label) is not None and abs(float(label)) <= MOST


def _check_number(label: str) -> str:
    return "" if is_number(label) else f"label {label[:60]!r} is not a finite number of at most {MOST:g}"


def _check_split(split: str, is_split: bool) -> str:
    if split not in SPLITS:
        return f"unknown split {split!r}: must be train, test or empty"
    return "in neither train nor test, while other items are" if is_split and not split else ""


def _check_path(path: np.ndarray) -> str:
    if path.ndim != 2 or path.shape[1] not in (2, 3):
        return f"points have shape {path.shape}: must be (P, 2) or (P, 3)"
    if len(path) < 2:
        return "no points" if len(path) == 0 else "a single point"
    finite = np.isfinite(path).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        more = f", as are {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"point {bad[0]} is NaN or infinite{more}"
    if not path.any():
        return f"all {len(path)} points are the same"
    reach = float(np.abs(path).max())
    if not LEAST <= reach <= MOST:
        return (
            f"reaches {reach:.3g} from its start, required {LEAST:g} to {MOST:g}; take another unit of length"
        )
    return ""


def _check_times(times: np.ndarray, points: int) -> str:
    if times.shape != (points,):
        return f"{len(times)} times for {points} points"
    if not np.isfinite(times).all():
        return f"time of point {np.flatnonzero(~np.isfinite(times))[0]} is NaN or infinite"
    steps = np.diff(times)
    if not (steps <= 0).any():
        if not LEAST <= times[-1] <= MOST:
            return f"lasts {times[-1]:.3g} s, required {LEAST:g} to {MOST:g} s; take another unit of time"
        return ""
    at = int(np.argmax(steps <= 0)) + 1
    if steps[at - 1] == 0:
        return f"point {at} repeats the time stamp of the one before it, {times[at]:g} s after the start"
    return f"time of point {at} is not after the one before it"


def _check_dimensions(parsed: Parsed, found: dict[int, str]) -> dict[int, str]:
    """Paths whose dimension is not that of most sound ones (in a tie, of the first)."""
    dimensions = {i: path.shape[1] for i, path in enumerate(parsed.points) if i not in found}
    usual = Counter(dimensions.values()).most_common(1)
    return {
        index: f"{dimension}-D among {usual[0][0]}-D paths"
        for index, dimension in dimensions.items()
        if dimension != usual[0][0]
    }


def find_duplicates(parsed: Parsed, kept: Iterable[int]) -> list[list[int]]:
    """Sets of two or more of the `kept` items with the same points at the same times, or with the same clip."""
    sets: dict[bytes, list[int]] = defaultdict(list)
    for index in kept:
        if parsed.clips is not None:
            sets[parsed.clips[index].sha256.encode()].append(index)
        if not parsed.has_paths:
            continue
        state = hashlib.sha256(repr(parsed.points[index].shape).encode())
        state.update(parsed.points[index].tobytes())
        state.update(parsed.times[index].tobytes())
        state.update(b"" if parsed.strokes is None else parsed.strokes[index].tobytes())
        sets[state.digest()].append(index)
    return [copies for copies in sets.values() if len(copies) > 1]


def conflicting_labels(parsed: Parsed, duplicates: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for copies with different labels; items with one path are no copies if their clips differ."""
    found = {}
    for copies in duplicates:
        for index in copies:
            others = [
                other
                for other in copies
                if parsed.labels[other] != parsed.labels[index]
                and (parsed.clips is None or parsed.clips[other].sha256 == parsed.clips[index].sha256)
            ]
            if others:
                found[index] = (
                    f"labelled {parsed.labels[index]!r}, and its exact copy {parsed.item_ids[others[0]]} "
                    f"{parsed.labels[others[0]]!r}"
                )
    return found


def ungrouped_duplicates(parsed: Parsed, duplicates: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for copies in different groups; an error if the card does not join such groups."""
    found = {}
    for first, *others in duplicates:
        for index in others:
            if parsed.groups[index] != parsed.groups[first]:
                copied = parsed.item_ids[first]
                found[index] = (
                    f"exact copy of {copied}, in another group (group_duplicates in the card joins them)"
                )
    return found


def duplicates_across_split(parsed: Parsed, duplicates: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for train items with an exact copy in test."""
    found = {}
    for copies in duplicates:
        tested = [index for index in copies if parsed.splits[index] == "test"]
        for index in copies:
            if tested and parsed.splits[index] == "train":
                found[index] = f"in train, and its exact copy {parsed.item_ids[tested[0]]} in test"
    return found


def groups_across_split(parsed: Parsed, kept: Iterable[int]) -> dict[int, str]:
    """Item -> reason, for the train items among `kept` whose group has a `kept` item in test."""
    kept = list(kept)
    tested = {parsed.groups[index] for index in kept if parsed.splits[index] == "test"}
    return {
        index: f"in train, and others of its group {parsed.groups[index]!r} in test"
        for index in kept
        if parsed.splits[index] == "train" and parsed.groups[index] in tested
    }


def in_small_classes(parsed: Parsed, kept: Sequence[int], fewest: int) -> dict[int, str]:
    """Item -> reason, for the `kept` items of classes with fewer groups than `fewest`."""
    groups: dict[str, set[str]] = defaultdict(set)
    for index in kept:
        groups[parsed.labels[index]].add(parsed.groups[index])
    return {
        index: f"of class {parsed.labels[index]!r}, which has {len(groups[parsed.labels[index]])} groups of items and "
        f"needs {fewest} (min_per_class of the card)"
        for index in kept
        if len(groups[parsed.labels[index]]) < fewest
    }


def join_groups(parsed: Parsed, duplicates: Sequence[Sequence[int]]) -> list[str]:
    """The group of every item after the groups of all copies are joined, named after the first of them."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while group in parent:
            group = parent[group]
        return group

    for first, *others in duplicates:
        for index in others:
            ours, theirs = root(parsed.groups[first]), root(parsed.groups[index])
            if ours != theirs:
                parent[theirs] = ours
    return [root(group) for group in parsed.groups]
