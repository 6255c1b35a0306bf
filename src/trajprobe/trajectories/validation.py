"""From what a source says to a set that every later stage can rely on, or to one line that says what is wrong.

Nothing is repaired. An item is either sound or named with the reason; `trajectories.invalid` in params.yaml decides
whether bad items stop the stage (`refuse`) or are set aside, from all arms alike (`quarantine`). What a source's card
leaves out by its own rule (`across_split: drop_train`) is set aside under both, and both end up in the manifest.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trajprobe.errors import UserError
from trajprobe.files import atomic
from trajprobe.params.source_card import Card
from trajprobe.params.study import Trajectories
from trajprobe.trajectories import twins
from trajprobe.trajectories.capping import capped
from trajprobe.trajectories.defects import find_defects
from trajprobe.trajectories.parsed import Parsed
from trajprobe.trajectories.table import TrajectorySet

NAMED = 3  # bad items that an error names


@dataclass(frozen=True)
class SetAside:
    """An item that is not part of the set, and why."""

    item_id: str
    label: str
    reason: str


def accept(parsed: Parsed, card: Card, settings: Trajectories) -> tuple[TrajectorySet, list[SetAside]]:
    """The set of sound items in the order of the source, and the items that were set aside, in that order too.

    Raises UserError, one line: under `refuse` where any item is bad, and always where fewer than two classes, or
    fewer than `min_per_class` items of a class, are left, or a published part lacks a class.
    """
    groups = [group or item_id for group, item_id in zip(parsed.groups, parsed.item_ids, strict=True)]
    digest, parsed = parsed.digest(), replace(parsed, groups=groups)
    bad = find_defects(parsed)
    kept = [index for index in range(len(parsed.item_ids)) if index not in bad]
    copies = twins.find_twins(parsed, kept)
    bad |= twins.contradictions(parsed, copies)
    torn = {index: why for index, why in twins.torn_twins(parsed, copies).items() if index not in bad}
    out = bad.keys() | torn.keys()
    copies = [rest for members in copies if len(rest := [index for index in members if index not in out]) > 1]
    if not card.group_duplicates:
        bad |= twins.ungrouped(parsed, copies)
    out = bad.keys() | torn.keys()
    torn |= twins.torn_groups(parsed, [index for index in kept if index not in out])
    if card.across_split == "refuse":
        bad |= torn
    if bad and settings.invalid == "refuse":
        raise UserError(_refusal(parsed, bad, card.name))
    aside = bad | torn
    kept = [index for index in kept if index not in aside]
    if card.group_duplicates:
        parsed = replace(parsed, groups=twins.joined_groups(parsed, copies))
    if card.max_per_class is not None:
        kept = capped(parsed, kept, card.max_per_class, card.seed)
    _check_classes(parsed, kept, len(aside), settings.min_per_class, card.name)
    manifest = [SetAside(parsed.item_ids[i], parsed.labels[i], aside[i]) for i in sorted(aside)]
    return _chosen(parsed, kept, card, digest), manifest


def write_manifest(aside: Sequence[SetAside], path: Path | str) -> None:
    """Write what was set aside as CSV (item_id, label, reason), atomically; a header alone where nothing was."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item_id", "label", "reason"])
        writer.writerows([item.item_id, item.label, item.reason] for item in aside)


def _refusal(parsed: Parsed, bad: Mapping[int, str], source: str) -> str:
    named = "; ".join(f"{parsed.item_ids[i] or '(no id)'}: {bad[i]}" for i in sorted(bad)[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"source {source}: {len(bad)} of {len(parsed.item_ids)} items cannot be used ({named}{more}); mend them, "
        "or set trajectories.invalid: quarantine in params.yaml to leave them out of all arms alike"
    )


def _check_classes(parsed: Parsed, kept: Sequence[int], aside: int, required: int, source: str) -> None:
    counts = Counter(parsed.labels[index] for index in kept)
    after = f" after {aside} were set aside" if aside else ""
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r}" if counts else "none"
        raise UserError(f"source {source}: items of at least 2 classes are required, got {found}{after}")
    occurring = set(parsed.labels)
    few = [
        f"{name!r} has {counts[name]}"
        for name in parsed.classes
        if name in occurring and counts[name] < required
    ]
    if few:
        raise UserError(
            f"source {source}: every class needs at least {required} items (trajectories.min_per_class), but "
            f"{', '.join(few[:NAMED])}{' and others' if len(few) > NAMED else ''}{after}"
        )
    for part in ("train", "test"):
        present = {parsed.labels[index] for index in kept if parsed.splits[index] == part}
        absent = [name for name in parsed.classes if counts[name] and name not in present]
        if absent and any(parsed.splits[index] for index in kept):
            raise UserError(
                f"source {source}: the published {part} part has no item of {', '.join(absent)}{after}"
            )


def _chosen(parsed: Parsed, kept: Sequence[int], card: Card, digest: str) -> TrajectorySet:
    present = {parsed.labels[index] for index in kept}
    return TrajectorySet(
        item_ids=[parsed.item_ids[index] for index in kept],
        labels=[parsed.labels[index] for index in kept],
        groups=[parsed.groups[index] for index in kept],
        splits=[parsed.splits[index] for index in kept],
        times=[parsed.times[index] for index in kept],
        points=[parsed.points[index] for index in kept],
        classes=[name for name in parsed.classes if name in present],
        source=card.name,
        digest=digest,
        y_axis=card.y_axis,
    )
