"""From what a source contains to a set that every later stage can rely on, or to one line that says what is wrong.

Nothing is repaired. `trajectories.invalid` in params.yaml decides whether invalid items stop the stage (`refuse`) or
are left out of all arms alike (`quarantine`). What a card leaves out by its own rule (`across_split: drop_train`) is
left out under both, as are items without a label (`unlabelled: drop`) and small classes (`min_per_class`). Labels that
are numbers (`target: regression`) need to differ in place of being of enough classes.
data/quarantine.csv lists all of them with their reasons. Last, a card's `max_per_class` reduces
classes that are larger than needed.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trajprobe.artifacts.source_card import Card
from trajprobe.artifacts.trajectories import ReadyClips, TrajectorySet, label_values
from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic
from trajprobe.core.terminal import escape_controls
from trajprobe.trajectories import item_checks
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed, much_alike

NAMED_ITEMS = 3  # invalid items that an error names
NAMED_CLASSES = 20  # classes that a summary names
LEAST_ITEMS = 20  # with labels that are numbers: of fewer neither a probe nor its error is known
CONSTANT = 1e-9  # range of numbers, as a share of the largest, up to which they do not differ


@dataclass(frozen=True)
class SetAside:
    """An item that is left out of the set, and the reason."""

    item_id: str
    label: str
    reason: str


def accept(parsed: Parsed, card: Card, settings: TrajectoriesParams) -> tuple[TrajectorySet, list[SetAside]]:
    """The sound items as a set, and the items left out; both in the order of the source.

    Raises UserError under `refuse` if any item is invalid, and always if fewer than two classes are left, a class
    has fewer than `min_per_class` items, or a published part lacks a class; of numbers, if they are fewer than
    LEAST_ITEMS or do not differ, in all and in both published parts.
    """
    groups = [group or item_id for group, item_id in zip(parsed.groups, parsed.item_ids, strict=True)]
    digest, parsed = parsed.digest(), replace(parsed, groups=groups)
    numeric = card.target == "regression"
    bad = item_checks.find_defects(parsed, numeric)
    sound = [index for index in range(len(parsed.item_ids)) if index not in bad]
    duplicates = item_checks.find_duplicates(parsed, sound)
    bad |= item_checks.conflicting_labels(parsed, duplicates)
    across = item_checks.duplicates_across_split(parsed, duplicates)
    across = {index: reason for index, reason in across.items() if index not in bad}
    out = bad.keys() | across.keys()
    left = [[index for index in copies if index not in out] for copies in duplicates]
    duplicates = [copies for copies in left if len(copies) > 1]
    if not card.group_duplicates:
        bad |= item_checks.ungrouped_duplicates(parsed, duplicates)
    out = bad.keys() | across.keys()
    across |= item_checks.groups_across_split(parsed, [index for index in sound if index not in out])
    if card.across_split == "refuse":
        bad |= across
        across = {}
    if card.unlabelled == "drop":
        across |= {index: reason for index, reason in bad.items() if reason == item_checks.NO_LABEL}
        bad = {index: reason for index, reason in bad.items() if reason != item_checks.NO_LABEL}
    if bad and settings.invalid == "refuse":
        raise UserError(_refusal(parsed, bad, card.name))
    aside = bad | across
    kept = [index for index in sound if index not in aside]
    if card.group_duplicates:
        parsed = replace(parsed, groups=item_checks.join_groups(parsed, duplicates))
    small: dict[int, str] = {}
    if card.min_per_class is not None:
        small = item_checks.in_small_classes(parsed, kept, card.min_per_class)
        aside |= small
        kept = [index for index in kept if index not in small]
    if card.max_per_class is not None:
        kept = subsample(parsed, kept, card.max_per_class, card.seed)
    if numeric:
        _check_numbers(parsed, kept, len(aside), card.name)
    else:
        occurring = {label for index, label in enumerate(parsed.labels) if index not in small}
        _check_classes(parsed, kept, occurring, len(aside), settings.min_per_class, card.name)
    manifest = [SetAside(parsed.item_ids[i], parsed.labels[i], aside[i]) for i in sorted(aside)]
    return _select(parsed, kept, card, digest), manifest


def write_manifest(aside: Sequence[SetAside], path: Path | str) -> None:
    """Write the items left out as CSV (item_id, label, reason), atomically; only the header if there are none."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["item_id", "label", "reason"])
        writer.writerows(
            [escape_controls(text) for text in (item.item_id, item.label, item.reason)] for item in aside
        )


