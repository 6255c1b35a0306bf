"""From a layer's feature map to one vector per clip.

A probe needs vectors of one length, and the summary of a map (B, t, h, w, C) decides what remains visible in it.
`mean` loses position and time; the others keep a spread, the course over time, or a coarse picture. Each docstring
begins with the width of the vector; t, h, w and C are those of the layer.
"""

from collections.abc import Callable

import torch

from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.encoders.protocol import FeatureMap

CELLS = 2  # of `grid`, along each side of the picture


def pool(pooling: str, layer: FeatureMap) -> torch.Tensor:
    """(B, D) float32: `layer` summarised by one of POOLINGS. Raises UserError if the layer does not admit it."""
    return POOLINGS[pooling](layer)


def check_pooling(pooling: str) -> None:
    """Raises UserError, with the nearest names, for a pooling that does not exist."""
    if pooling not in POOLINGS:
        raise UserError(f"extract.pooling: no pooling {pooling!r}; {nearest(pooling, list(POOLINGS))}")


def _mean(layer: FeatureMap) -> torch.Tensor:
    """C: the mean over all positions and times."""
    return layer.grid.mean(dim=(1, 2, 3))


def _mean_std(layer: FeatureMap) -> torch.Tensor:
    """2 C: the mean, then the (population) standard deviation, over all positions and times."""
    std, mean = torch.std_mean(layer.grid, dim=(1, 2, 3), correction=0)
    return torch.cat([mean, std], dim=1)


def _per_frame(layer: FeatureMap) -> torch.Tensor:
    """t C: the mean over the picture at each time, in order."""
    return layer.grid.mean(dim=(2, 3)).flatten(1)


def _grid(layer: FeatureMap) -> torch.Tensor:
    """t min(2, h) min(2, w) C: the mean over each quarter of the picture at each time."""
    batch, t, h, w, channels = layer.grid.shape
    pictures = layer.grid.reshape(batch * t, h, w, channels).permute(0, 3, 1, 2)
    cells = torch.nn.functional.adaptive_avg_pool2d(pictures, (min(CELLS, h), min(CELLS, w)))
    return cells.permute(0, 2, 3, 1).reshape(batch, -1)


def _delta(layer: FeatureMap) -> torch.Tensor:
    """3 C: the mean, the difference of the last time's mean and the first's, and the mean size of the changes.

    Reversing a clip flips the sign of the second part. So, unlike a mean, this distinguishes before from after, at a
    width that does not grow with the number of frames.
    """
    course = layer.grid.mean(dim=(2, 3))
    if course.shape[1] < 2:
        raise UserError(
            "extract.pooling: delta needs a layer with at least two times, got one; take another layer"
        )
    return torch.cat([course.mean(1), course[:, -1] - course[:, 0], course.diff(dim=1).abs().mean(1)], dim=1)


def _cls(layer: FeatureMap) -> torch.Tensor:
    """t C: the class token at each time, in order."""
    if layer.cls is None:
        raise UserError(
            "extract.pooling: cls needs a model with a class token, which this one does not have; take another pooling"
        )
    return layer.cls.flatten(1)


POOLINGS: dict[str, Callable[[FeatureMap], torch.Tensor]] = {
    "mean": _mean,
    "mean_std": _mean_std,
    "per_frame": _per_frame,
    "grid": _grid,
    "delta": _delta,
    "cls": _cls,
}
