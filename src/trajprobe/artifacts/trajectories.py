"""data/trajectories.parquet: the labelled items, in the order that all other artifacts keep.

One row per item: `item_id`, `label`, `group`, `split`, `time`, `points`, and `stroke` if any path has several strokes,
between which the pen was lifted. Items with a ready-made clip, which `render` resizes instead of drawing the path, have
the columns `clip`, where it is, `frames`, their number, and `clip_sha256`, the digest of its content. If such items
have no path there is no column `points`, and `time` holds the instants of the clip's frames. The metadata contain the
order of the classes, the name of the source, the digest of its content, which way y points, and how the values of
ready-made clips are scaled. No class at all means that the labels are numbers to predict (`target: regression` in the
source's card), which every later stage learns from here. Writing the same set twice gives the same bytes, and reading
notices damage.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from trajprobe.core.errors import UserError
from trajprobe.core.parquet_file import create_parquet, read_parquet_metadata, read_row_groups
from trajprobe.core.schema import YAxis

# Most points in a row group of several paths: bounds the memory that writing takes, and keeps the 32-bit offsets of
# lists far from their limit.
POINTS_AT_ONCE = 2**21
REMEDY = "`dvc repro trajectories` writes it"
NAMES = ("item_id", "label", "group", "split")
OPTIONAL = {
    "points": pa.list_(pa.list_(pa.float32())),
    "stroke": pa.list_(pa.int32()),
    "clip": pa.string(),
    "frames": pa.int32(),
    "clip_sha256": pa.string(),
}
OF_CLIPS = ["clip", "frames", "clip_sha256"]


@dataclass(frozen=True)
class ReadyClips:
    """The ready-made clips of N items, in their order.

    places: `FILE/MEMBER` for a video in a .zip, `FILE/ARRAY/ROW` for a row of an array; FILE lies beside the source's
    card. frames: the number in each clip, at least 2. scales: FILE -> how its values are scaled, for arrays: `bytes`
    (0 to 255), `unit` (0 to 1) or `signed` (-1 to 1). digests: hex SHA-256 of the content of each.
    """

    places: list[str]
    frames: list[int]
    scales: dict[str, str]
    digests: list[str]


@dataclass(frozen=True)
class Items:
    """The N items without their paths: lists of length N, and the K classes in order; none if labels are numbers.

    groups: what must not be on both sides of a split. splits: `train` or `test` for all items, or empty for all.
    clips: None if the paths are drawn. has_paths: False for items that are clips only.
    """

    item_ids: list[str]
    labels: list[str]
    groups: list[str]
    splits: list[str]
    classes: list[str]
    source: str = ""
    clips: ReadyClips | None = None
    has_paths: bool = True


@dataclass(frozen=True)
class TrajectorySet:
    """N validated items; lists of length N.

    times: float64 (P,), seconds, strictly increasing from 0. points: float32 (P, 2) for all or (P, 3) for all,
    relative to the first point; P >= 2 differs from item to item. An empty list if the items are clips without paths;
    then `times` are the instants of their frames. classes: the K labels in order; none if they are numbers. digest:
    SHA-256 of the source's content (`Parsed.digest`), including items that were set aside. y_axis: which way y points.
    strokes: int32 (P,) numbers of the strokes from 0, along the path; None if every path is one stroke. clips:
    ready-made, None if the paths are drawn.
    """

    item_ids: list[str]
    labels: list[str]
    groups: list[str]
    splits: list[str]
    times: list[np.ndarray]
    points: list[np.ndarray]
    classes: list[str]
    source: str
    digest: str
    y_axis: YAxis
    strokes: list[np.ndarray] | None = None
    clips: ReadyClips | None = None


def label_values(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """(N,) what a probe learns: integers into `classes`, or without classes the float64 numbers that they are."""
    if not classes:
        return np.array([float(label) for label in labels])
    index = {label: code for code, label in enumerate(classes)}
    return np.array([index[label] for label in labels])


def shown_classes(labels: Sequence[str], classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """The labels and classes by which items are shown: as they are, or the thirds of numbers, with their ranges."""
    if classes:
        return list(labels), list(classes)
    values = label_values(labels, [])
    third = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="right")
    names = {
        code: f"{name} third, {values[third == code].min():.3g} to {values[third == code].max():.3g}"
        for code, name in enumerate(("lowest", "middle", "highest"))
        if (third == code).any()
    }
    return [names[code] for code in third.tolist()], list(names.values())


def items_digest(item_ids: Sequence[str]) -> str:
    """SHA-256 of the newline-joined item ids: identifies the items of an artifact and their order."""
    return hashlib.sha256("\n".join(item_ids).encode()).hexdigest()


def write_trajectories(trajectories: TrajectorySet, path: Path | str) -> None:
    """Write the set to the Parquet file `path`, atomically; the same set gives the same bytes."""
    described: dict[str, Any] = {
        "classes": trajectories.classes,
        "digest": trajectories.digest,
        "source": trajectories.source,
        "y_axis": trajectories.y_axis,
    }
    points, strokes, clips = trajectories.points, trajectories.strokes, trajectories.clips
    if clips is not None:
        described["scales"] = clips.scales
    optional = [
        *(["points"] if points else []),
        *(["stroke"] if strokes is not None else []),
        *(OF_CLIPS if clips is not None else []),
    ]
    schema = _schema(optional)
    with create_parquet(path, schema, described) as write:
        for rows in _row_groups(trajectories.times):
            columns = [
                pa.array(trajectories.item_ids[rows], pa.string()),
                pa.array(trajectories.labels[rows], pa.string()),
                pa.array(trajectories.groups[rows], pa.string()),
                pa.array(trajectories.splits[rows], pa.string()),
                _lists(trajectories.times[rows]),
                *([_lists_of_points(points[rows])] if points else []),
                *([] if strokes is None else [_lists(strokes[rows])]),
            ]
            if clips is not None:
                columns += [
                    pa.array(clips.places[rows], pa.string()),
                    pa.array(clips.frames[rows], pa.int32()),
                    pa.array(clips.digests[rows], pa.string()),
                ]
            write(pa.table(columns, schema=schema))


def read_trajectories(path: Path | str) -> TrajectorySet:
    """Read what `write_trajectories` wrote.

    Raises UserError if the file is missing, damaged, is not such a file, or its items are clips without paths
    (`read_items` reads those).
    """
    schema, described = _describe(path)
    if "points" not in schema.names:
        raise UserError(
            f"{path}: its items are ready-made clips without trajectories, which are required here; import a source "
            "with trajectories, or set another `source` in params.yaml"
        )
    names: dict[str, list[str]] = {name: [] for name in NAMES}
    times: list[np.ndarray] = []
    points: list[np.ndarray] = []
    strokes: list[np.ndarray] = []
    places: list[str] = []
    frames: list[int] = []
    digests: list[str] = []
    for group in read_row_groups(path, schema.names, REMEDY):
        table = group.combine_chunks()
        for name, column in names.items():
            column.extend(table[name].to_pylist())
        clocks, paths = table["time"].chunk(0), table["points"].chunk(0)
        times += _split(clocks.flatten().to_numpy(), clocks)
        inner = paths.flatten()
        points += _split(inner.flatten().to_numpy().reshape(len(inner), -1), paths)
        if "stroke" in table.column_names:
            numbers = table["stroke"].chunk(0)
            strokes += _split(numbers.flatten().to_numpy(), numbers)
        if "clip" in table.column_names:
            places += table["clip"].to_pylist()
            frames += table["frames"].to_pylist()
            digests += table["clip_sha256"].to_pylist()
    return TrajectorySet(
        item_ids=names["item_id"],
        labels=names["label"],
        groups=names["group"],
        splits=names["split"],
        times=times,
        points=points,
        classes=described["classes"],
        source=described["source"],
        digest=described["digest"],
        y_axis=cast(YAxis, described["y_axis"]),
        strokes=strokes or None,
        clips=ReadyClips(places, frames, described["scales"], digests) if places else None,
    )


def read_items(path: Path | str) -> Items:
    """Read the items without their paths. Raises UserError as `read_trajectories` does."""
    schema, described = _describe(path)
    has_clips, has_paths = (name in schema.names for name in ("clip", "points"))
    table = pa.concat_tables(read_row_groups(path, [*NAMES, *(OF_CLIPS if has_clips else [])], REMEDY))
    found = {name: table[name].to_pylist() for name in table.column_names}
    clips = None
    if has_clips:
        clips = ReadyClips(found["clip"], found["frames"], described["scales"], found["clip_sha256"])
    item_ids, labels, groups, splits = (found[name] for name in NAMES)
    return Items(
        item_ids, labels, groups, splits, described["classes"], described["source"], clips, has_paths
    )


def _describe(path: Path | str) -> tuple[pa.Schema, dict[str, Any]]:
    """The schema and the metadata of the file."""
    schema, described = read_parquet_metadata(path, REMEDY)
    optional = [name for name in OPTIONAL if name in schema.names]
    if not schema.equals(_schema(optional)) or {"points", "clip"}.isdisjoint(optional):
        raise UserError(f"{path}: is not a set of trajectories; {REMEDY}")
    return schema, described


def _schema(optional: Sequence[str]) -> pa.Schema:
    required = [*((name, pa.string()) for name in NAMES), ("time", pa.list_(pa.float64()))]
    return pa.schema([*required, *((name, OPTIONAL[name]) for name in optional)])


def _row_groups(times: Sequence[np.ndarray]) -> Iterator[slice]:
    start = held = 0
    for index, clock in enumerate(times):
        if held and held + len(clock) > POINTS_AT_ONCE:
            yield slice(start, index)
            start, held = index, 0
        held += len(clock)
    if held:
        yield slice(start, len(times))


def _lists(arrays: Sequence[np.ndarray]) -> pa.ListArray:
    """(P,) float64 or int32 arrays as a list column."""
    return pa.ListArray.from_arrays(_offsets(arrays), pa.array(np.concatenate(arrays)))


def _lists_of_points(arrays: Sequence[np.ndarray]) -> pa.ListArray:
    """(P, D) float32 arrays as a column of lists of lists."""
    flat = np.concatenate(arrays)
    inner_offsets = np.arange(len(flat) + 1, dtype=np.int32) * np.int32(flat.shape[1])
    inner = pa.ListArray.from_arrays(pa.array(inner_offsets), pa.array(flat.ravel()))
    return pa.ListArray.from_arrays(_offsets(arrays), inner)


def _offsets(arrays: Sequence[np.ndarray]) -> pa.Array:
    return pa.array(np.cumsum([0, *map(len, arrays)], dtype=np.int32))


def _split(flat: np.ndarray, lists: pa.ListArray) -> list[np.ndarray]:
    """The parts of `flat` that belong to the rows of a list column."""
    offsets = lists.offsets.to_numpy()
    return np.split(flat, (offsets - offsets[0])[1:-1])
