"""A path becomes a clip: a trail that grows from frame to frame, and a marker where the object is.

Frame k of T shows the time start + k / (T - 1) * duration (a clip of one frame shows the whole path). The trail lives
on one fine mask for the whole clip: each frame only adds the pieces travelled since the last one, and what is drawn
is their union, so neither a crossing nor the seam between two frames shows. For a fading trail the mask holds *when*
each subpixel was last passed, and a frame turns those times into opacity.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from trajprobe.params.study import Render
from trajprobe.video.raster import (
    Box,
    blank,
    blend,
    box_around,
    capsules,
    coverage,
    disc,
    fill,
    fine,
    fixed,
    rgb,
    shrink,
    stamp,
)

MEMORY = 0.5  # share of the clip's duration after which a fading trail is gone
FADE_STEPS = 128  # pieces of equal duration that a fading trail is cut into, at least
LATEST = 255  # mask value of the path's end; its start is 1, and 0 is where it never was


@dataclass(frozen=True)
class Timeline:
    """Times at which a path is needed, and which of them are frames.

    knots: (K,) float64, strictly increasing; the times of the data, of the frames, and cuts of a fading trail.
    stops: (T,) int64, the knot that each frame shows.
    """

    knots: np.ndarray
    stops: np.ndarray

    @property
    def ages(self) -> np.ndarray:
        """(K,) float64: the knots as shares of the duration, 0 to 1."""
        return (self.knots - self.knots[0]) / (self.knots[-1] - self.knots[0])


def timeline(times: np.ndarray, render: Render) -> Timeline:
    """times: (P,) float64 seconds, strictly increasing."""
    start, end = times[0], times[-1]
    moments = np.linspace(start, end, render.frames) if render.frames > 1 else times[-1:]
    cuts = np.linspace(start, end, FADE_STEPS + 1) if render.trail == "fading" else times[:0]
    knots = np.unique(np.concatenate([times, moments, cuts]))
    return Timeline(knots, np.searchsorted(knots, moments))


def draw(path: np.ndarray, when: Timeline, grounds: np.ndarray, render: Render) -> np.ndarray:
    """Draw one path over the pictures beneath it.

    path: (K, 2) float64, pixels at the knots of `when`. grounds: (T, S, S, 3) uint8 with S = render.size, each frame
    without the path. Returns (T, S, S, 3) uint8 RGB.
    """
    clip = np.empty(grounds.shape, np.uint8)
    marker_colour = rgb(render.marker_colour)
    marker = disc(shrink(render.marker_radius))
    trail = _Trail(path, when, render) if render.trail != "none" and render.line_width > 0 else None
    ground_changes = render.clutter.moving > 0 or render.clutter.transient > 0
    canvas = grounds[0].copy()
    for frame, stop in enumerate(when.stops):
        if ground_changes:
            canvas = grounds[frame].copy()
        if trail is not None:
            box = trail.grow(stop)
            if ground_changes or render.trail == "fading":
                box = trail.box
            canvas[box] = blend(grounds[frame][box], trail.opacity(box), trail.colour)
        clip[frame] = canvas
        if render.marker_radius > 0:
            stamp(clip[frame], [path[stop] + marker], [255], marker_colour)
    return clip


class _Trail:
    """The part of the path that was travelled so far; piece k leads to knot k, and piece 0 is the dot at the start."""

    def __init__(self, path: np.ndarray, when: Timeline, render: Render) -> None:
        self.colour = rgb(render.line_colour)
        self._path = path
        self._ages = when.ages
        self._radius = render.line_width / 2
        self._pieces = fixed(capsules(np.concatenate([path[:1], path]), shrink(self._radius)))
        self._fades = render.trail == "fading"
        values = 1 + np.rint(self._ages * (LATEST - 1)) if self._fades else np.full(len(path), LATEST)
        self._values = values.astype(int).tolist()
        self._size = render.size
        self._mask = blank(render.size, render.size)
        self._drawn = 0  # pieces
        self.box = self._around(0, 1)

    def grow(self, stop: int) -> Box:
        """Add what was travelled up to knot `stop`; returns the pixels that this touched."""
        start, self._drawn = self._drawn, stop + 1
        fill(self._mask, self._pieces[start : stop + 1], self._values[start : stop + 1])
        self.box = self._around(0, self._drawn)
        return self._around(max(start - 1, 0), self._drawn)

    def opacity(self, box: Box) -> np.ndarray:
        """(h, w) uint8 over `box`, as seen at the last knot added."""
        mask = self._mask[fine(box)]
        if self._fades:
            age = self._ages[self._drawn - 1] - np.arange(LATEST) / (LATEST - 1)
            left = np.clip(1 - age / MEMORY, 0, 1)
            mask = cv2.LUT(mask, np.rint(255 * np.concatenate([[0], left])).astype(np.uint8))
        return coverage(mask)

    def _around(self, start: int, stop: int) -> Box:
        return box_around(self._path[start:stop], self._radius, self._size)
