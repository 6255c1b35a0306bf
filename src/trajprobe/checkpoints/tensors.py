"""The tensors of an untrusted checkpoint.

Torch's zip files, its older stream files and safetensors are read alike: first the index, then the bytes of the
requested tensors and no others, so that an encoder's 0.6 GB in a 3 GB file cost no more than 0.6 GB.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajprobe.checkpoints.containers import index
from trajprobe.checkpoints.other_formats import OtherFormat
from trajprobe.checkpoints.pickle_stubs import InvalidCheckpoint
from trajprobe.checkpoints.storage import Block, TensorSpec, check_block, read_bits
from trajprobe.core.errors import UserError
from trajprobe.core.unpickle import InvalidPickle

if TYPE_CHECKING:
    import torch

MOST_REPEATED = 4  # times that the file's size may be read from it by views that share data
SMALL = 64 << 20  # bytes that may be read whatever the file's size
FLOATING = ("float64", "float32", "float16", "bfloat16")


def read_index(path: Path | str) -> dict[str, TensorSpec]:
    """The tensors of a checkpoint by name: `.dtype` (torch's name, such as "float32") and `.shape`. No value is read.

    Names are those of the state dict, wherever the file keeps it (`state_dict_tensors`). A tensor whose dtype is not
    in `storage.ITEM_SIZES` is listed but cannot be read.
    Raises UserError, one line, if the file is damaged, hostile or not a checkpoint.
    """
    with _user_errors(path):
        return index(Path(path))


def iterate_bits(path: Path | str, names: Iterable[str]) -> Iterator[tuple[TensorSpec, np.ndarray]]:
    """The tensors `names` one after the other, as `storage.read_bits` returns them.

    Checksums of the container, if any, are verified. Raises UserError as `read_index` does, and for a name that is not
    in the index.
    """
    specs, names = read_index(path), list(names)
    verified: set[Block] = set()
    with _user_errors(path), Path(path).open("rb") as file:
        missing = [name for name in names if name not in specs]
        if missing:
            raise InvalidCheckpoint(f"it has {len(specs)} tensors, but none named {missing[0]!a:.100}")
        for name in names:
            specs[name].check(name)
        # Many views may share a block, but an honest file has little more to read than its size.
        if sum(specs[name].bytes for name in names) > MOST_REPEATED * Path(path).stat().st_size + SMALL:
            raise InvalidCheckpoint("its tensors are together far larger than the file")
        for name in names:
            spec = specs[name]
            if spec.block not in verified:
                check_block(file, spec.block)
                verified.add(spec.block)
            yield spec, read_bits(file, spec)


def iterate_float32(path: Path | str, names: Iterable[str]) -> Iterator[np.ndarray]:
    """The tensors `names` one after the other as float32 in their shapes: half precision exactly, float64 rounded.

    Raises UserError as `iterate_bits` does, and if a tensor is not floating-point, before any is read.
    """
    specs, names = read_index(path), list(names)
    other = sorted(name for name in names if name in specs and specs[name].dtype not in FLOATING)
    if other:
        raise UserError(
            f"{path}: an encoder's tensors must be {', '.join(FLOATING)}, got {specs[other[0]].dtype!a:.40} in "
            f"{len(other)} of {len(names)} ({other[0]!a:.100}); name a file in the card that is not quantised"
        )
    for spec, bits in iterate_bits(path, names):
        if spec.dtype == "bfloat16":  # the upper half of a float32
            values = (bits.astype("<u4") << 16).view("<f4")
        else:
            with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN are the caller's to check
                values = bits.view(np.dtype(spec.dtype).newbyteorder("<")).astype("<f4", copy=False)
        yield values


def read_tensors(path: Path | str, names: Iterable[str]) -> "dict[str, torch.Tensor]":
    """The tensors `names` of a checkpoint, each contiguous and with its own memory. Raises as `iterate_bits` does."""
    import torch

    tensors = {}
    names = list(names)
    for name, (spec, bits) in zip(names, iterate_bits(path, names), strict=True):
        # Any byte but zero is true: torch leaves bytes other than 0 and 1 in a bool undefined.
        array = bits.astype(bool) if spec.dtype == "bool" else bits
        tensors[name] = torch.from_numpy(array).view(getattr(torch, spec.dtype))
    return tensors


@contextmanager
def _user_errors(path: Path | str) -> Iterator[None]:
    try:
        yield
    except OtherFormat as error:
        raise UserError(
            f"{path}: not readable as a checkpoint: {error}; {error.remedy.for_file(path)}"
        ) from None
    except InvalidPickle as error:
        raise UserError(
            f"{path}: not readable as a checkpoint: {error}; get a fresh copy, or name another file in the card"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