def summarize(trajectories: TrajectorySet, aside: Sequence[SetAside]) -> str:
    """The set in two lines; more if classes have names much alike, or items were left out."""
    paths, total = trajectories.points, len(trajectories.item_ids)
    facts = [f"{paths[0].shape[1]}-D", f"{_ends([len(path) for path in paths])} points each"] if paths else []
    if paths and (paths[0].shape[1] == 2 or trajectories.y_axis == "down"):
        facts.append(f"y points {trajectories.y_axis}")
    if trajectories.clips is not None:
        facts.append(f"ready-made clips of {_ends(trajectories.clips.frames)} frames each")
    groups = len(set(trajectories.groups))
    if groups < total:
        facts.append(f"{groups} groups")
    splits = Counter(trajectories.splits)
    if splits["train"]:
        facts.append(f"published split {splits['train']} train, {splits['test']} test")
    lines = [
        f"{trajectories.source}: {total} {'trajectories' if paths else 'clips'} {_described_labels(trajectories)}",
        ", ".join(facts),
    ]
    for alike in much_alike(trajectories.classes)[:NAMED_ITEMS]:
        lines.append(
            f"warning: {' and '.join(map(repr, alike))} are different classes; if one is meant, correct the labels"
        )
    if aside:
        reasons = Counter(item.reason for item in aside)
        counted = [f"{count} {reason}" for reason, count in reasons.most_common() if count > 1][:NAMED_ITEMS]
        also = f" ({', '.join(counted)})" if counted and len(aside) > 1 else ""
        lines.append(
            f"{len(aside)} items set aside{also}, the first of them {aside[0].item_id}: {aside[0].reason}"
        )
    return "\n".join(lines)


def _described_labels(trajectories: TrajectorySet) -> str:
    counts = Counter(trajectories.labels)
    if not trajectories.classes:
        values = label_values(trajectories.labels, [])
        return (
            f"with numbers to predict, {values.min():g} to {values.max():g} (mean {values.mean():g}, "
            f"standard deviation {values.std():g}, {len(np.unique(values))} different)"
        )
    named = [f"{name} {counts[name]}" for name in trajectories.classes[:NAMED_CLASSES]]
    more = ", ..." if len(counts) > NAMED_CLASSES else ""
    return f"of {len(counts)} classes ({', '.join(named)}{more})"


def _ends(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _refusal(parsed: Parsed, bad: Mapping[int, str], source: str) -> str:
    named = "; ".join(f"{parsed.item_ids[i][:60] or '(no id)'}: {bad[i]}" for i in sorted(bad)[:NAMED_ITEMS])
    more = f"; and {len(bad) - NAMED_ITEMS} more" if len(bad) > NAMED_ITEMS else ""
    remedies = ["fix them"]
    reasons = list(bad.values())
    if unlabelled := reasons.count(item_checks.NO_LABEL):
        remedies.append(
            f"leave out the {unlabelled} without a label by --drop-unlabelled (if NA or the like "
            "is a class, name it under `classes` in the card)"
        )
        unused = [note.removeprefix("labels: ") for note in parsed.notes if "have no item" in note]
        remedies += [f"correct the file of labels, as {note}" for note in unused]
    if any(" is NaN " in reason for reason in reasons):
        remedies.append("fill or cut gaps by --gaps interpolate or --gaps split")
    if any("time stamp" in reason for reason in reasons):
        remedies.append("drop repeated time stamps by --gaps interpolate")
    if any(reason.startswith("label ") and "finite number" in reason for reason in reasons):
        remedies.append("set target: classes in the card (import without --target) if labels are names")
    remedies.append("set trajectories.invalid: quarantine in params.yaml to leave them out of all arms alike")
    return (
        f"source {source}: {len(bad)} of {len(parsed.item_ids)} items cannot be used ({named}{more}); "
        f"{', or '.join(remedies)}"
    )


def _check_classes(
    parsed: Parsed, kept: Sequence[int], occurring: set[str], aside: int, required: int, source: str
) -> None:
    """occurring: the classes that must have items."""
    counts = Counter(parsed.labels[index] for index in kept)
    after = f" after {aside} were set aside" if aside else ""
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r}" if counts else "none"
        raise UserError(f"source {source}: items of at least 2 classes are required, got {found}{after}")
    few = [
        f"{name!r} has {counts[name]}"
        for name in parsed.classes
        if name in occurring and counts[name] < required
    ]
    if few:
        raise UserError(
            f"source {source}: every class needs at least {required} items (trajectories.min_per_class), but "
            f"{', '.join(few[:NAMED_ITEMS])}{' and others' if len(few) > NAMED_ITEMS else ''}{after}; lower it, or "
            f"leave such classes out by `trajprobe import --min-per-class {required}`{_numbers_meant(counts)}"
        )
    for part in ("train", "test"):
        present = {parsed.labels[index] for index in kept if parsed.splits[index] == part}
        absent = [name for name in parsed.classes if counts[name] and name not in present]
        if absent and any(parsed.splits[index] for index in kept):
            raise UserError(
                f"source {source}: the published {part} part has no item of {', '.join(absent)}{after}"
            )


