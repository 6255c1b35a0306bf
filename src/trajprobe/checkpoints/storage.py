"""The place of a tensor's values in a file, and reading them.

A tensor is a strided view into a block of bytes. Its description is checked against the block before anything is
allocated. Bytes are read rather than mapped: mapped pages would count as memory of this process, and a file that
shrinks would kill it.
"""

import math
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from trajprobe.checkpoints.pickle_stubs import LARGEST_NUMBER, MOST_AXES, InvalidCheckpoint

CHUNK = 1 << 20  # bytes read at a time
SMALL = 1 << 20  # bytes by which a tensor that repeats elements may exceed its block

ITEM_SIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint64": 8,
    "uint32": 4,
    "uint16": 2,
    "uint8": 1,
    "bool": 1,
}


@dataclass(frozen=True)
class Block:
    """Bytes [start, start + size) of a file."""

    start: int
    size: int
    crc: int | None = None  # CRC-32, if the container has one


@dataclass(frozen=True)
class TensorSpec:
    """A tensor in a file. dtype: torch's name ("float32"). stride, offset: in elements of its block."""

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    block: Block

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def item_size(self) -> int:
        return ITEM_SIZES[self.dtype]

    @property
    def bytes(self) -> int:
        return self.count * self.item_size

    @property
    def span(self) -> int:
        """Elements of the block from the tensor's first to its last."""
        return (
            1 + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
            if self.count
            else 0
        )

    def check(self, name: str) -> None:
        """Raise InvalidCheckpoint if the tensor does not lie inside its block, or is much larger than it."""
        if self.dtype not in ITEM_SIZES:
            raise InvalidCheckpoint(f"tensor {name!a:.100} has the unknown type {self.dtype!a:.40}")
        if len(self.shape) != len(self.stride) or len(self.shape) > MOST_AXES:
            raise InvalidCheckpoint(f"tensor {name!a:.100} has a shape and a stride of different lengths")
        if (self.offset + self.span) * self.item_size > self.block.size:
            raise InvalidCheckpoint(f"tensor {name!a:.100} lies outside its data")
        if self.bytes > self.block.size + SMALL:
            raise InvalidCheckpoint(f"tensor {name!a:.100} is far larger than its data")
        # numpy multiplies the other axes also if one of them is empty.
        if math.prod(n for n in self.shape if n) >= LARGEST_NUMBER:
            raise InvalidCheckpoint(f"tensor {name!a:.100} has an impossible shape")


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of a contiguous array in C order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def read_bits(file: BinaryIO, spec: TensorSpec) -> np.ndarray:
    """The bit patterns of the tensor's elements: a contiguous array of its shape, unsigned integers of its item size.

    Raises InvalidCheckpoint if the file ends before them.
    """
    bits = np.dtype(f"<u{spec.item_size}")
    array = np.empty(spec.span, bits)
    file.seek(spec.block.start + spec.offset * spec.item_size)
    if file.readinto(array.data.cast("B")) != array.nbytes:  # type: ignore[attr-defined]
        raise InvalidCheckpoint("it is cut off")
    steps = tuple(step * spec.item_size for step in spec.stride)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(array, spec.shape, steps)).reshape(spec.shape)


def check_block(file: BinaryIO, block: Block) -> None:
    """Raise InvalidCheckpoint if a block's bytes do not match its CRC-32; a block without one passes."""
    if block.crc is None:
        return
    file.seek(block.start)
    crc, left = 0, block.size
    while left:
        data = file.read(min(CHUNK, left))
        if not data:
            raise InvalidCheckpoint("it is cut off")
        crc = zlib.crc32(data, crc)
        left -= len(data)
    if crc != block.crc:
        raise InvalidCheckpoint("its data does not match its checksum (CRC-32)")
