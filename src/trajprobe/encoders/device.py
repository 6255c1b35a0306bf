"""Where encoders run, and on how many clips at once. Neither changes a result beyond the last digits of a float."""

import os

import torch

from trajprobe.errors import UserError

BATCH = 8  # clips; the largest encoder at 128 pixels then needs about 3 GB


def device() -> torch.device:
    """TRAJPROBE_DEVICE, or cuda where there is one, or the cpu. Raises UserError where it does not exist."""
    name = os.environ.get("TRAJPROBE_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"TRAJPROBE_DEVICE: cannot use {name!r} ({reason}); take cpu, cuda, cuda:1, ..."
        ) from None
    if chosen.type == "cuda":
        # Ten bits of mantissa would move features by more than any difference between implementations.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return chosen


def batch() -> int:
    """TRAJPROBE_BATCH: clips in one pass through the encoder. Raises UserError where it is not a whole number >= 1."""
    text = os.environ.get("TRAJPROBE_BATCH") or str(BATCH)
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"TRAJPROBE_BATCH: must be a whole number of clips, at least 1, got {text!r}")
    return int(text)