def _numbers_meant(labels: Iterable[str]) -> str:
    """A remedy for classes that are too small because they are all numbers, of something that was measured."""
    if not all(item_checks.is_number(label) for label in labels):
        return ""
    return ", or say that labels are numbers to predict by `--target regression`"


def _check_numbers(parsed: Parsed, kept: Sequence[int], aside: int, source: str) -> None:
    """Raise UserError if the numbers that the labels of `kept` are cannot be predicted, or not be scored."""
    after = f" after {aside} were set aside" if aside else ""
    if len(kept) < LEAST_ITEMS:
        raise UserError(
            f"source {source}: target: regression needs at least {LEAST_ITEMS} items, got {len(kept)}{after}; add items"
        )
    values = label_values([parsed.labels[index] for index in kept], [])
    splits = np.array([parsed.splits[index] for index in kept])
    for part in ("", "train", "test") if splits.any() else ("",):
        own = values[splits == part] if part else values
        of_part = f" of the published {part} part" if part else ""
        if not len(own) or np.ptp(own) <= CONSTANT * np.abs(values).max():
            found = f"all are {own[0]:g}" if len(own) else "there are none"
            raise UserError(
                f"source {source}: target: regression needs labels{of_part} that differ, but {found}{after}; name "
                "another column or array as the label"
            )


def _select(parsed: Parsed, kept: Sequence[int], card: Card, digest: str) -> TrajectorySet:
    present = {parsed.labels[index] for index in kept}
    return TrajectorySet(
        item_ids=[parsed.item_ids[index] for index in kept],
        labels=[parsed.labels[index] for index in kept],
        groups=[parsed.groups[index] for index in kept],
        splits=[parsed.splits[index] for index in kept],
        times=[parsed.times[index] for index in kept],
        points=[parsed.points[index] for index in kept] if parsed.has_paths else [],
        classes=[] if card.target == "regression" else [name for name in parsed.classes if name in present],
        source=card.name,
        digest=digest,
        y_axis=card.y_axis,
        strokes=None if parsed.strokes is None else [parsed.strokes[index] for index in kept],
        clips=None if parsed.clips is None else select_clips(parsed, kept),
    )


def select_clips(parsed: Parsed, kept: Sequence[int]) -> ReadyClips:
    """The ready-made clips of the items `kept`, in that order."""
    own = [parsed.clips[index] for index in kept] if parsed.clips else []
    places, frames, digests = ([getattr(clip, key) for clip in own] for key in ("place", "frames", "sha256"))
    return ReadyClips(places, frames, dict(parsed.scales), digests)


def subsample(parsed: Parsed, kept: list[int], per_class: int, seed: int) -> list[int]:
    """The `kept` items without those of a class beyond `per_class`, in their old order.

    Items are ordered by a hash of their ids and the seed, so the draw in one class does not depend on other classes.
    The published train and test parts share a class's places in proportion to their sizes. Within a part, every
    group gets one item before any group gets a second, as items of several groups carry more information.
    """
    strata: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index in kept:
        strata[parsed.labels[index]][parsed.splits[index]].append(index)
    chosen: set[int] = set()
    for parts in strata.values():
        places = _share_places(per_class, {split: len(items) for split, items in parts.items()})
        for split, items in parts.items():
            chosen.update(_draw_order(parsed, items, seed)[: places[split]])
    return [index for index in kept if index in chosen]


def _share_places(places: int, sizes: dict[str, int]) -> dict[str, int]:
    """`places` shared over parts by the largest-remainder method; at least one each if `places` suffice."""
    total = sum(sizes.values())
    if total <= places:
        return sizes
    shares = {split: places * size // total for split, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda split: (-(places * sizes[split] % total), split))
    for split in by_remainder[: places - sum(shares.values())]:
        shares[split] += 1
    for split in sorted(sizes):
        if shares[split] == 0 and places >= len(sizes):
            shares[max(shares, key=lambda name: (shares[name], name))] -= 1
            shares[split] = 1
    return shares


def _draw_order(parsed: Parsed, items: list[int], seed: int) -> list[int]:
    """The items in random order, sorted by their rank within their group: one of every group, then a second, ..."""
    lots = {i: hashlib.sha256(f"{seed}:{parsed.item_ids[i]}".encode()).digest() for i in items}
    rank: dict[str, int] = defaultdict(int)
    order = []
    for index in sorted(items, key=lots.__getitem__):
        order.append((rank[parsed.groups[index]], lots[index], index))
        rank[parsed.groups[index]] += 1
    return [index for _, _, index in sorted(order)]
