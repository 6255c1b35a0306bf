"""NumPy archives (.npz) and arrays (.npy) of trajectories.

The paths are (N, P, 2|3) or (N, 2|3, P); for ragged ones an object array of N arrays (P, 2|3), or points
(sum of P, 2|3) with `lengths` (N,). Ready-made clips may be beside the paths, or in their place (`clip_rows.py`).
Labels (N,) are text, or whole numbers, which index `class_names` (K,) if that is present; or one-hot (N, K). Optional,
each (N,): `ids`, `groups`, `splits` (train or test); and `times`: (P,), (N, P), or in the form of the points.
`array_roles.py` finds out which array is which. Other arrays are not opened.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.artifacts.source_card import NpzCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.array_roles import find_arrays
from trajprobe.trajectories.sources.cleaning import is_missing
from trajprobe.trajectories.sources.clip_rows import ClipRows, read_clip_rows
from trajprobe.trajectories.sources.clock import UNITS, describe_unit
from trajprobe.trajectories.sources.npy_file import Array, describe_array, open_arrays, value_text
from trajprobe.trajectories.sources.parsed import NO_PATH, Raw


def read_npz(path: Path, card: NpzCard) -> Raw:
    """The items of the file, in its order.

    Raises UserError if it cannot be read, would execute anything, or its arrays do not fit each other.
    """
    with open_arrays(path) as file:
        labels_needed = card.label_file is None
        roles, notes = find_arrays(file.headers(), card.arrays, str(path), labels_needed, card.clips == "use")
        arrays = {ours: file.read(theirs) for ours, theirs in roles.items() if ours != "videos"}
    shown = read_clip_rows(path, roles["videos"]) if "videos" in roles else None
    if "points" in arrays:
        paths, lengths, rectangular, layout = _paths(arrays, roles, path, card)
    else:
        paths, lengths, rectangular, layout = [NO_PATH] * len(shown.clips if shown else ()), None, False, []
    count = len(paths)
    if shown and len(shown.clips) != count:
        raise UserError(
            f"{path}: has {len(shown.clips)} clips and {count} paths; required one clip for each path"
        )
    labels: list[str] = [""] * count
    defects: dict[int, str] = {}
    if "labels" in arrays:
        labels, defects = _labels(arrays, path, count)
    named = {
        name: _texts(arrays[name], name, path, count)
        for name in ("ids", "groups", "splits")
        if name in arrays
    }
    if shown and "points" not in arrays:
        return _clips_only(shown, labels, defects, named, arrays, path, card, notes)
    times = _times(arrays["times"], path, paths, lengths) if "times" in arrays else None
    if rectangular and "lengths" in arrays:
        paths, rectangular = _cut(paths, arrays["lengths"], path), False
        times = None if times is None else _cut(times, arrays["lengths"], path)
    scale = _scale(card)
    if times is None:
        notes.append(f"time: no array of times; points {card.time_step:g} s apart")
    else:
        notes.append(f"time: array {roles['times']!r}, {describe_unit(card)}")
    return Raw(
        labels,
        paths,
        times=times if times is None or scale == 1 else [clock * scale for clock in times],
        item_ids=named.get("ids"),
        groups=named.get("groups"),
        splits=named.get("splits"),
        classes=_texts(arrays["class_names"], "class_names", path) if "class_names" in arrays else None,
        rectangular=rectangular,
        defects=defects | (shown.defects if shown else {}),
        notes=[*notes, *layout, *(shown.notes if shown else [])],
        clips=shown.clips if shown else None,
        scale=shown.scale if shown else None,
    )


def _clips_only(
    shown: ClipRows,
    labels: list[str],
    defects: dict[int, str],
    named: Mapping[Any, list[str]],
    arrays: dict[str, Array],
    path: Path,
    card: NpzCard,
    notes: list[str],
) -> Raw:
    """Items whose only times are those of their frames, at the rate that the card gives."""
    step = _scale(card) if card.time_unit.endswith("fps") else card.time_step
    return Raw(
        labels,
        [NO_PATH] * len(labels),
        times=[np.arange(clip.frames) * step for clip in shown.clips],
        item_ids=named.get("ids"),
        groups=named.get("groups"),
        splits=named.get("splits"),
        classes=_texts(arrays["class_names"], "class_names", path) if "class_names" in arrays else None,
        defects=defects | shown.defects,
        notes=[*notes, *shown.notes, f"time: frames {step:g} s apart"],
        clips=shown.clips,
        scale=shown.scale,
    )


def _scale(card: NpzCard) -> float:
    if card.time_unit == "frames":
        return card.time_step
    rate = card.time_unit.removesuffix("fps")
    return 1 / float(rate) if rate != card.time_unit else UNITS[rate]


def _paths(
    arrays: dict[str, Array], roles: dict[str, str], path: Path, card: NpzCard
) -> tuple[list[np.ndarray], np.ndarray | None, bool, list[str]]:
    """The N paths, `lengths` if the points are in one row, whether all have one length, and notes."""
    name, array = roles["points"], arrays["points"]
    lengths = arrays.get("lengths")
    if isinstance(array, list):
        for index, element in enumerate(array):
            if not isinstance(element, np.ndarray) or element.dtype.kind not in "iuf" or element.ndim != 2:
                raise UserError(
                    f"{path}: {name}: element {index} must be numbers of shape (P, 2) or (P, 3), "
                    f"got {describe_array(element)}"
                )
        return array, None, False, []
    if lengths is not None and array.ndim == 2:
        return *_flat_paths(array, lengths, name, path), False, []
    if array.ndim == 4 and array.shape[3] in (2, 3) and array.dtype.kind in "iuf":
        if card.object is None or card.object >= array.shape[2]:
            raise UserError(
                f"{path}: {name}: has {array.shape[2]} objects in each item, shape (N, P, objects, D) = {array.shape}; "
                f"choose one by --object 0 to {array.shape[2] - 1}"
            )
        array = array[:, :, card.object]
    if array.ndim != 3 or not {2, 3} & set(array.shape[1:]) or array.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: {name}: must be numbers of shape (N, P, 2) or (N, P, 3), or an object array of N "
            f"arrays (P, 2|3); got {array.dtype} of shape {array.shape}"
        )
    notes = []
    if array.shape[2] not in (2, 3):
        notes.append(f"arrays: {name} of shape {array.shape} taken as (N, D, P)")
        array = array.transpose(0, 2, 1)
    elif array.shape[1] in (2, 3):
        notes.append(
            f"arrays: {name} of shape {array.shape} taken as (N, P, D), {array.shape[1]} points in each path"
        )
    return list(array), None, True, notes


def _cut(paths: list[np.ndarray], lengths: Array, path: Path) -> list[np.ndarray]:
    """The first points of each path, or of each of its clocks, as many as `lengths` (N,) says."""
    _check_lengths(lengths, path)
    if len(lengths) != len(paths) or min(lengths) < 0 or max(lengths) > len(paths[0]):
        raise UserError(
            f"{path}: lengths: must be {len(paths)} numbers from 0 to {len(paths[0])}, as the paths have"
        )
    return [own[:length] for own, length in zip(paths, lengths, strict=True)]


def _check_lengths(lengths: Array, path: Path) -> None:
    if not isinstance(lengths, np.ndarray) or lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise UserError(
            f"{path}: lengths: must be whole numbers of shape (N,), got {describe_array(lengths)}"
        )


def _flat_paths(
    points: np.ndarray, lengths: Array, name: str, path: Path
) -> tuple[list[np.ndarray], np.ndarray]:
    if points.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: {name}: must be numbers of shape (sum of lengths, 2|3), got {describe_array(points)}"
        )
    _check_lengths(lengths, path)
    assert isinstance(lengths, np.ndarray)
    if min(lengths.tolist()) < 0 or sum(lengths.tolist()) != len(points):
        raise UserError(f"{path}: lengths: must be 0 or more and sum to the {len(points)} points")
    return _split(points, lengths), lengths


def _times(times: Array, path: Path, paths: list[np.ndarray], lengths: np.ndarray | None) -> list[np.ndarray]:
    """N arrays of instants; the validation checks whether each fits its path."""
    count = len(paths)
    if isinstance(times, list):
        if len(times) != count or not all(isinstance(item, np.ndarray) and item.ndim == 1 for item in times):
            raise UserError(f"{path}: times: must be {count} arrays (P,), one for each trajectory")
        return times
    if times.dtype.kind in "iuf":
        if lengths is not None and times.shape == (lengths.sum(),):
            return _split(times, lengths)
        if times.ndim == 2 and len(times) == count:
            return list(times)
        if times.ndim == 1 and all(len(item) == len(times) for item in paths):
            return [times] * count
    raise UserError(
        f"{path}: times: must be seconds of shape (P,), (N, P), or as the points; got {describe_array(times)}"
    )


def _labels(arrays: dict[str, Array], path: Path, count: int) -> tuple[list[str], dict[int, str]]:
    """N labels as text, and item -> reason for those that are not in class_names."""
    labels = _texts(_from_one_hot(arrays["labels"]), "labels", path, count)
    if "class_names" not in arrays:
        return labels, {}
    names = _texts(arrays["class_names"], "class_names", path)
    if len(set(names)) < len(names):
        raise UserError(f"{path}: class_names: must differ from each other")
    codes = {str(code): name for code, name in enumerate(names)} | {name: name for name in names}
    defects = {
        index: f"label {label!r} is neither one of class_names nor an index into its {len(names)} entries"
        for index, label in enumerate(labels)
        if not is_missing(label) and label not in codes
    }
    return [codes.get(label, label) for label in labels], defects


def _from_one_hot(labels: Array) -> Array:
    """(N,) positions of the ones in a one-hot (N, K) array; any other array as it is."""
    one_hot = (
        isinstance(labels, np.ndarray)
        and labels.ndim == 2
        and labels.shape[1] > 1
        and labels.dtype.kind in "biuf"
        and np.isin(labels, (0, 1)).all()
        and (labels.sum(axis=1) == 1).all()
    )
    return labels.argmax(axis=1) if one_hot and isinstance(labels, np.ndarray) else labels


def _texts(array: Array, name: str, path: Path, count: int | None = None) -> list[str]:
    values = array.tolist() if isinstance(array, np.ndarray) and array.ndim == 1 else array
    if not isinstance(values, list) or any(isinstance(value, np.ndarray) for value in values):
        raise UserError(f"{path}: {name}: must be text or numbers of shape (N,), got {describe_array(array)}")
    if count is not None and len(values) != count:
        raise UserError(
            f"{path}: {name}: must have one entry for each of the {count} trajectories, got {len(values)}"
        )
    return [value_text(value, f"{path}: {name}") for value in values]


def _split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return np.split(flat, np.cumsum(lengths.astype(np.int64))[:-1])
