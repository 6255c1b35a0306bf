"""The file that holds an encoder's features: one safetensors file of named float32 arrays and a little metadata.

Arrays of an encoder are named `pretrained/<layer>/<pooling>` (N, D) and `random/<layer>/<pooling>` (R, N, D), those
of the controls `control/<name>` (N, D); rows are in the order of the trajectories. The metadata is one JSON object
under a single key, so that nothing in the file depends on the order of a hash map. Files are laid out here rather
than by the safetensors package because they are filled shard by shard: N rows never have to be in memory at once.
Layout: https://huggingface.co/docs/safetensors (8 bytes of header length, JSON header, raw little-endian data).
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from trajprobe.errors import UserError
from trajprobe.files import atomic

METADATA = "trajprobe"  # the one key of the safetensors header's metadata


@dataclass(frozen=True)
class Features:
    """arrays: name -> float32 (N, D) or (R, N, D). metadata: items (digest), layers, poolings, seeds, weights, ..."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


def items_digest(item_ids: Sequence[str]) -> str:
    """SHA-256 of the newline-joined item ids: says which items the rows stand for, and in which order."""
    return hashlib.sha256("\n".join(item_ids).encode()).hexdigest()


class Put(Protocol):
    """Writes `rows` (n, D) into the array `name` from row `first` on, counted over all its axes but the last."""

    def __call__(self, name: str, first: int, rows: np.ndarray) -> None: ...


@contextmanager
def create_features(
    path: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, Any]
) -> Iterator[Put]:
    """Yield the function that fills float32 arrays of these shapes; the file appears at `path` when the block ends."""
    described = {METADATA: json.dumps(metadata, sort_keys=True, allow_nan=False)}
    header: dict[str, Any] = {"__metadata__": described}
    end = 0
    for name, shape in sorted(shapes.items()):
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data starts on a multiple of 8 bytes
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)

        def put(name: str, first: int, rows: np.ndarray) -> None:
            file.seek(8 + len(text) + header[name]["data_offsets"][0] + 4 * first * shapes[name][-1])
            file.write(np.ascontiguousarray(rows, np.dtype("<f4")).tobytes())

        yield put


def write_features(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> None:
    """Write `arrays` (any real dtype, kept as float32) and the JSON object `metadata`, the same bytes each time."""
    with create_features(path, {name: array.shape for name, array in arrays.items()}, metadata) as put:
        for name, array in arrays.items():
            put(name, 0, array)


def read_features(path: Path) -> Features:
    """Read a file of features. Raises UserError where it is missing or broken."""
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = json.loads((file.metadata() or {})[METADATA])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as features ({error}); `dvc repro` makes it anew") from None
    return Features(arrays, metadata)
