"""One file per item, CSV or JSON, packed into a .zip.

A CSV file has the columns `t, x, y[, z]`, and perhaps label, group and split; all CSV files have the same columns, so
that they are read as one long table. A JSON file is an object: the points under one of `POINTS`, perhaps times under
one of `TIMES`, and `label` or `class`, `group` and `split`. An id is the file's path without its ending.
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from trajprobe.artifacts.source_card import FilesCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.trajectories.sources.clock import read_clock
from trajprobe.trajectories.sources.long_table import find_columns, read_columns
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import COMPRESSED, LARGEST, decode, open_text, unpack

TEXT = (".csv", ".tsv", ".txt", ".dat")
OF_TRACKERS = (".h5", ".hdf5", ".xml", ".npy")  # endings of files that are packed if there are no tables
FRAME_RATES = "seqinfo.ini"  # of a MOT sequence, in the folder of its gt.txt or in the one above
POINTS = ("positions", "points", "trajectory", "path", "coordinates", "coords", "xyz", "xy")
TIMES = ("times", "time", "t", "timestamps")
LABELS = ("label", "class")
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the .zip, so that equal folders give equal bytes


def pack(folder: Path, archive: Path, labels: Path | None = None) -> None:
    """Write the item files of a folder and its sub-folders into a .zip; equal folders give equal bytes.

    They are its tables and JSON files, or else the files of trackers; of MOT sequences, gt.txt and seqinfo.ini. labels:
    a file of labels, which may lie among them. Raises UserError if there are none.
    """
    chosen = item_files(folder, labels)
    if not chosen:
        raise UserError(
            f"{folder}: contains no {', '.join((*TEXT, '.json', *OF_TRACKERS))} files, one for each trajectory or video"
        )
    with zipfile.ZipFile(archive, "w") as packed:
        for path in chosen:
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
            packed.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED, 1)


def item_files(folder: Path, labels: Path | None = None) -> list[Path]:
    """The files that `pack` would pack, sorted."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not (labels is not None and labels.exists() and path.samefile(labels))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if any(path.name == "gt.txt" for path in found):
        return [path for path in found if path.name in ("gt.txt", FRAME_RATES)]
    tables = [path for path in found if item_ending(path.name)]
    return tables or [path for path in found if of_tracker(path.name)]


def of_tracker(name: str) -> bool:
    """Whether a file of this name can be one that a tracker wrote."""
    return PurePosixPath(name).suffix.lower() in OF_TRACKERS or item_ending(name) in TEXT


def read_item_files(path: Path, card: FilesCard) -> Raw:
    """The items, in the order of their paths. Raises UserError if a file cannot be read or the files are not alike."""
    try:
        texts = dict(_texts(path))
    except UserError:
        raise
    except Exception as error:  # a broken archive can raise anything
        raise UserError(f"{path}: cannot be read as .zip ({type(error).__name__}: {error})") from None
    endings = {item_ending(name) == ".json" for name in texts}
    if len(endings) != 1:
        found = "both JSON and text tables" if endings else "no .csv or .json file"
        raise UserError(f"{path}: contains {found}; required one file for each trajectory, all of one kind")
    names = list(texts)
    raw = _read_json(path, texts, card) if endings.pop() else _read_tables(path, texts, card)
    raw.item_ids = [without_ending(name) for name in names]
    if card.label_file is None:
        label_from_names(raw, names, card.label_from, path)
    return raw


def archive_members(path: Path, wanted: Callable[[str], object]) -> Iterator[tuple[str, bytes]]:
    """Name and content of the `wanted` files in a .zip, by name. Raises UserError if it unpacks to far too much."""
    with zipfile.ZipFile(path) as archive:
        _check_size(path, sum(info.file_size for info in archive.infolist()))
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(info.filename).parts)
            if not info.is_dir() and not hidden and wanted(info.filename):
                yield info.filename, archive.read(info)


