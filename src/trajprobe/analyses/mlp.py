"""A probe with one hidden layer: what can be read from the features by more than a line.

Features are standardised and rotated as for the linear probe. The hidden units are rectified; weights begin as He et
al. (Delving deep into rectifiers, 2015) have them, the last layer at zero, so that training starts from a uniform law.
"""

from collections.abc import Sequence

import numpy as np
import torch

from trajprobe.analyses.networks import Parameters, learn
from trajprobe.probe.logistic import principal_axes


def mlp(
    hidden: int,
    epochs: int,
    seed: int,
    rows: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: Sequence[np.ndarray],
    new: np.ndarray,
) -> np.ndarray:
    """A Learner, once `hidden` units, `epochs` at most, and the seed are given: (m, K) logits."""
    axes = principal_axes(rows)
    width = len(axes.energy)

    def initialise(generator: torch.Generator) -> Parameters:
        first = torch.randn(width, hidden, generator=generator) * (2 / max(width, 1)) ** 0.5
        return [first, torch.zeros(1, hidden), torch.zeros(hidden, n_classes), torch.zeros(1, n_classes)]

    return learn(initialise, _forward, axes.apply(rows), codes, inner, axes.apply(new), epochs, seed)


def _forward(parameters: Parameters, rows: torch.Tensor) -> torch.Tensor:
    first, bias, second, offset = parameters
    return (rows @ first + bias).relu() @ second + offset
