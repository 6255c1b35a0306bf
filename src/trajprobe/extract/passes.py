"""Passes of clips through an encoder: in which precision, and how many clips at once where memory is short.

bfloat16 is torch's automatic mixed precision: convolutions and matrix products take operands of 8 bits of mantissa and
add up in float32; norms and softmax are left in wider types, and poolings always see float32. Casting the whole model
instead is no faster, for convolutions are nine tenths of the time, and adds to the error. A CPU without instructions
for bfloat16 computes the same products by emulation: 1.8 times as long as in float32 with AVX-512, 60 times with AVX2.

How much memory a pass takes is known only to the encoder. So a batch that does not fit is halved, and the smaller one
stays for the rest of the run; the features differ in their last digits only.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import numpy as np
import torch

from trajprobe.core.errors import UserError
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.extract.params import Precision

OUT_OF_MEMORY = re.compile(
    r"out of memory|can(no|')t allocate memory", re.IGNORECASE
)  # of torch's allocators
Result = TypeVar("Result")
log = logging.getLogger(__name__)


class PassSettings(Protocol):
    """device: where encoders run. batch: clips in one pass; lowered where memory is short."""

    device: torch.device
    batch: int


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within the block, encoders on `device` compute in `precision`; weights and inputs need no cast."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def in_float32(maps: Mapping[str, FeatureMap]) -> dict[str, FeatureMap]:
    """`maps` as poolings take them; those that are float32 already are not copied."""
    return {
        layer: FeatureMap(found.grid.float(), None if found.cls is None else found.cls.float())
        for layer, found in maps.items()
    }


def batched(
    work: Callable[[torch.Tensor], Result], clips: np.ndarray, settings: PassSettings
) -> Iterator[tuple[int, Result]]:
    """Yield (number of clips, result of `work` on them) for batches of `clips`, in order.

    work: takes (b, T, H, W, 3) uint8 on the device. On want of memory `settings.batch` is halved and the batch
    repeated; raises UserError if one clip does not fit.
    """
    start = 0
    while start < len(clips):
        batch = clips[start : start + settings.batch]
        try:
            result = work(torch.from_numpy(np.ascontiguousarray(batch)).to(settings.device))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            yield len(batch), result
            start += len(batch)
            continue
        # Here, because the error above holds on to the tensors of the pass that failed.
        _halve(settings, len(batch))


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether an allocator of torch or NumPy had no room; torch's for the CPU and MPS raise a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


def _halve(settings: PassSettings, clips: int) -> None:
    device = settings.device
    if clips == 1:
        raise UserError(
            f"not enough memory on {device} for a single clip; close other programs, or take another device by "
            "--device (TRAJPROBE_DEVICE)"
        )
    settings.batch = clips // 2
    if device.type != "cpu":
        getattr(torch, device.type).empty_cache()
    log.warning(
        "not enough memory on %s for %d clips at once; going on with %d (--batch, TRAJPROBE_BATCH)",
        device,
        clips,
        settings.batch,
    )
