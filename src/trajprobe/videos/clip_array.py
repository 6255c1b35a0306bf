"""Clips as the rows of an array: the order of its axes, the scale of its values, and frames as uint8 RGB."""

from collections.abc import Iterator, Sequence

import numpy as np

from trajprobe.core.errors import UserError

# Five axes: where the one of the channels is. Grey clips have four, N, T, H and W.
CHANNEL_AXES = {"NTHWC": 4, "NCTHW": 1, "NTCHW": 2}
CHANNELS = (1, 3)
TOLERANCE = 1e-3  # by which floats may exceed their range, as rounding leaves them; the excess is cut off


def axis_order(shape: Sequence[int]) -> str:
    """The order of the axes of an array of clips, such as NTHWC; of several that fit, the one with frames to show.

    Raises ValueError, with what the shape is taken for, if none or several fit.
    """
    if len(shape) == 4:
        if shape[3] in CHANNELS:
            raise ValueError("images (N, H, W, C), as there is no axis of time")
        return "NTHW"
    fitting = [order for order, axis in CHANNEL_AXES.items() if len(shape) == 5 and shape[axis] in CHANNELS]
    if fitting[:1] == ["NTHWC"]:  # no picture is 1 or 3 pixels wide
        return "NTHWC"
    fitting = [order for order in fitting if shape[order.index("T")] > 1]
    if len(fitting) != 1:
        raise ValueError("either (N, 3, T, H, W) or (N, T, 3, H, W)" if fitting else "no order of axes")
    return fitting[0]


class ClipLayout:
    """The sizes in an array of clips with this shape. Raises ValueError as `axis_order` does."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.order = axis_order(shape)
        self.count, self.frames, self.height, self.width = (shape[self.order.index(axis)] for axis in "NTHW")
        self.channels = shape[self.order.index("C")] if "C" in self.order else 1
        self._axes = [self.order.index(axis) - 1 for axis in "THWC" if axis in self.order]

    def frames_of(self, clip: np.ndarray, positions: Sequence[int], scale: str) -> Iterator[np.ndarray]:
        """The frames at `positions` of one row of the array, each (H, W, 3) uint8 RGB; grey ones have equal channels.

        scale: of the values, as `find_scale` returns it.
        """
        pictures = clip.transpose(self._axes)
        for position in positions:
            picture = pictures[position]
            if picture.ndim == 2:
                picture = picture[:, :, None]
            yield np.ascontiguousarray(
                np.broadcast_to(to_bytes(picture, scale), (self.height, self.width, 3))
            )


def find_scale(dtype: np.dtype, low: float, high: float, where: str) -> str:
    """How values of this type from `low` to `high` are scaled: `bytes` (0 to 255), `unit` (0 to 1), `signed` (-1 to 1).

    Raises UserError, which `where` opens, for any other type or range.
    """
    if dtype == np.uint8:
        return "bytes"
    if dtype.kind == "f" and high <= 1 + TOLERANCE and low >= -1 - TOLERANCE:
        return "unit" if low >= -TOLERANCE else "signed"
    remedy = "save them as uint8" if low >= 0 and 1 < high <= 255 else "scale them, and save them as uint8"
    raise UserError(
        f"{where}: must be uint8, or floats from 0 to 1 or from -1 to 1, got {dtype} from {low:g} to {high:g}; {remedy}"
    )


def to_bytes(values: np.ndarray, scale: str) -> np.ndarray:
    """Values of this scale as uint8, rounded to the nearest of its 256 levels."""
    if scale == "bytes":
        return values
    levels = values.astype(np.float64) * 255 if scale == "unit" else (values.astype(np.float64) + 1) * 127.5
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
