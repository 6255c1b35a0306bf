"""data/features/<name>.safetensors: named float32 arrays, rows in the order of the trajectories, and their metadata.

Arrays of an encoder are `pretrained/<layer>/<pooling>` (N, D) and `random/<layer>/<pooling>` (R, N, D), R the number
of random initialisations; those of the controls are `control/<name>` (N, D). The metadata is one JSON object:

    items       `items_digest` of the N items; the only key that the controls have
    layers      the layers, the headline's first; likewise poolings
    seeds       of the R random initialisations
    weights     SHA-256 of the pretrained weights
    card        the encoder's card; provenance: the record that `fetch` made of its weights
    precision   of the encoder's arithmetic, unless it is float32
    environment what decides the last digits: libraries, vector instructions, threads, device (see core/machine.py)
    multiply_adds  of one clip, in the pretrained arm
    order       {"pretrained" or "random": {"<layer>/<pooling>": {disorder: ratio}}}: the sensitivity to frame order

It is stored under a single key of the safetensors header, so that no byte depends on the order of a hash map, beside a
digest of the whole file. The
file is filled shard by shard, so that the N rows need not be in memory at once.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from trajprobe.core.errors import UserError
from trajprobe.core.tensor_file import LONGEST_HEADER, check_tensor_file, create_tensor_file

METADATA = "trajprobe"  # the one key of the safetensors header's metadata
DISORDERS = ("shuffled", "reversed", "static")  # how frames are rearranged (see extract/order_sensitivity.py)
BLIND = 1e-3  # ratio below which an arm is insensitive to order: a thousandth of the way to another clip

# Writes `rows` (n, D) into the array `name` from row `first` on, counted over all axes of the array but the last.
Put = Callable[[str, int, np.ndarray], None]


@dataclass(frozen=True)
class FeatureFile:
    """arrays: name -> float32 (N, D) or (R, N, D). metadata: as above."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


@contextmanager
def create_features(
    path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, Any]
) -> Iterator[Put]:
    """Yield the function that fills float32 arrays of these shapes; the file is at `path` once the block has ended.

    Raises ValueError if the block ends before all rows are written, and if `metadata` contains NaN.
    """
    described = {METADATA: json.dumps(metadata, sort_keys=True, allow_nan=False)}
    arrays = {name: ("float32", shape) for name, shape in shapes.items()}
    with create_tensor_file(path, arrays, described, checked=True) as write:

        def put(name: str, first: int, rows: np.ndarray) -> None:
            write(name, first * shapes[name][-1], rows)

        yield put


def write_features(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    """Write `arrays` (any real dtype, stored as float32) and `metadata`; the same arguments give the same bytes."""
    with create_features(path, {name: array.shape for name, array in arrays.items()}, metadata) as put:
        for name, array in arrays.items():
            put(name, 0, array)


def read_features(path: Path) -> FeatureFile:
    """Raises UserError if the file is missing or damaged."""
    try:
        check_tensor_file(path)
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = json.loads((file.metadata() or {})[METADATA])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise UserError(f"{path}: {reason}; `dvc repro` makes it again") from None
    return FeatureFile(arrays, metadata)


def read_features_metadata(path: Path) -> dict[str, Any]:
    """The metadata alone, unchecked; empty if there is no such file, or it cannot be read."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), LONGEST_HEADER)))
        found = json.loads(header["__metadata__"][METADATA])
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def is_blind(ratios: Mapping[str, float]) -> bool:
    """Whether an arm with these ratios (one for each of DISORDERS) is insensitive to the order of frames."""
    return ratios["shuffled"] < BLIND


def is_confounded(pretrained: Mapping[str, float], random: Mapping[str, float]) -> bool:
    """Whether the pretrained arm is sensitive to the order of frames and the random arm is not."""
    return is_blind(random) and not is_blind(pretrained)
