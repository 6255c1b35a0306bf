"""What `trajprobe import` says: what was read, everything that was assumed, and what a later stage would refuse."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from trajprobe.artifacts.source_card import FileCard
from trajprobe.artifacts.trajectories import TrajectorySet, label_values
from trajprobe.baseline.task import NEED_CLASSES, NO_CLASSES
from trajprobe.core.errors import UserError
from trajprobe.params import Params
from trajprobe.probe.folds import is_published, make_folds
from trajprobe.trajectories.near_copies import warn_of_near_copies
from trajprobe.trajectories.validation import SetAside, summarize

REGULAR = 1e-3  # of the median step: steps that differ by less are called equal


def describe_import(
    trajectories: TrajectorySet,
    aside: Sequence[SetAside],
    card: FileCard,
    notes: Sequence[str],
    stated: Collection[str],
) -> list[str]:
    """The set, the notes of its reader, and the other assumptions, a line each.

    stated: the keys of the card that somebody chose; all others are assumptions.
    """
    if trajectories.points:
        moves = [_describe_spacing(trajectories), _describe_axes(trajectories, card, stated)]
    else:
        lasts = [clock[-1] for clock in trajectories.times]
        moves = [f"spacing: clips last {_range(lasts)} s from the first frame to the last"]
    return [
        summarize(trajectories, aside),
        *notes,
        *moves,
        *(_describe_clips(trajectories) if trajectories.clips is not None else []),
        _describe_groups(trajectories),
    ]


def _describe_clips(trajectories: TrajectorySet) -> list[str]:
    if not trajectories.points:
        return [
            "clips: shown as they are, resized; no trajectories, so there is no control `coordinates`, and no "
            "alternatives that need paths"
        ]
    return [
        "clips: shown as they are, resized; the trajectories are the control `coordinates` only (--draw draws them and "
        "leaves the clips out)"
    ]


def _describe_spacing(trajectories: TrajectorySet) -> str:
    steps = np.concatenate([np.diff(clock) for clock in trajectories.times])
    usual = float(np.median(steps))
    lasts = [clock[-1] for clock in trajectories.times]
    lasting = f"paths last {_range(lasts)} s"
    uneven = sum(bool(np.ptp(np.diff(clock)) > REGULAR * usual) for clock in trajectories.times)
    if not uneven and np.ptp(steps) <= REGULAR * usual:
        return f"spacing: {usual:g} s between points; {lasting}"
    return f"spacing: {_range(steps)} s between points, median {usual:g}, uneven within {uneven} items; {lasting}"


def _describe_axes(trajectories: TrajectorySet, card: FileCard, stated: Collection[str]) -> str:
    if trajectories.points[0].shape[1] == 2:
        if "y_axis" in stated:
            return f"axes: x to the right, y {card.y_axis}"
        if card.y_axis == "down":
            return "axes: x to the right, y down as in images, assumed (--y-axis up if y points up)"
        return "axes: x to the right, y up, assumed (--y-axis down if these are image coordinates)"
    if "up" in stated:
        return "axes: z up" + (" after the rotation" if card.up != "z" else "")
    return "axes: z up, assumed (--up y if y points up)"


def _describe_groups(trajectories: TrajectorySet) -> str:
    count, groups = len(trajectories.item_ids), len(set(trajectories.groups))
    if groups == count:
        return (
            "groups: every item by itself; name a group if items belong together, as of a subject or a video"
        )
    return f"groups: {groups} of {count} items; items of a group, and exact copies, stay on one side of every split"


def _range(values: Sequence[float] | np.ndarray) -> str:
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"


def foresee(trajectories: TrajectorySet, params: Params) -> list[str]:
    """What later stages would refuse about the set with the present params, or be misled by, a line each."""
    warnings = warn_of_near_copies(trajectories)
    view, clips = params.render.view, trajectories.clips
    if clips is not None:
        short = sum(frames < params.render.frames for frames in clips.frames)
        if short:
            warnings.append(
                f"warning: {short} clips have fewer than {params.render.frames} frames (render.frames), so `render` "
                f"repeats some; add `-S render.frames={min(clips.frames)}` below, if your encoders take that many"
            )
    elif trajectories.points[0].shape[1] == 2 and view not in ("3d", "xy"):
        warnings.append(
            f"warning: `render` will refuse 2-D paths with render.view {view}; add `-S render.view=xy` below"
        )
    unfit = [name for name in params.baselines if name in NEED_CLASSES]
    if unfit and not trajectories.classes:
        warnings.append(
            f"warning: {' and '.join(unfit)} (baselines in params.yaml) will be left out: {NO_CLASSES}"
        )
    probe = params.probe
    reason = _refused(trajectories, params, probe.folds)
    if reason:
        fewest = _fewest_groups(trajectories)
        remedies = []
        if not is_published(probe.split, trajectories.splits):
            fewer = [
                folds
                for folds in range(min(fewest, probe.folds), 1, -1)
                if not _refused(trajectories, params, folds)
            ]
            remedies += [f"add `-S probe.folds={fewer[0]}` below"] if fewer else []
            remedies += (
                [f"import again with `--replace --min-per-class {probe.folds}`"]
                if fewest < probe.folds and trajectories.classes
                else []
            )
        warnings.append(
            f"warning: `probe` will refuse this set: {reason}" + "".join(f"; or {step}" for step in remedies)
        )
    return warnings


def _refused(trajectories: TrajectorySet, params: Params, folds: int) -> str:
    """Why no folds can be made of the set; empty if they can."""
    try:
        make_folds(
            label_values(trajectories.labels, trajectories.classes),
            trajectories.groups,
            trajectories.splits,
            trajectories.classes,
            split=params.probe.split,
            folds=folds,
            repeats=params.probe.repeats,
            inner_folds=params.probe.inner_folds,
            seed=params.probe.seed,
        )
    except UserError as error:
        return str(error)
    return ""


def _fewest_groups(trajectories: TrajectorySet) -> int:
    if not trajectories.classes:
        return len(set(trajectories.groups))
    groups = defaultdict(set)
    for label, group in zip(trajectories.labels, trajectories.groups, strict=True):
        groups[label].add(group)
    return min(map(len, groups.values()))
