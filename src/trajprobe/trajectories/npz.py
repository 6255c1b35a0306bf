"""NumPy archives of trajectories.

`trajectories`: (N, P, 2|3), or for ragged paths an object array of N arrays (P, 2|3); or instead `points`
(sum of P, 2|3) with `lengths` (N,). `labels` (N,): text, or whole numbers, which count into `class_names` (K,) where
that is there. Optional, each (N,): `ids`, `groups`, `splits` (train or test); and `times` in seconds: (P,), (N, P), or
in the form of the points. Other arrays in the archive are not opened.

The archive is untrusted: object arrays go through `array_pickle`, and no array is made before the bytes for it are
known to be there.
"""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.errors import UserError
from trajprobe.trajectories.array_pickle import Refused, read_object_array
from trajprobe.trajectories.parsed import Parsed, parse

KNOWN = ("trajectories", "points", "lengths", "labels", "class_names", "ids", "groups", "splits", "times")
BOMB = 2**30  # bytes; a member that unpacks to more than this, and to 200 times its packed size, is not data

Array = np.ndarray | list[Any]  # the elements of a one-dimensional object array come as a list


def read_npz(path: Path, time_step: float) -> Parsed:
    """The items of the archive, in its order; time_step: seconds between points where it holds no `times`.

    Raises UserError, one line, where the archive cannot be read, asks to execute anything, or its arrays do not fit
    each other.
    """
    arrays = _read_members(path)
    paths, lengths = _paths(arrays, path)
    count = len(paths)
    labels, defects = _labels(arrays, path, count)
    named = {
        name: _texts(arrays[name], name, path, count)
        for name in ("ids", "groups", "splits")
        if name in arrays
    }
    return parse(
        labels,
        paths,
        times=_times(arrays["times"], path, paths, lengths) if "times" in arrays else None,
        time_step=time_step,
        item_ids=named.get("ids"),
        groups=named.get("groups"),
        splits=named.get("splits"),
        classes=_texts(arrays["class_names"], "class_names", path) if "class_names" in arrays else None,
        defects=defects,
    )


def _read_members(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            arrays = {name: _read_member(archive, members[name], path) for name in KNOWN if name in members}
    except UserError:
        raise
    except (
        Exception
    ) as error:  # a broken archive may raise anything: bad magic, bad CRC, zlib, encryption, memory
        raise UserError(f"{path}: cannot be read as .npz ({type(error).__name__}: {error})") from None
    for name, instead in (("labels", ""), ("trajectories", " or points and lengths")):
        if name not in arrays and not (instead and {"points", "lengths"} <= arrays.keys()):
            found = ", ".join(sorted(members)) or "nothing"
            raise UserError(f"{path}: needs an array {name}{instead}; found {found}")
    return arrays


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Array:
    name = info.filename.removesuffix(".npy")
    if info.file_size > BOMB and info.file_size > 200 * info.compress_size:
        raise UserError(
            f"{path}: {name}: unpacks from {info.compress_size} to {info.file_size} bytes; refused"
        )
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise UserError(f"{path}: {name}: is an .npy file of version {version}; required 1.0 or 2.0")
        shape, fortran, dtype = read_header(file)
        content = file.read()
    if dtype.kind == "O":
        try:
            return read_object_array(content)
        except Refused as reason:
            raise UserError(f"{path}: {name}: refused: {reason}") from None
    if dtype.kind not in "biufUS" or dtype.subdtype is not None:
        raise UserError(f"{path}: {name}: has the type {dtype}; required numbers or text")
    if min(shape, default=1) < 1:
        raise UserError(f"{path}: {name}: is empty (shape {shape})")
    wanted = math.prod(shape) * dtype.itemsize
    if len(content) != wanted:
        raise UserError(f"{path}: {name}: shape {shape} needs {wanted} bytes, got {len(content)}")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _paths(arrays: dict[str, Array], path: Path) -> tuple[list[np.ndarray], np.ndarray | None]:
    """The N paths, and the lengths if the archive gives them."""
    if "trajectories" in arrays:
        array = arrays["trajectories"]
        if isinstance(array, np.ndarray):
            if array.ndim != 3 or array.shape[2] not in (2, 3) or array.dtype.kind not in "iuf":
                raise UserError(
                    f"{path}: trajectories: must be numbers of shape (N, P, 2) or (N, P, 3), or an object array of N "
                    f"arrays (P, 2|3); got {array.dtype} of shape {array.shape}"
                )
            return list(array), None
        for index, element in enumerate(array):
            if not isinstance(element, np.ndarray) or element.dtype.kind not in "iuf" or element.ndim != 2:
                raise UserError(
                    f"{path}: trajectories: element {index} must be numbers of shape (P, 2) or (P, 3), "
                    f"got {_kind(element)}"
                )
        return array, None
    points, lengths = arrays["points"], arrays["lengths"]
    if not isinstance(points, np.ndarray) or points.ndim != 2 or points.dtype.kind not in "iuf":
        raise UserError(
            f"{path}: points: must be numbers of shape (sum of lengths, 2|3), got {_kind(points)}"
        )
    if not isinstance(lengths, np.ndarray) or lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise UserError(f"{path}: lengths: must be whole numbers of shape (N,), got {_kind(lengths)}")
    if min(lengths.tolist()) < 0 or sum(lengths.tolist()) != len(points):
        raise UserError(f"{path}: lengths: must be 0 or more and sum to the {len(points)} points")
    return _split(points, lengths), lengths


def _times(times: Array, path: Path, paths: list[np.ndarray], lengths: np.ndarray | None) -> list[np.ndarray]:
    """N arrays of instants; whether each fits its path is for the validation to say."""
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
        f"{path}: times: must be seconds of shape (P,), (N, P), or as the points; got {_kind(times)}"
    )


def _labels(arrays: dict[str, Array], path: Path, count: int) -> tuple[list[str], dict[int, str]]:
    """N labels as text, and what is wrong with those that point nowhere in class_names."""
    labels = _texts(arrays["labels"], "labels", path, count)
    if "class_names" not in arrays:
        return labels, {}
    names = _texts(arrays["class_names"], "class_names", path)
    if len(set(names)) < len(names):
        raise UserError(f"{path}: class_names: must differ from each other")
    codes = {str(code): name for code, name in enumerate(names)} | {name: name for name in names}
    defects = {
        index: f"label {label!r} is neither one of class_names nor an index into its {len(names)} entries"
        for index, label in enumerate(labels)
        if label and label not in codes
    }
    return [codes.get(label, label) for label in labels], defects


def _texts(array: Array, name: str, path: Path, count: int | None = None) -> list[str]:
    values = array.tolist() if isinstance(array, np.ndarray) and array.ndim == 1 else array
    if not isinstance(values, list) or any(isinstance(value, np.ndarray) for value in values):
        raise UserError(f"{path}: {name}: must be text or numbers of shape (N,), got {_kind(array)}")
    if count is not None and len(values) != count:
        raise UserError(
            f"{path}: {name}: must have one entry for each of the {count} trajectories, got {len(values)}"
        )
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() else str(value)
    return str(value)


def _split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return np.split(flat, np.cumsum(lengths.astype(np.int64))[:-1])


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return f"an object array of {len(value)} elements" if isinstance(value, list) else type(value).__name__
