"""How far two versions of an output lie apart, by what the output is."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.trajectories import read_trajectories
from trajprobe.core import paths

# Differences up to these are rounding: relative for numbers that were computed, absolute for accuracies and the like.
CLOSE = {"features": 1e-3, "trajectories": 1e-6, "probabilities": 0.05, "metrics": 0.02, "pixels": 1.0}
CLOSE_PREDICTIONS = 0.02  # fraction that may change
# Of costs: the seconds, where they were measured, and the digest of the predictions, which are an output of their own.
MEASURED = ("training_seconds", "inference_seconds", "seconds", "device", "predictions")


@dataclass(frozen=True)
class Difference:
    """close: whether rounding explains it. what: the largest difference, in words.

    only_measured: whether nothing differs but seconds, which no second run could repeat.
    """

    close: bool
    what: str
    only_measured: bool = False


def compare_outputs(name: str, old: Path, new: Path) -> Difference | None:
    """How two versions of the output `name` differ; None for files whose content is not compared, such as figures.

    Raises UserError if one of them cannot be read.
    """
    for pattern, compare in COMPARISONS.items():
        if fnmatch(name, pattern):
            return compare(old, new)
    return None


def _features(old: Path, new: Path) -> Difference:
    ours, theirs = read_features(old).arrays, read_features(new).arrays
    if _shapes(ours) != _shapes(theirs):
        return Difference(False, "other arrays or shapes")
    largest = max((_relative(ours[name], theirs[name]) for name in ours), default=0.0)
    return Difference(largest <= CLOSE["features"], f"largest relative difference {largest:.1e}")


def _predictions(old: Path, new: Path) -> Difference:
    ours, theirs = read_predictions(old), read_predictions(new)
    if (
        ours.item_ids != theirs.item_ids
        or ours.classes != theirs.classes
        or len(ours.arms) != len(theirs.arms)
    ):
        return Difference(False, "other items, classes or arms")
    pairs = list(zip(ours.arms, theirs.arms, strict=True))
    if any(one.arm != other.arm or (one.fold != other.fold).any() for one, other in pairs):
        return Difference(False, "other arms or folds")
    if not ours.classes:
        far = max((_relative(one.predicted, other.predicted) for one, other in pairs), default=0.0)
        return Difference(far <= CLOSE["features"], f"largest relative difference of predictions {far:.1e}")
    changed = sum(int((one.predicted != other.predicted).sum()) for one, other in pairs)
    total = sum(one.predicted.size for one, _ in pairs)
    apart = max(
        (float(np.abs(one.probability - other.probability).max()) for one, other in pairs), default=0.0
    )
    close = changed <= CLOSE_PREDICTIONS * total
    return Difference(
        close, f"{changed} of {total} predictions changed; probabilities differ by up to {apart:.1e}"
    )


def _trajectories(old: Path, new: Path) -> Difference:
    ours, theirs = read_trajectories(old), read_trajectories(new)
    for field in ("item_ids", "labels", "groups", "splits", "classes"):
        if getattr(ours, field) != getattr(theirs, field):
            return Difference(False, f"other {field.replace('_', ' ')}")
    pairs = [*zip(ours.points, theirs.points, strict=True), *zip(ours.times, theirs.times, strict=True)]
    if any(one.shape != other.shape for one, other in pairs):
        return Difference(False, "paths of other lengths")
    largest = max(_relative(one, other) for one, other in pairs)
    return Difference(largest <= CLOSE["trajectories"], f"largest relative difference {largest:.1e}")


def _clips(old: Path, new: Path) -> Difference:
    ours, theirs = open_clips(old), open_clips(new)
    if ours.shape != theirs.shape or ours.items != theirs.items:
        return Difference(False, "other clips")
    largest = changed = 0
    for start in range(0, ours.shape[0], 64):
        rows = slice(start, start + 64)
        apart = np.abs(ours[rows].astype(np.int16) - theirs[rows])
        largest, changed = max(largest, int(apart.max())), changed + int((apart > 0).sum())
    return Difference(largest <= CLOSE["pixels"], f"{changed} values differ, by up to {largest} grey levels")


def _json(old: Path, new: Path) -> Difference:
    return _values(*(dict(_leaves(json.loads(path.read_text(encoding="utf-8")))) for path in (old, new)))


def _costs(old: Path, new: Path) -> Difference:
    ours, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (old, new))
    for costs in (ours, theirs):
        for key in MEASURED:
            costs.pop(key, None)
    if ours == theirs:
        return Difference(True, "but for the measured seconds", only_measured=True)
    return _values(dict(_leaves(ours)), dict(_leaves(theirs)))


def _csv(old: Path, new: Path) -> Difference:
    tables = []
    for path in (old, new):
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(dict(_leaves([[_number(cell) for cell in row] for row in csv.reader(file)])))
    return _values(*tables)


def _values(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Difference:
    """Numbers by their difference; texts, other than sentences, have to be equal."""
    apart, worst, texts = 0.0, "", []
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key), theirs.get(key)
        if one == other or key in ("sha256", "sentence"):
            continue
        if not isinstance(one, int | float) or not isinstance(other, int | float):
            texts.append(f"{key}: {one} became {other}")
        elif abs(one - other) > apart:
            apart, worst = abs(one - other), key
    if texts:
        return Difference(
            False, "; ".join(texts[:3]) + (f"; and {len(texts) - 3} more" if len(texts) > 3 else "")
        )
    return Difference(
        apart <= CLOSE["metrics"], f"largest difference {apart:.1e} ({worst})" if worst else "wording only"
    )


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _shapes(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in arrays.items()}


def _relative(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, relative to the largest value of the first."""
    size = float(np.abs(one).max(initial=0.0))
    apart = float(np.abs(one.astype(np.float64) - other).max(initial=0.0))
    return apart / size if size else apart


COMPARISONS: dict[str, Callable[[Path, Path], Difference]] = {
    "*trajectories.parquet": _trajectories,
    "*.parquet": _predictions,
    "*.zarr": _clips,
    "*.safetensors": _features,
    str(paths.costs("*")): _costs,
    "*.json": _json,
    "*.csv": _csv,
}
