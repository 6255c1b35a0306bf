"""Items that must not stand on both sides of a split: exact copies of a path, and items of one group.

A classifier that has seen a copy of a test item has seen the test item. So copies ("twins") are put into one group,
and a group that the published split tears apart is mended on its train side, where leaving an item out keeps the
published test part whole and its figures comparable.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from trajprobe.trajectories.parsed import Parsed


def find_twins(parsed: Parsed, kept: Iterable[int]) -> list[list[int]]:
    """Sets of two or more of the `kept` items with the same points at the same times."""
    sets: dict[bytes, list[int]] = defaultdict(list)
    for index in kept:
        state = hashlib.sha256(repr(parsed.points[index].shape).encode())
        state.update(parsed.points[index].tobytes())
        state.update(parsed.times[index].tobytes())
        sets[state.digest()].append(index)
    return [twins for twins in sets.values() if len(twins) > 1]


def contradictions(parsed: Parsed, twins: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for copies that do not agree on their label."""
    found = {}
    for members in twins:
        for index in members:
            others = [other for other in members if parsed.labels[other] != parsed.labels[index]]
            if others:
                found[index] = (
                    f"labelled {parsed.labels[index]!r}, and its exact copy {parsed.item_ids[others[0]]} "
                    f"{parsed.labels[others[0]]!r}"
                )
    return found


def ungrouped(parsed: Parsed, twins: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for copies whose groups differ, where the card does not ask to group them."""
    found = {}
    for first, *others in twins:
        for index in others:
            if parsed.groups[index] != parsed.groups[first]:
                copied = parsed.item_ids[first]
                found[index] = (
                    f"exact copy of {copied}, in another group (group_duplicates in the card joins them)"
                )
    return found


def torn_twins(parsed: Parsed, twins: Sequence[Sequence[int]]) -> dict[int, str]:
    """Item -> reason, for train items with an exact copy in test."""
    found = {}
    for members in twins:
        tested = [index for index in members if parsed.splits[index] == "test"]
        for index in members:
            if tested and parsed.splits[index] == "train":
                found[index] = f"in train, and its exact copy {parsed.item_ids[tested[0]]} in test"
    return found


def torn_groups(parsed: Parsed, kept: Iterable[int]) -> dict[int, str]:
    """Item -> reason, for the train items among `kept` whose group has a `kept` item in test."""
    kept = list(kept)
    tested = {parsed.groups[index] for index in kept if parsed.splits[index] == "test"}
    return {
        index: f"in train, and others of its group {parsed.groups[index]!r} in test"
        for index in kept
        if parsed.splits[index] == "train" and parsed.groups[index] in tested
    }


def joined_groups(parsed: Parsed, twins: Sequence[Sequence[int]]) -> list[str]:
    """The group of every item once the groups of all copies are joined; a joined group bears the first one's name."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while group in parent:
            group = parent[group]
        return group

    for first, *others in twins:
        for index in others:
            ours, theirs = root(parsed.groups[first]), root(parsed.groups[index])
            if ours != theirs:
                parent[theirs] = ours
    return [root(group) for group in parsed.groups]
