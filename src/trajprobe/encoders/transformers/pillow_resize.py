"""Resizing exactly as Pillow does it, for batches of pictures on any device.

The processors of published checkpoints resize with Pillow: a separable filter, first along rows, then along columns,
with weights rounded to 22 bits and the result rounded to a grey level after each pass. Torch's interpolation does not
round in between and differs by up to one grey level, 0.02 after normalisation, which is far more than two
implementations may differ by. Here both passes are sums of 32-bit integers, as in Pillow.

Method: Pillow's documentation of its filters, https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters,
and src/libImaging/Resample.c.
"""

import math
from collections.abc import Callable
from functools import cache

import torch

BITS = 22  # of a weight: 32 minus 8 for the grey level and 2 for the overshoot of a cubic


def _bilinear(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _bicubic(x: float) -> float:
    x = abs(x)  # Keys' cubic with a = -1/2
    if x < 1.0:
        return (1.5 * x - 2.5) * x * x + 1.0
    return ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0 if x < 2.0 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3.0) if abs(x) < 3.0 else 0.0


def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x else 1.0


# Pillow's number of a filter, also used in preprocessor_config.json -> its half width and its shape
FILTERS: dict[int, tuple[float, Callable[[float], float]]] = {
    1: (3.0, _lanczos),
    2: (1.0, _bilinear),
    3: (2.0, _bicubic),
}


def pillow_resize(pictures: torch.Tensor, size: int, resample: int) -> torch.Tensor:
    """(n, S, S, C) uint8 -> (n, size, size, C) uint8 on the same device, equal to `PIL.Image.resize`.

    resample: a key of FILTERS. Square pictures only: for others Pillow chooses which axis comes first.
    """
    if size == pictures.shape[1]:
        return pictures
    turned = _pass(pictures.transpose(1, 2).contiguous(), size, resample)
    return _pass(turned.transpose(1, 2).contiguous(), size, resample)


def _pass(pictures: torch.Tensor, size: int, resample: int) -> torch.Tensor:
    """Resample axis 1 of (n, S, ., C) to `size`: each new line is a weighted sum of a few old ones."""
    places, weights = (table.to(pictures.device) for table in _taps(pictures.shape[1], size, resample))
    lines = pictures.int()
    half = 2 ** (BITS - 1)  # so that truncation rounds
    sums = torch.full((1,), half, dtype=torch.int32, device=pictures.device)
    for place, weight in zip(places, weights, strict=True):
        sums = lines.index_select(1, place).mul_(weight.view(1, size, 1, 1)).add_(sums)
    return (sums >> BITS).clamp_(0, 255).to(torch.uint8)


@cache
def _taps(before: int, after: int, resample: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(taps, after) indices of old pixels, and their weights, int32 in units of 2^-22; zero for unused taps."""
    half_width, shape = FILTERS[resample]
    step = before / after
    spread = max(step, 1.0)  # the filter widens with the reduction, so that every pixel counts
    columns = []
    for new in range(after):
        centre = (new + 0.5) * step
        first = max(0, int(centre - half_width * spread + 0.5))
        last = min(before, int(centre + half_width * spread + 0.5))
        column = [shape((old - centre + 0.5) * (1.0 / spread)) for old in range(first, last)]
        share = 1.0 / sum(column)
        scaled = [weight * share * 2**BITS for weight in column]
        columns.append((first, [math.trunc(weight + math.copysign(0.5, weight)) for weight in scaled]))
    taps = max(len(weights) for _, weights in columns)
    places = [[min(first + tap, before - 1) for first, _ in columns] for tap in range(taps)]
    table = [[weights[tap] if tap < len(weights) else 0 for _, weights in columns] for tap in range(taps)]
    return torch.tensor(places), torch.tensor(table, dtype=torch.int32)
