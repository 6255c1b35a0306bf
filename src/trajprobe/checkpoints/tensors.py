"""Tensors out of a checkpoint that nobody vouches for, and nothing else out of it.

Torch's zip files, its older stream files and safetensors are all read alike: first the index, then the bytes of the
tensors that are asked for and no others, so that an encoder's 0.6 GB cost no more than that out of a 3 GB file.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajprobe.checkpoints.containers import index
from trajprobe.checkpoints.inert import Malformed
from trajprobe.checkpoints.storage import Block, TensorSpec, check_block, read_bits
from trajprobe.errors import UserError

if TYPE_CHECKING:
    import torch

REPEATED = 4  # times that the file's size may be read from it, tensors that share their data counted each
SMALL = 64 << 20  # bytes that may be read whatever the file's size


def read_index(path: Path | str) -> dict[str, TensorSpec]:
    """The tensors of a checkpoint by name: `.dtype` (as torch names it, "float32") and `.shape`. No number is read.

    A dtype that is not in `storage.ITEM_SIZES` is one whose numbers cannot be read; to ask for them is an error.
    Names are those of the state dict, wherever the file keeps it (under `state_dict`, under `model`, or as a whole).
    Raises UserError, one line, where the file is damaged, hostile, or no checkpoint; nothing it names is run.
    """
    with _explained(path):
        return index(Path(path))


def iterate_bits(path: Path | str, names: Iterable[str]) -> Iterator[tuple[TensorSpec, np.ndarray]]:
    """One tensor after the other, in the order of `names`, as `storage.read_bits` gives them.

    What the container has a checksum for is held against it. Raises UserError as `read_index` does, and for a name
    that is not in the index.
    """
    specs, names = read_index(path), list(names)
    sound: set[Block] = set()
    with _explained(path), Path(path).open("rb") as file:
        missing = [name for name in names if name not in specs]
        if missing:
            raise Malformed(f"it has {len(specs)} tensors, but none of the name {missing[0]!a:.100}")
        for name in names:
            specs[name].check(name)
        # Views of the same data may be many; all together they must not be more than a file can honestly mean.
        if sum(specs[name].bytes for name in names) > REPEATED * Path(path).stat().st_size + SMALL:
            raise Malformed("its tensors are together far larger than the file")
        for name in names:
            spec = specs[name]
            if spec.block not in sound:
                check_block(file, spec.block)
                sound.add(spec.block)
            yield spec, read_bits(file, spec)


def read_tensors(path: Path | str, names: Iterable[str]) -> "dict[str, torch.Tensor]":
    """The tensors `names` of a checkpoint, each with its own memory and without gaps.

    Raises UserError as `read_index` does, and for a name that is not in the index.
    """
    import torch

    tensors = {}
    names = list(names)
    for name, (spec, bits) in zip(names, iterate_bits(path, names), strict=True):
        # Any byte but zero is true: torch leaves it undefined what other bytes than 0 and 1 are in a bool.
        array = bits.astype(bool) if spec.dtype == "bool" else bits
        tensors[name] = torch.from_numpy(array).view(getattr(torch, spec.dtype))
    return tensors


@contextmanager
def _explained(path: Path | str) -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise UserError(
            f"{path}: not readable as a checkpoint: {error}; get a fresh copy, or name another file in the card"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
