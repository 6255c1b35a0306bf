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
from trajprobe.params.source_card import Acceptance
from trajprobe.params.study import Trajectories
from trajprobe.trajectories import twins
from trajprobe.trajectories.capping import capped
from trajprobe.trajectories.defects import find_defects
from trajprobe.trajectories.parsed import Parsed
from trajprobe.trajectories.table import TrajectorySet, YAxis

NAMED = 3  # bad items that an error names


@dataclass(frozen=True)
class SetAside:
    """An item that is not part of the set, and why."""

    item_id: str
    label: str
    reason: str


def accept(
    parsed: Parsed,
    *,
    source: str,
    y_axis: YAxis,
    where: str,
    settings: Trajectories,
    acceptance: Acceptance,
) -> tuple[TrajectorySet, list[SetAside]]:
    """The set of sound items in the order of the source, and the items that were set aside, in that order too.

    where: opens the error messages (a file, a card). Raises UserError, one line: under `refuse` where any item is
    bad, and always where fewer than two classes or fewer than `min_per_class` items of a class are left.
    """
    bad = find_defects(parsed)
    kept = [index for index in range(len(parsed.item_ids)) if index not in bad]
    copies = twins.find_twins(parsed, kept)
    bad |= twins.contradictions(parsed, copies)
    if not acceptance.group_duplicates:
        bad |= _new(twins.ungrouped(parsed, copies), bad)
    torn = _new(twins.torn_twins(parsed, copies), bad)
    kept = [index for index in kept if index not in bad and index not in torn]
    torn |= twins.torn_groups(parsed, kept)
    if acceptance.across_split == "refuse":
        bad |= torn
    if bad and settings.invalid == "refuse":
        raise UserError(_refusal(parsed, bad, where))
    aside = bad | torn
    kept = [index for index in kept if index not in aside]
    if acceptance.group_duplicates:
        remaining = [[index for index in members if index not in aside] for members in copies]
        groups = twins.joined_groups(parsed, [members for members in remaining if members])
        parsed = replace(parsed, groups=groups)
    if acceptance.max_per_class is not None:
        kept = capped(parsed, kept, acceptance.max_per_class, acceptance.seed)
    _check_classes(parsed, kept, len(aside), settings.min_per_class, where)
    manifest = [SetAside(parsed.item_ids[i], parsed.labels[i], aside[i]) for i in sorted(aside)]
    return _chosen(parsed, kept, source, y_axis), manifest


def write_manifest(aside: Sequence[SetAside], path: Path | str) -> None:
    """Write what was set aside as CSV (item_id, label, reason), atomically; a header alone where nothing was."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item_id", "label", "reason"])
        writer.writerows([item.item_id, item.label, item.reason] for item in aside)


def _new(found: Mapping[int, str], known: Mapping[int, str]) -> dict[int, str]:
    return {index: reason for index, reason in found.items() if index not in known}


def _refusal(parsed: Parsed, bad: Mapping[int, str], where: str) -> str:
    named = "; ".join(f"{parsed.item_ids[i] or '(no id)'}: {bad[i]}" for i in sorted(bad)[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"{where}: {len(bad)} of {len(parsed.item_ids)} items cannot be used ({named}{more}); mend them, "
        "or set trajectories.invalid: quarantine in params.yaml to leave them out of all arms alike"
    )


def _check_classes(parsed: Parsed, kept: Sequence[int], aside: int, required: int, where: str) -> None:
    counts = Counter(parsed.labels[index] for index in kept)
    after = f" after {aside} were set aside" if aside else ""
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r}" if counts else "none"
        raise UserError(f"{where}: items of at least 2 classes are required, got {found}{after}")
    few = [f"{name!r} has {counts[name]}" for name in parsed.classes if 0 < counts[name] < required]
    if few:
        raise UserError(
            f"{where}: every class needs at least {required} items (trajectories.min_per_class in params.yaml), "
            f"but {', '.join(few[:NAMED])}{' and others' if len(few) > NAMED else ''}{after}"
        )
    for part in ("train", "test"):
        present = {parsed.labels[index] for index in kept if parsed.splits[index] == part}
        absent = [name for name in parsed.classes if counts[name] and name not in present]
        if absent and any(parsed.splits[index] for index in kept):
            raise UserError(f"{where}: the published {part} part has no item of {', '.join(absent)}{after}")


def _chosen(parsed: Parsed, kept: Sequence[int], source: str, y_axis: YAxis) -> TrajectorySet:
    present = {parsed.labels[index] for index in kept}
    return TrajectorySet(
        item_ids=[parsed.item_ids[index] for index in kept],
        labels=[parsed.labels[index] for index in kept],
        groups=[parsed.groups[index] for index in kept],
        splits=[parsed.splits[index] for index in kept],
        times=[parsed.times[index] for index in kept],
        points=[parsed.points[index] for index in kept],
        classes=[name for name in parsed.classes if name in present],
        source=source,
        digest=parsed.digest(),
        y_axis=y_axis,
    )
