"""What a source contains: labelled paths, not yet validated.

A reader of files returns `Raw` items as the file has them, with a note on everything that it assumed;
`cleaning.py` applies the rules of the card to them. These and the synthesis end in `parse`, which brings paths to one
form: seconds from the first point, coordinates relative to the first point. Where a path starts is no part of its
motion and no clip shows it. A start far from the origin (metres on a map, seconds since 1970) would also cost float32
its precision. Invalid items are found later, by `trajectories/validation.py`; a reader records in `defects` what the
arrays cannot show, such as two labels in one path.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class ItemClip:
    """The ready-made clip of an item: its place in the source's file (a member, or an array and a row), its frames,
    and the hex SHA-256 of its content."""

    place: str
    frames: int
    sha256: str


NO_PATH = np.empty((0, 2), np.float32)  # the points of an item that is a clip without a path


@dataclass
class Raw:
    """N items as a file has them; lists of length N.

    labels: empty if missing. points: (P, D) of any real dtype, NaN where missing; all NO_PATH if the items are clips
    without paths, whose `times` are those of the frames. times: (P,) seconds; None if the file has none. item_ids: None
    for the position in the file. groups, splits: None for empty ones. classes: None for the labels that occur. strokes:
    (P,) numbers that change where the pen was lifted. rectangular: all items have one length by the file's layout, so
    shorter ones may be padded. defects: item -> reason, for what a reader found wrong. notes: what was assumed, for the
    user. clips: ready-made, None if the paths are drawn. scale: of the values of clips in an array.
    """

    labels: list[str]
    points: list[np.ndarray]
    times: list[np.ndarray] | None = None
    item_ids: list[str] | None = None
    groups: list[str] | None = None
    splits: list[str] | None = None
    classes: list[str] | None = None
    strokes: list[np.ndarray] | None = None
    rectangular: bool = False
    defects: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    clips: list[ItemClip] | None = None
    scale: str | None = None

    @property
    def has_paths(self) -> bool:
        return self.clips is None or any(map(len, self.points))


@dataclass(frozen=True)
class Parsed:
    """N items, not validated; lists of length N in the order of the source.

    times: float64 (P,), seconds, from 0. points: float32 (P, 2|3), from the origin. groups: what must not be on both
    sides of a split; empty for the item itself. splits: `train`, `test` or empty. classes: the labels in order.
    defects: item -> reason, for what a reader found wrong. strokes: int32 (P,) numbers from 0 that grow where the pen
    was lifted; None if no path has more than one stroke. notes: what was assumed. clips: ready-made, None if the paths
    are drawn; `place` then begins with the name of the file, whose key in `scales` says how values of an array are
    scaled. If no item has a path (`has_paths`), `times` are those of the frames.
    """

    item_ids: list[str]
    labels: list[str]
    groups: list[str]
    splits: list[str]
    times: list[np.ndarray]
    points: list[np.ndarray]
    classes: list[str]
    defects: Mapping[int, str] = field(default_factory=dict)
    strokes: list[np.ndarray] | None = None
    notes: Sequence[str] = ()
    clips: list[ItemClip] | None = None
    scales: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_paths(self) -> bool:
        return self.clips is None or any(map(len, self.points))

    def digest(self) -> str:
        """Hex SHA-256 of the content, the same for every file format.

        It covers ids, labels, groups and splits as JSON, then the shape, times (float64) and points (float32) of
        each item, the strokes (int32) if there are any, and the digests of ready-made clips.
        """
        names = json.dumps([self.item_ids, self.labels, self.groups, self.splits], ensure_ascii=False)
        state = hashlib.sha256(names.encode("utf-8", "surrogatepass"))
        for clock, path in zip(self.times, self.points, strict=True):
            state.update(np.array([clock.size, *path.shape], dtype="<i8").tobytes())
            state.update(np.ascontiguousarray(clock, dtype="<f8").tobytes())
            state.update(np.ascontiguousarray(path, dtype="<f4").tobytes())
        for numbers in self.strokes or ():
            state.update(np.ascontiguousarray(numbers, dtype="<i4").tobytes())
        for clip in self.clips or ():
            state.update(clip.sha256.encode())
        return state.hexdigest()


def parse(raw: Raw, time_step: float = 1.0) -> Parsed:
    """Bring items to the form of `Parsed`. time_step: seconds between points if the items have no times.

    Ids are by default the position in the source, in six digits; classes the labels that occur, in natural order.
    """
    with np.errstate(all="ignore"):  # the validation reports NaN, infinity and overflow
        points = [_from_start(path).astype(np.float32) for path in raw.points]
        if raw.times is None:
            times = [np.arange(len(path)) * float(time_step) for path in points]
        else:
            times = [_from_start(instants) for instants in raw.times]
    strokes = None if raw.strokes is None else [_counted(changes) for changes in raw.strokes]
    lifted = strokes is not None and any(len(own) and own[-1] for own in strokes)
    count = len(points)
    return Parsed(
        item_ids=[f"{index:06d}" for index in range(count)] if raw.item_ids is None else list(raw.item_ids),
        labels=list(raw.labels),
        groups=[""] * count if raw.groups is None else list(raw.groups),
        splits=[""] * count if raw.splits is None else list(raw.splits),
        times=times,
        points=points,
        classes=in_natural_order({label for label in raw.labels if label.strip()})
        if raw.classes is None
        else list(raw.classes),
        defects=dict(raw.defects),
        strokes=strokes if lifted else None,
        notes=list(raw.notes),
        clips=raw.clips,
    )


def join(parts: Sequence[Parsed]) -> Parsed:
    """The items of several files, one after the other; classes in natural order unless all parts have one order."""
    defects: dict[int, str] = {}
    start = 0
    for part in parts:
        defects |= {start + index: reason for index, reason in part.defects.items()}
        start += len(part.item_ids)
    orders = {tuple(part.classes) for part in parts}
    names = {name for part in parts for name in part.classes}
    return Parsed(
        item_ids=[item for part in parts for item in part.item_ids],
        labels=[label for part in parts for label in part.labels],
        groups=[group for part in parts for group in part.groups],
        splits=[split for part in parts for split in part.splits],
        times=[clock for part in parts for clock in part.times],
        points=[path for part in parts for path in part.points],
        classes=list(parts[0].classes) if len(orders) == 1 else in_natural_order(names),
        defects=defects,
        strokes=_joined_strokes(parts) if any(part.strokes for part in parts) else None,
        clips=[clip for part in parts for clip in part.clips or ()] or None,
        scales={file: scale for part in parts for file, scale in part.scales.items()},
    )


def _joined_strokes(parts: Sequence[Parsed]) -> list[np.ndarray]:
    return [
        numbers
        for part in parts
        for numbers in part.strokes or [np.zeros(len(path), np.int32) for path in part.points]
    ]


def rename_classes(parsed: Parsed, names: Mapping[str, str]) -> Parsed:
    """Replace the labels in the files by their `names`; a label without a name becomes a defect of its item."""
    defects = dict(parsed.defects)
    for index, label in enumerate(parsed.labels):
        if label and label not in names:
            defects.setdefault(index, f"label {label!r} is not among the classes of the card")
    labels = [names.get(label, label) for label in parsed.labels]
    return replace(parsed, labels=labels, classes=list(names.values()), defects=defects)


def in_natural_order(names: set[str]) -> list[str]:
    """Numbers by value, before all other names in alphabetical order."""
    return sorted(names, key=lambda name: (0, int(name), name) if _is_number(name) else (1, 0, name))


def much_alike(names: Sequence[str]) -> list[list[str]]:
    """Sets of names that may be meant as one: 1 and 1.0, 01 and 1, a and A, or with marks that nobody sees."""
    sets: dict[str, list[str]] = {}
    for name in names:
        sets.setdefault(_simplest(name), []).append(name)
    return [alike for alike in sets.values() if len(alike) > 1]


def _simplest(name: str) -> str:
    seen = "".join(mark for mark in name if unicodedata.category(mark) != "Cf")
    plain = " ".join(unicodedata.normalize("NFKC", seen).casefold().split())
    try:
        return f"{float(plain):g}" if plain.isascii() and len(plain) < 20 else plain
    except ValueError:
        return plain


def _counted(numbers: np.ndarray) -> np.ndarray:
    """Stroke numbers from 0, one more at each change."""
    changes = numbers[1:] != numbers[:-1]
    return np.concatenate([np.zeros(min(len(numbers), 1), np.int32), np.cumsum(changes, dtype=np.int32)])


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20


def _from_start(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values - values[:1] + 0.0  # + 0.0 turns -0.0 into 0.0: equal paths must have equal bytes
