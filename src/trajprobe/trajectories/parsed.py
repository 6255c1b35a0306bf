"""What a source hands over: labelled paths as it tells them, not yet checked.

Readers of files and the synthesis both end in `parse`, which brings every path to one form: seconds from its first
point, coordinates relative to its first point. Where in the world a path starts is no part of its motion and no
clip shows it, and a start far from the origin (metres on a map, seconds since 1970) would cost float32 its digits.
What is wrong with an item is found later, by `trajprobe.trajectories.validation`; a reader that notices something
which the arrays cannot show (two labels in one path) puts it down in `defects`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Parsed:
    """N items, unchecked; lists of length N in the order of the source.

    times: float64 (P,), seconds, starting at 0. points: float32 (P, 2|3), starting at the origin.
    groups: what must not straddle a split; empty: the item itself. splits: `train`, `test` or empty. classes: the
    order of the classes. defects: item -> what a reader found wrong.
    """

    item_ids: list[str]
    labels: list[str]
    groups: list[str]
    splits: list[str]
    times: list[np.ndarray]
    points: list[np.ndarray]
    classes: list[str]
    defects: Mapping[int, str] = field(default_factory=dict)

    def digest(self) -> str:
        """Hex SHA-256 of ids, labels, groups, splits, times and points: the same whatever file format held them."""
        return content_digest(self.item_ids, self.labels, self.groups, self.splits, self.times, self.points)


def parse(
    labels: Sequence[str],
    points: Sequence[np.ndarray],
    *,
    times: Sequence[np.ndarray] | None = None,
    time_step: float = 1.0,
    item_ids: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    defects: Mapping[int, str] | None = None,
) -> Parsed:
    """Bring N items to the form of `Parsed`; all sequences have length N.

    points: (P, D) of any real dtype. times: (P,) in seconds, by default `time_step` apart. item_ids: by default
    the position in the source, six digits. groups, splits: by default empty. classes: by
    default the labels that occur, in natural order.
    """
    item_ids = list(item_ids) if item_ids is not None else [f"{index:06d}" for index in range(len(labels))]
    with np.errstate(all="ignore"):  # NaN, infinity and overflow stay to be found by the validation
        relative = [_from_start(path).astype(np.float32) for path in points]
        if times is None:
            clock = [np.arange(len(path)) * float(time_step) for path in relative]
        else:
            clock = [_from_start(instants) for instants in times]
    return Parsed(
        item_ids=item_ids,
        labels=list(labels),
        groups=list(groups) if groups is not None else [""] * len(labels),
        splits=list(splits) if splits is not None else [""] * len(labels),
        times=clock,
        points=relative,
        classes=list(classes)
        if classes is not None
        else in_natural_order({label for label in labels if label.strip()}),
        defects=dict(defects or {}),
    )


def join(parts: Sequence[Parsed]) -> Parsed:
    """The items of several sources, one after the other; classes in natural order unless all agree on another."""
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
    )


def rename_classes(parsed: Parsed, names: Mapping[str, str]) -> Parsed:
    """Give the labels in the files their names; a label that `names` does not list becomes a defect of its item."""
    defects = dict(parsed.defects)
    for index, label in enumerate(parsed.labels):
        if label and label not in names:
            defects.setdefault(index, f"label {label!r} is not among the classes of the card")
    labels = [names.get(label, label) for label in parsed.labels]
    return replace(parsed, labels=labels, classes=list(names.values()), defects=defects)


def content_digest(
    item_ids: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str],
    splits: Sequence[str],
    times: Sequence[np.ndarray],
    points: Sequence[np.ndarray],
) -> str:
    """Hex SHA-256 over the names as JSON, then each item's shape, times (float64) and points (float32)."""
    names = json.dumps([list(column) for column in (item_ids, labels, groups, splits)], ensure_ascii=False)
    state = hashlib.sha256(names.encode("utf-8", "surrogatepass"))
    for clock, path in zip(times, points, strict=True):
        state.update(np.array([clock.size, *path.shape], dtype="<i8").tobytes())
        state.update(np.ascontiguousarray(clock, dtype="<f8").tobytes())
        state.update(np.ascontiguousarray(path, dtype="<f4").tobytes())
    return state.hexdigest()


def in_natural_order(names: set[str]) -> list[str]:
    """Numbers by value, before all other names in alphabetical order."""
    return sorted(names, key=lambda name: (0, int(name), name) if _is_number(name) else (1, 0, name))


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 20


def _from_start(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values - values[:1] + 0.0  # + 0.0 turns -0.0 into 0.0, which must not tell two equal paths apart
