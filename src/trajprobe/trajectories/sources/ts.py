"""UEA and sktime .ts files: multivariate time series as text, one case per line.

A header of @-lines ends with `@data`. In each line after it, the series of the dimensions are separated by colons and
their values by commas; the class label comes last. The dimensions are x, y and, if there are three, z; a card can
pick others. A missing value is `?` or NaN. Format: https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html
"""

from pathlib import Path

import numpy as np

from trajprobe.artifacts.source_card import TsCard
from trajprobe.core.errors import UserError
from trajprobe.trajectories.sources.cleaning import is_missing
from trajprobe.trajectories.sources.parsed import Raw
from trajprobe.trajectories.sources.text_table import read_text


def read_ts(path: Path, card: TsCard) -> Raw:
    """The cases of the file.

    Raises UserError if the file cannot be read, has timestamps or no class labels, or if its series are not two or
    three dimensions and the card does not pick those.
    """
    text, notes = read_text(path)
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip().lower() == "@data"), None)
    if start is None:
        raise UserError(f"{path}: has no @data line; is it a .ts file?")
    classes = _read_header(lines[:start], path, card.label_file is None)
    labels: list[str] = []
    points: list[np.ndarray] = []
    defects: dict[int, str] = {}
    for number, line in enumerate(lines[start + 1 :], start + 2):
        if not line.strip() or line.startswith("#"):
            continue
        series = line.strip().split(":")
        label = series.pop() if classes is not None else ""
        total = len(series)
        axes = [_values(text, path, number) for text in _picked(series, card.dimensions, path, number)]
        if len({len(axis) for axis in axes}) > 1:
            defects[len(labels)] = f"series of {' and '.join(str(len(axis)) for axis in axes)} values"
            axes = [axis[: min(map(len, axes))] for axis in axes]
        if classes and not is_missing(label) and label.strip() not in classes:
            defects[len(labels)] = f"label {label.strip()!r} is not in the @classLabel line"
        labels.append(label.strip())
        points.append(np.stack(axes, axis=1))
    if not labels:
        raise UserError(f"{path}: has no cases after @data")
    if card.dimensions is not None:
        notes.append(f"dimensions: series {', '.join(map(str, card.dimensions))} of {total}, counted from 0")
    notes.append(f"time: none in the file; points {card.time_step:g} s apart")
    equal = len({len(path) for path in points}) == 1
    return Raw(labels, points, classes=classes or None, rectangular=equal, defects=defects, notes=notes)


def _read_header(lines: list[str], path: Path, labelled: bool) -> list[str] | None:
    """The classes in order, None if cases have no label; UserError if they have timestamps or should be `labelled`."""
    header: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip().startswith("@"):
            words = line.strip()[1:].split()
            if not words:
                raise UserError(
                    f"{path}: line {number}: required a keyword after @, as in @classLabel, found none"
                )
            header[words[0].lower()] = words[1:]
    if header.get("timestamps", ["false"])[0].lower() == "true":
        raise UserError(
            f"{path}: has timestamps, which are not supported; convert it to .npz or to a long .csv with t"
        )
    label = header.get("classlabel") or ["false"]
    if label[0].lower() == "true":
        return label[1:]
    if labelled:
        raise UserError(
            f"{path}: has no class labels (@classLabel true ...); labelled trajectories are required: give a second "
            "file by --labels FILE"
        )
    return None


def _picked(series: list[str], dimensions: list[int] | None, path: Path, number: int) -> list[str]:
    if dimensions is not None:
        if max(dimensions) >= len(series):
            raise UserError(
                f"{path}: line {number}: has {len(series)} dimensions, but the card picks number {max(dimensions)} "
                f"(counted from 0, so that the last is {len(series) - 1})"
            )
        return [series[dimension] for dimension in dimensions]
    if len(series) not in (2, 3):
        remedy = (
            "a path needs at least two series"
            if len(series) < 2
            else "say which are x, y[, z], counted from 0, by --dimensions, for example --dimensions 0,1,2"
        )
        raise UserError(f"{path}: line {number}: has {len(series)} dimensions, required 2 or 3; {remedy}")
    return series


def _values(text: str, path: Path, number: int) -> np.ndarray:
    try:
        return np.array([np.nan if is_missing(value) else float(value) for value in text.split(",")])
    except ValueError as error:
        raise UserError(f"{path}: line {number}: {error}") from None
