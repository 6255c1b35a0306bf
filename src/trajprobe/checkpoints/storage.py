"""Where the numbers of a tensor lie in a file, and reading them.

A tensor is a strided view into a block of bytes. What the file says about it is checked against the block before
anything is allocated. Bytes are read rather than mapped: mapped pages would count as memory of this process, and a
truncated file would end it.
"""

import math
import zlib
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from trajprobe.checkpoints.inert import LARGEST_NUMBER, MOST_AXES, Malformed

CHUNK = 1 << 20  # bytes read at a time
SMALL = 1 << 20  # bytes that a tensor may have beyond its block, by repeating elements

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
    crc: int | None = None  # CRC-32, where the container keeps one


@dataclass(frozen=True)
class TensorSpec:
    """A tensor in a file. dtype: its name in torch ("float32"); shape; stride and offset in elements of its block."""

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
        """Raise Malformed where the tensor does not lie inside its block, or would be much larger than it."""
        if self.dtype not in ITEM_SIZES:
            raise Malformed(f"tensor {name!a:.100} has the unknown type {self.dtype!a:.40}")
        if len(self.shape) != len(self.stride) or len(self.shape) > MOST_AXES:
            raise Malformed(f"tensor {name!a:.100} has a shape and a stride that do not fit each other")
        if (self.offset + self.span) * self.item_size > self.block.size:
            raise Malformed(f"tensor {name!a:.100} lies outside the data that it belongs to")
        if self.bytes > self.block.size + SMALL:
            raise Malformed(f"tensor {name!a:.100} is far larger than the data that it belongs to")
        # Of an array without elements, too, numpy multiplies the other axes.
        if math.prod(n for n in self.shape if n) >= LARGEST_NUMBER:
            raise Malformed(f"tensor {name!a:.100} has an impossible shape")


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The stride, in elements, of an array without gaps whose last axis runs fastest."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def read_bits(file: BinaryIO, spec: TensorSpec) -> np.ndarray:
    """The tensor's elements as they stand in the file: unsigned integers of their size, without gaps, in its shape.

    Raises Malformed where the file ends before them.
    """
    bits = np.dtype(f"<u{spec.item_size}")
    array = np.empty(spec.span, bits)
    file.seek(spec.block.start + spec.offset * spec.item_size)
    if file.readinto(array.data.cast("B")) != array.nbytes:  # type: ignore[attr-defined]
        raise Malformed("it is cut off")
    steps = tuple(step * spec.item_size for step in spec.stride)
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(array, spec.shape, steps)).reshape(spec.shape)


def check_block(file: BinaryIO, block: Block) -> None:
    """Hold a block's bytes against its CRC-32, where it has one; raises Malformed where they differ."""
    if block.crc is None:
        return
    file.seek(block.start)
    crc, left = 0, block.size
    while left:
        data = file.read(min(CHUNK, left))
        if not data:
            raise Malformed("it is cut off")
        crc = zlib.crc32(data, crc)
        left -= len(data)
    if crc != block.crc:
        raise Malformed("its data was changed since it was written (CRC-32)")
