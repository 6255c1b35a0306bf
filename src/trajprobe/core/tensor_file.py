"""Named arrays in one safetensors file, written piece by piece.

The layout is fixed before the first value is known, so that the arrays need not be in memory together. It depends on
names, dtypes and shapes alone: arrays with wider items come first (so every array is aligned), then by name, and the
header is JSON without spaces. The same content therefore gives the same bytes.

Format (https://huggingface.co/docs/safetensors): 8 bytes with the length of the header, the header as JSON, the values
of all arrays in row-major order. All numbers are little-endian.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.core.files import atomic

ALIGNMENT = 8  # bytes, of the first value in the file

DIGEST = "sha256"  # key of the metadata
BLANK = "0" * 64
LONGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
PART = 2**20  # bytes read at once

# The format's codes -> the names that torch uses, which are numpy's except for bfloat16.
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
CODES = {dtype: code for code, dtype in DTYPES.items()}


# Writes `values`, converted to its dtype, into the array `name` from element `start` on (row-major).
WriteValues = Callable[[str, int, np.ndarray], None]


@contextmanager
def create_tensor_file(
    path: Path | str,
    arrays: Mapping[str, tuple[str, tuple[int, ...]]],
    metadata: Mapping[str, str] | None = None,
    *,
    checked: bool = False,
) -> Iterator[WriteValues]:
    """Yield the function that fills the arrays; the file appears at `path` when the block ends without an error.

    arrays: the dtype (a numpy name such as "float32") and the shape of each array, by name.
    checked: add a digest by which `check_tensor_file` notices damage, for one more pass over the file.
    Raises ValueError if values are written outside an array, or if the block ends before all are written.
    """
    dtypes = {name: np.dtype(dtype).newbyteorder("<") for name, (dtype, _) in arrays.items()}
    counts = {name: math.prod(shape) for name, (_, shape) in arrays.items()}
    described = dict(metadata or {}) | ({DIGEST: BLANK} if checked else {})
    header: dict[str, Any] = {"__metadata__": described} if described else {}
    places: dict[str, int] = {}
    end = 0
    for name in sorted(arrays, key=lambda name: (-dtypes[name].itemsize, name)):
        places[name], end = end, end + counts[name] * dtypes[name].itemsize
        dtype, shape = arrays[name]
        header[name] = {"dtype": CODES[dtype], "shape": list(shape), "data_offsets": [places[name], end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    left = sum(counts.values())
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)

        def write(name: str, start: int, values: np.ndarray) -> None:
            nonlocal left
            if not 0 <= start <= counts[name] - values.size:
                raise ValueError(f"{name}: {values.size} values from {start} on, but it has {counts[name]}")
            file.seek(8 + len(text) + places[name] + start * dtypes[name].itemsize)
            file.write(np.ascontiguousarray(values, dtypes[name]).reshape(-1).view(np.uint8).data)
            left -= values.size

        yield write
        if left:
            raise ValueError(f"{path}: {left} values were not written, or were written twice")
        if checked:
            file.flush()
            digest, place = _digest(temporary)
            file.seek(place)
            file.write(digest.encode())


def check_tensor_file(path: Path | str) -> None:
    """Raises ValueError unless every byte of a `checked` file is the one that was written."""
    digest, place = _digest(Path(path))
    with Path(path).open("rb") as file:
        file.seek(place)
        found = file.read(len(BLANK))
    if found != digest.encode():
        raise ValueError("its bytes are not those that were written")


def _digest(path: Path) -> tuple[str, int]:
    """SHA-256 of the file with a blank in place of its own digest, and where that lies. Raises ValueError."""
    with path.open("rb") as file:
        start = file.read(8)
        text = file.read(min(int.from_bytes(start, "little"), LONGEST_HEADER))
        mark = f'"{DIGEST}":"'.encode()
        at = text.find(mark) + len(mark)
        if text.count(mark) != 1:
            raise ValueError("it has no digest")
        state = hashlib.sha256(start + text[:at] + BLANK.encode() + text[at + len(BLANK) :])
        while part := file.read(PART):
            state.update(part)
    return state.hexdigest(), 8 + at
