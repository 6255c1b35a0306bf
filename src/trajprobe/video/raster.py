"""Filling convex outlines with exact coverage, the one primitive that everything in a clip is drawn with.

OpenCV's own anti-aliasing (LINE_AA) paints a disc of radius 4 with 30 % too much area and knows whole line widths
only. So outlines are filled without anti-aliasing on a mask SUBPIXELS times finer than the frame and averaged
down, which places a shape within 0.02 pixel, has no seams where shapes overlap, and takes any width.
"""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

SUBPIXELS = 8  # subpixels along each side of a pixel
FIXED_POINT = 16  # fractional bits of the coordinates that OpenCV is given
SPILL = 0.5  # subpixels that cv2.fillConvexPoly reaches beyond an outline, on average over directions
FLATNESS = 0.05  # subpixels by which a polygon may miss the arc it stands for

Box = tuple[slice, slice]  # rows and columns of a picture


def disc(radius: float) -> np.ndarray:
    """(V, 2) float64 outline of a disc of `radius` pixels about the origin."""
    angles = np.linspace(0, 2 * np.pi, 2 * _arc_steps(radius), endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def capsules(path: np.ndarray, radius: float) -> np.ndarray:
    """Outlines (S, V, 2) of the S = K - 1 pieces of `path` (K, 2), each with round ends of `radius` pixels.

    Pieces overlap in a whole disc at each corner, which makes the joins round; a piece of no length is a disc.
    """
    along = np.diff(path, axis=0)
    heading = np.arctan2(along[:, 1], along[:, 0])[:, None]
    angles = heading + np.linspace(-np.pi / 2, np.pi / 2, _arc_steps(radius) + 1)
    front = radius * np.stack([np.cos(angles), np.sin(angles)], axis=2)
    return np.concatenate([path[1:, None] + front, path[:-1, None] - front], axis=1)


def shrink(radius: float) -> float:
    """The radius, in pixels, to outline so that a shape of `radius` pixels comes out (see SPILL)."""
    return max(radius - SPILL / SUBPIXELS, 0.0)


def fixed(outlines: np.ndarray) -> np.ndarray:
    """Outlines (..., V, 2) in pixels as int32 in fixed point on the fine mask, which is what `fill` takes."""
    # The middle of subpixel i is the coordinate i to OpenCV and (i + 0.5) / SUBPIXELS pixels to us.
    return np.rint((outlines * SUBPIXELS - 0.5) * 2**FIXED_POINT).astype(np.int32)


def fill(mask: np.ndarray, outlines: Iterable[np.ndarray], values: Iterable[int]) -> None:
    """Paint convex outlines (see `fixed`) with their values onto a fine mask, one after the other.

    mask: (H * SUBPIXELS, W * SUBPIXELS) uint8, changed in place.
    """
    for outline, value in zip(outlines, values, strict=True):
        cv2.fillConvexPoly(mask, outline, value, cv2.LINE_8, FIXED_POINT)


def coverage(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the mean of a fine mask over each pixel."""
    height, width = mask.shape
    return cv2.resize(mask, (width // SUBPIXELS, height // SUBPIXELS), interpolation=cv2.INTER_AREA)


def blank(height: int, width: int) -> np.ndarray:
    """An empty fine mask for `height` x `width` pixels."""
    return np.zeros((height * SUBPIXELS, width * SUBPIXELS), np.uint8)


def fine(box: Box) -> Box:
    """The part of a fine mask that lies under `box` of the frame."""
    rows, columns = (slice(side.start * SUBPIXELS, side.stop * SUBPIXELS) for side in box)
    return rows, columns


def box_around(points: np.ndarray, radius: float, size: int) -> Box:
    """The pixels of a frame of `size` that ink within `radius` of `points` (K, 2) can touch."""
    reach = radius + 1 / SUBPIXELS
    left, top = (points.min(axis=0) - reach).tolist()
    right, bottom = (points.max(axis=0) + reach).tolist()
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom), size))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right), size))
    return rows, columns


def blend(ground: np.ndarray, alpha: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: `colour` (3,) over `ground` (H, W, 3) uint8 where `alpha` (H, W) uint8 lets it cover."""
    share = alpha.astype(np.float32)
    return cv2.blendLinear(np.full(ground.shape, colour), ground, share, 255 - share)


def stamp(
    picture: np.ndarray, outlines: Sequence[np.ndarray], values: Sequence[int], colour: np.ndarray
) -> None:
    """Draw a small shape in `colour` (3,) uint8 onto `picture` (S, S, 3) uint8, in place.

    outlines: as in `fill`; a value of 255 adds to the shape, 0 cuts a hole into it. What lies outside is cut off.
    """
    box = box_around(np.concatenate(outlines), SPILL / SUBPIXELS, len(picture))
    rows, columns = box
    if rows.start < rows.stop and columns.start < columns.stop:
        mask = blank(rows.stop - rows.start, columns.stop - columns.start)
        fill(mask, [fixed(outline - (columns.start, rows.start)) for outline in outlines], values)
        picture[box] = blend(picture[box], coverage(mask), colour)


def rgb(colour: str) -> np.ndarray:
    """(3,) uint8 from "#rrggbb"."""
    return np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)


def _arc_steps(radius: float) -> int:
    """How many chords stand for half a turn."""
    fine_radius = max(radius * SUBPIXELS, 1.0)
    return max(4, int(np.ceil(np.pi / (2 * np.arccos(1 - FLATNESS / fine_radius)))))
