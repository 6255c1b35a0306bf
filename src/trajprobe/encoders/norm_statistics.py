"""Batch-norm statistics of a random arm: estimated on the clips, for nothing else could tell them.

Batch norm divides by the mean and variance of what flows through it, which training collects and an initialisation
does not have. Left at 0 and 1 a deep network's activations grow from block to block, and the random arm is not the
network that its architecture describes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

FRAMES = 512  # on which statistics are estimated, at most


def norms(module: nn.Module) -> list[_BatchNorm]:
    """The batch norms of `module` that keep statistics."""
    return [m for m in module.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


@contextmanager
def estimating(module: nn.Module) -> Iterator[None]:
    """Within, one pass through `module` sets the statistics of all its batch norms to those of that pass.

    Each layer's are those behind the layers before it as they will run, so everything must go through at once. No
    weight changes, and nothing else of the module leaves evaluation mode.
    """
    found = norms(module)
    for norm in found:
        norm.momentum = 1.0  # forget what stood there
        norm.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for norm in found:
            norm.eval()


def evenly(frames: torch.Tensor, most: int) -> torch.Tensor:
    """At most `most` of the rows of `frames`, evenly spaced over all."""
    count = min(most, len(frames))
    return frames[[index * len(frames) // count for index in range(count)]]
