"""Filled convex outlines with exact coverage, the one primitive with which everything in a clip is drawn.

OpenCV's own anti-aliasing (LINE_AA) makes a disc of radius 4 by 30 % too large, and its lines have whole widths only.
Here outlines are filled without anti-aliasing on a mask SUBPIXELS times finer than the frame, which is then averaged.
This places a shape within 0.02 pixel, shows no seams where shapes overlap, and takes any width.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

SUBPIXELS = 8  # along each side of a pixel
FIXED_POINT = 16  # fractional bits of the coordinates that OpenCV takes
SPILL = 0.5  # subpixels that cv2.fillConvexPoly reaches beyond an outline, averaged over directions
FLATNESS = 0.05  # subpixels by which a polygon may deviate from the arc it approximates

Box = tuple[slice, slice]  # rows and columns of a picture


def disc(radius: float) -> np.ndarray:
    """(V, 2) float64 outline of a disc of `radius` pixels about the origin."""
    angles = np.linspace(0, 2 * np.pi, 2 * _arc_steps(radius), endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def capsules(origins: np.ndarray, ends: np.ndarray, radius: float) -> np.ndarray:
    """Outlines (S, V, 2) of S pieces from `origins` (S, 2) to `ends` (S, 2), with round ends of `radius` pixels.

    Pieces overlap in a whole disc at each corner, which makes the joins round; a piece of length zero is a disc.
    """
    along = ends - origins
    heading = np.arctan2(along[:, 1], along[:, 0])[:, None]
    angles = heading + np.linspace(-np.pi / 2, np.pi / 2, _arc_steps(radius) + 1)
    front = radius * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    return np.concatenate([ends[:, None] + front, origins[:, None] - front], axis=1)


def outline_radius(radius: float) -> float:
    """The radius, in pixels, of the outline that fills a shape of `radius` pixels (see SPILL)."""
    return max(radius - SPILL / SUBPIXELS, 0.0)


def fixed_point(outlines: np.ndarray) -> np.ndarray:
    """Outlines (..., V, 2) in pixels as int32 in fixed point on the fine mask, as `fill_outlines` takes them."""
    # The middle of subpixel i is the coordinate i in OpenCV and (i + 0.5) / SUBPIXELS pixels here.
    return np.rint((outlines * SUBPIXELS - 0.5) * 2**FIXED_POINT).astype(np.int32)


def fill_outlines(mask: np.ndarray, outlines: Iterable[np.ndarray], values: Iterable[int]) -> None:
    """Fill convex outlines (see `fixed_point`) with their values on a fine mask, one after the other.

    mask: (H * SUBPIXELS, W * SUBPIXELS) uint8, changed in place.
    """
    for outline, value in zip(outlines, values, strict=True):
        cv2.fillConvexPoly(mask, outline, value, cv2.LINE_8, FIXED_POINT)


def coverage(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the mean of a fine mask over each pixel."""
    height, width = mask.shape
    return cv2.resize(mask, (width // SUBPIXELS, height // SUBPIXELS), interpolation=cv2.INTER_AREA)


def empty_mask(height: int, width: int) -> np.ndarray:
    """A fine mask of zeros for `height` x `width` pixels."""
    return np.zeros((height * SUBPIXELS, width * SUBPIXELS), np.uint8)


def fine_box(box: Box) -> Box:
    """The part of a fine mask that lies under `box` of the frame."""
    rows, columns = (slice(side.start * SUBPIXELS, side.stop * SUBPIXELS) for side in box)
    return rows, columns


def box_around(points: np.ndarray, radius: float, size: int) -> Box:
    """The pixels of a frame of `size` that shapes within `radius` of `points` (K, 2) can touch."""
    reach = radius + 1 / SUBPIXELS
    left, top = (points.min(axis=0) - reach).tolist()
    right, bottom = (points.max(axis=0) + reach).tolist()
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom), size))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right), size))
    return rows, columns


def blend(background: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: `colour` (3,) over `background` (H, W, 3) uint8 with the opacity `alpha` (H, W) uint8."""
    opacity = alpha.astype(np.float32)
    return cv2.blendLinear(np.full(background.shape, colour), background, opacity, 255 - opacity)


def blend_colours(
    background: np.ndarray, mask: np.ndarray, colours: np.ndarray, opacity: np.ndarray
) -> np.ndarray:
    """(H, W, 3) uint8: a fine mask whose values have colours and opacities, over `background` (H, W, 3) uint8.

    mask: (H * SUBPIXELS, W * SUBPIXELS) uint8. colours: (256, 3) uint8. opacity: (256,) uint8, 0 for the value 0. Each
    subpixel is blended by itself: a pixel is the mean over its subpixels.
    """
    height, width = background.shape[:2]
    premultiplied = np.rint(colours * (opacity[:, None] / 255)).astype(np.uint8)
    table = np.concatenate([premultiplied, opacity[:, None]], axis=1)[:, None]
    shown = cv2.LUT(cv2.merge([mask] * 4), table)
    mean = cv2.resize(shown, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    kept = background * (1 - mean[..., 3:] / 255)
    return np.rint(mean[..., :3] + kept).astype(np.uint8)


def stamp(
    picture: np.ndarray, outlines: Sequence[np.ndarray], values: Sequence[int], colour: np.ndarray
) -> None:
    """Draw a small shape in `colour` (3,) uint8 into `picture` (S, S, 3) uint8, in place.

    outlines: in pixels; a value of 255 adds to the shape, 0 cuts a hole into it. The shape is clipped to the picture.
    """
    box = box_around(np.concatenate(outlines), SPILL / SUBPIXELS, len(picture))
    rows, columns = box
    if rows.start < rows.stop and columns.start < columns.stop:
        mask = empty_mask(rows.stop - rows.start, columns.stop - columns.start)
        fill_outlines(
            mask, [fixed_point(outline - (columns.start, rows.start)) for outline in outlines], values
        )
        picture[box] = blend(picture[box], coverage(mask), colour)


def rgb(colour: str) -> np.ndarray:
    """(3,) uint8 from "#rrggbb"."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def _arc_steps(radius: float) -> int:
    """The number of chords that approximate half a turn."""
    fine_radius = max(radius * SUBPIXELS, 1.0)
    return max(4, int(np.ceil(np.pi / (2 * np.arccos(1 - FLATNESS / fine_radius)))))
