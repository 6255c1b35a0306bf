"""A set of trajectories in a few lines, for the person who made it or brought it."""

from collections import Counter
from collections.abc import Sequence

from trajprobe.trajectories.table import TrajectorySet
from trajprobe.trajectories.validation import SetAside

LISTED = 20  # classes that are named


def describe(trajectories: TrajectorySet, aside: Sequence[SetAside]) -> str:
    """What is in the set, and how much was set aside."""
    counts = Counter(trajectories.labels)
    listed = [f"{name} {counts[name]}" for name in trajectories.classes[:LISTED]]
    more = ", ..." if len(counts) > LISTED else ""
    lengths = [len(path) for path in trajectories.points]
    points = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
    facts = [
        f"{trajectories.points[0].shape[1]}-D",
        f"{points} points each",
        f"y points {trajectories.y_axis}",
    ]
    groups = len(set(trajectories.groups))
    if groups < len(lengths):
        facts.append(f"{groups} groups")
    splits = Counter(trajectories.splits)
    if splits["train"]:
        facts.append(f"published split {splits['train']} train, {splits['test']} test")
    lines = [
        f"{trajectories.source}: {len(lengths)} trajectories of {len(counts)} classes ({', '.join(listed)}{more})",
        ", ".join(facts),
    ]
    if aside:
        lines.append(f"{len(aside)} items set aside, the first of them {aside[0].item_id}: {aside[0].reason}")
    return "\n".join(lines)
