"""UEA and sktime .ts files: multivariate time series as text, one case a line.

A header of @-lines, then after `@data` a case a line: the series of its dimensions separated by colons, values by
commas, the class label last. The dimensions are x, y and, where there are three, z; a card can pick others. Format:
https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html
"""

from pathlib import Path

import numpy as np

from trajprobe.errors import UserError
from trajprobe.trajectories.parsed import Parsed, parse


def read_ts(path: Path, dimensions: list[int] | None, time_step: float) -> Parsed:
    """The cases of the file; time_step: seconds between points; dimensions: which series are x, y[, z].

    A missing value (`?`) is NaN and so a bad item. Raises UserError, one line, where the file cannot be read, has
    timestamps, no class labels, or not two or three dimensions.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as .ts ({error})") from None
    start = next((i for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None:
        raise UserError(f"{path}: has no @data line; is it a .ts file?")
    classes = _read_header(lines[:start], path)
    labels: list[str] = []
    points: list[np.ndarray] = []
    defects: dict[int, str] = {}
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if not line.strip() or line.startswith("#"):
            continue
        *series, label = line.strip().split(":")
        axes = [_values(text, path, number) for text in _picked(series, dimensions, path, number)]
        if len({len(axis) for axis in axes}) > 1:
            defects[len(labels)] = f"series of {' and '.join(str(len(axis)) for axis in axes)} values"
            axes = [axis[: min(map(len, axes))] for axis in axes]
        if classes and label.strip() not in classes:
            defects[len(labels)] = f"label {label.strip()!r} is not in the @classLabel line"
        labels.append(label.strip())
        points.append(np.stack(axes, axis=1))
    if not labels:
        raise UserError(f"{path}: has no cases after @data")
    return parse(labels, points, time_step=time_step, classes=classes or None, defects=defects)


def _read_header(lines: list[str], path: Path) -> list[str]:
    """The classes in their order. Raises UserError for what cannot be read as labelled trajectories."""
    header: dict[str, list[str]] = {}
    for line in lines:
        if line.strip().startswith("@"):
            key, *values = line.strip()[1:].split()
            header[key.lower()] = values
    if header.get("timestamps", ["false"])[:1] == ["true"]:
        raise UserError(
            f"{path}: has timestamps, which are not supported; convert it to .npz or to a long .csv with t"
        )
    label = header.get("classlabel", [])
    if label[:1] != ["true"]:
        raise UserError(
            f"{path}: has no class labels (@classLabel true ...); labelled trajectories are required"
        )
    return label[1:]


def _picked(series: list[str], dimensions: list[int] | None, path: Path, number: int) -> list[str]:
    if dimensions is not None:
        if max(dimensions) >= len(series):
            raise UserError(
                f"{path}: line {number}: has {len(series)} dimensions, but the card picks number {max(dimensions)} "
                "(counted from 0)"
            )
        return [series[dimension] for dimension in dimensions]
    if len(series) not in (2, 3):
        remedy = (
            "a single series is no path in space"
            if len(series) < 2
            else "name those that are x, y[, z] under `dimensions` in the card"
        )
        raise UserError(f"{path}: line {number}: has {len(series)} dimensions, required 2 or 3; {remedy}")
    return series


def _values(text: str, path: Path, number: int) -> np.ndarray:
    try:
        return np.array([np.nan if value.strip() == "?" else float(value) for value in text.split(",")])
    except ValueError as error:
        raise UserError(f"{path}: line {number}: {error}") from None