def _check_size(path: Path, size: int) -> None:
    if size > max(LARGEST, 200 * path.stat().st_size):
        raise UserError(f"{path}: unpacks to more than 200 times its size; refused")


def _texts(path: Path) -> Iterator[tuple[str, str]]:
    total = 0
    for name, data in archive_members(path, item_ending):
        try:
            content, _ = unpack(data)
            total += len(content)  # of files that are compressed once more
            _check_size(path, total)
            yield name, decode(content)[0]
        except ValueError as error:
            raise UserError(f"{path}: {name}: cannot be read as text ({error})") from None


def item_ending(name: str) -> str:
    """`.csv`, `.json`, ... of a file that can be an item; empty for any other."""
    suffix = PurePosixPath(_unpacked(name)).suffix.lower()
    return suffix if suffix in (*TEXT, ".json") else ""


def _unpacked(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in COMPRESSED else name


def without_ending(name: str) -> str:
    """The path of a file without its ending, and without that of its compression."""
    return str(PurePosixPath(_unpacked(name)).with_suffix(""))


def _read_tables(path: Path, texts: dict[str, str], card: FilesCard) -> Raw:
    """All files as one long table whose column id is the file."""
    if (card.label_from or "").startswith("key:"):
        raise UserError(
            f"{path}: label_from: {card.label_from} is for JSON files; a text table has a column (--column label=NAME)"
        )
    name, text = next(iter(texts.items()))
    named = open_text(text, f"{path}: {name}", card.separator, card.header).has_header
    header = text.lstrip("\r\n").partition("\n")[0].strip()
    bodies, counts = [], []
    for name, text in texts.items():
        first, _, body = text.lstrip("\r\n").partition("\n")
        if named and first.strip() != header:
            raise UserError(
                f"{path}: {name}: must have the columns of the first file, {header[:80]!r}, got {first.strip()[:80]!r}"
            )
        lines = [line for line in (body if named else text).splitlines() if line.strip()]
        bodies += lines
        counts.append(len(lines))
    whole = open_text(
        "\n".join([*([header] if named else []), *bodies, ""]), str(path), card.separator, card.header
    )
    ids = pa.array(np.repeat([str(number) for number in range(len(counts))], counts), pa.string())
    place = len(whole.names)
    names = [*whole.names, "(file)" if "id" in whole.names else "id"]
    with_id = card.model_copy(update={"columns": card.columns.model_copy(update={"id": names[-1]})})
    present, notes = find_columns(with_id, names, str(path))

    def load(positions: Sequence[int]) -> pa.Table:
        own = [position for position in positions if position != place]
        table = whole.load(own)
        if len(table) != len(ids):
            raise UserError(f"{path}: a file has cells with line breaks, which are not supported")
        columns = iter(table.columns)
        arrays = [ids if position == place else next(columns) for position in positions]
        return pa.table(arrays, [str(number) for number in range(len(arrays))])

    raw = read_columns(names, load, present, card, str(path), [*whole.notes, *notes])
    if len(raw.points) < len(texts):
        name = next(name for name, count in zip(texts, counts, strict=True) if not count)
        raise UserError(f"{path}: {name}: has no rows")
    if "label" not in present:
        raw.labels = []
    return raw


def _read_json(path: Path, texts: dict[str, str], card: FilesCard) -> Raw:
    contents = []
    for name, text in texts.items():
        try:
            contents.append(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: {name}: is not JSON ({error})") from None
    first = contents[0] if isinstance(contents[0], dict) else {}
    points = next((key for key in POINTS if key in first), POINTS[0])
    times = None if card.no_time else next((key for key in TIMES if key in first), None)
    rule = card.label_from or ""
    label: str | None = rule.partition(":")[2] if rule.startswith("key:") else None
    if not rule:
        label = next((key for key in LABELS if key in first), None)
    keys = {"points": points, "times": times, "label": label}
    keys |= {name: name if name in first else None for name in ("group", "split")}
    found: dict[str, list[Any]] = {ours: [] for ours, key in keys.items() if key is not None}
    for name, content in zip(texts, contents, strict=True):
        for ours, values in found.items():
            key = keys[ours]
            if not isinstance(content, dict) or key not in content:
                known = list(content) if isinstance(content, dict) else []
                raise UserError(f"{path}: {name}: needs a key {key!r} ({ours}); {nearest(str(key), known)}")
            if ours not in ("points", "times") and isinstance(content[key], list | dict):
                kind = "list" if isinstance(content[key], list) else "object"
                raise UserError(f"{path}: {name}: {key} must be text or a number, found a JSON {kind}")
            values.append(content[key])
    notes = [f"keys: points are {points}" + (f", times are {times}" if times else "")]
    clocks = None
    if times is None:
        notes.append(f"time: none in the files; points {card.time_step:g} s apart")
    else:
        odd = [isinstance(values, list) for values in found["times"]]
        if not all(odd):
            raise UserError(f"{path}: {list(texts)[odd.index(False)]}: {times} must be a list of times")
        try:
            flat = pa.array([_cell(value) for values in found["times"] for value in values], pa.string())
        except ValueError as error:
            raise UserError(f"{path}: {times}: must be numbers or times ({error})") from None
        seconds, kind = read_clock(flat, times, card, str(path))
        clocks = np.split(seconds, np.cumsum([len(values) for values in found["times"]])[:-1])
        notes.append(f"time: key {times!r}, {kind}")
    raw = Raw(
        [_cell(value) for value in found.get("label", [])],
        [_points(value, path, name) for value, name in zip(found["points"], texts, strict=True)],
        clocks,
        groups=[_cell(value) for value in found["group"]] if "group" in found else None,
        splits=[_cell(value) for value in found["split"]] if "split" in found else None,
        notes=notes,
    )
    if label is not None:
        raw.notes.append(f"labels: from the key {label!r} of each file")
    return raw


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _points(value: Any, path: Path, name: str) -> np.ndarray:
    """(P, D) float64; null coordinates and points are NaN."""
    try:
        rows = [
            [row.get(axis) for axis in "xyz" if axis in row] if isinstance(row, dict) else row
            for row in value
        ]
        width = max((len(row) for row in rows if row is not None), default=2)
        points = np.array([[None] * width if row is None else row for row in rows], np.float64)
        if points.ndim != 2 and len(points):
            raise ValueError
        return points.reshape(-1, width)
    except (TypeError, ValueError):
        raise UserError(
            f"{path}: {name}: points must be a list of [x, y] or [x, y, z], all of one length"
        ) from None


def label_from_names(raw: Raw, names: Sequence[str], rule: str | None, path: Path) -> None:
    """Labels from the folder or the name, if the `rule` (label_from) says so or the files themselves have none."""
    if rule is None and not raw.labels:
        if len({PurePosixPath(name).parent.name for name in names}) < 2:
            raise UserError(
                f"{path}: its files have no label and lie in one folder; say where labels are by --label-from "
                "key:class (of JSON files) or name:'REGEX' (of the file's name), or give a second file by --labels"
            )
        rule = "folder"
    if rule == "folder":
        raw.labels = [PurePosixPath(name).parent.name for name in names]
        raw.notes.append("labels: from the folder of each file")
    elif rule is not None and rule.startswith("name:"):
        pattern = re.compile(rule.removeprefix("name:"))
        matches = [pattern.search(PurePosixPath(without_ending(name)).name) for name in names]
        if None in matches:
            unlike = names[matches.index(None)]
            raise UserError(
                f"{path}: {unlike}: its name does not fit the pattern {pattern.pattern!r} of label_from"
            )
        raw.labels = [match[1] or "" for match in matches if match is not None]
        raw.notes.append(f"labels: from the name of each file, {pattern.pattern}")
    elif rule is None and raw.labels and not any(note.startswith("labels:") for note in raw.notes):
        raw.notes.append("labels: from a column of each file")
