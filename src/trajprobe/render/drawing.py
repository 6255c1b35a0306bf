"""A path becomes a clip: a trail that grows from frame to frame, and a marker at the current position.

Frame k of T shows the time start + k / (T - 1) * duration; a clip of one frame shows the whole path. A clip has one
fine mask for its trail. Each frame adds the pieces travelled since the last one, and the union is drawn, so neither
crossings nor the seams between frames are visible. For a fading trail the mask holds *when* each subpixel was last
passed, and a frame turns these times into opacity.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from trajprobe.render.params import RenderParams
from trajprobe.render.raster import (
    Box,
    blend,
    box_around,
    capsules,
    coverage,
    disc,
    empty_mask,
    fill_outlines,
    fine_box,
    fixed_point,
    outline_radius,
    rgb,
    stamp,
)

MEMORY = 0.5  # fraction of the clip's duration after which a fading trail is gone
FADE_STEPS = 128  # pieces of equal duration into which a fading trail is cut, at least
LATEST = 255  # mask value of the path's end; its start is 1, and 0 is where it never was


@dataclass(frozen=True)
class Timeline:
    """Times at which a path is needed, and which of them are frames.

    knots: (K,) float64, strictly increasing: the times of the data, of the frames, and cuts of a fading trail.
    stops: (T,) int64, the knot that each frame shows. strokes: (K,) float64, the number of the stroke at each knot, and
    halfway between two numbers while the pen is lifted; None if there is one stroke.
    """

    knots: np.ndarray
    stops: np.ndarray
    strokes: np.ndarray | None = None

    @property
    def ages(self) -> np.ndarray:
        """(K,) float64: the knots as fractions of the duration, 0 to 1."""
        return (self.knots - self.knots[0]) / (self.knots[-1] - self.knots[0])


def make_timeline(times: np.ndarray, render: RenderParams, strokes: np.ndarray | None = None) -> Timeline:
    """times: (P,) float64 seconds, strictly increasing. strokes: (P,) their numbers, if there are several."""
    start, end = times[0], times[-1]
    moments = np.linspace(start, end, render.frames) if render.frames > 1 else times[-1:]
    cuts = np.linspace(start, end, FADE_STEPS + 1) if render.trail == "fading" else times[:0]
    knots = np.unique(np.concatenate([times, moments, cuts]))
    if strokes is not None:
        after = np.searchsorted(times, knots)
        before = np.searchsorted(times, knots, side="right") - 1
        strokes = (strokes[after] + strokes[before]) / 2
    return Timeline(knots, np.searchsorted(knots, moments), strokes)


def draw_path(
    path: np.ndarray, timeline: Timeline, backgrounds: np.ndarray, render: RenderParams
) -> np.ndarray:
    """Draw one path over the pictures beneath it.

    path: (K, 2) float64, pixels at the knots of `timeline`. backgrounds: (T, S, S, 3) uint8 with S = render.size, each
    frame without the path. Returns (T, S, S, 3) uint8 RGB.
    """
    clip = np.empty(backgrounds.shape, np.uint8)
    marker_colour = rgb(render.marker_colour)
    marker = disc(outline_radius(render.marker_radius))
    trail = _Trail(path, timeline, render) if render.trail != "none" and render.line_width > 0 else None
    background_changes = render.clutter.moving > 0 or render.clutter.transient > 0
    canvas = backgrounds[0].copy()
    for frame, stop in enumerate(timeline.stops):
        if background_changes:
            canvas = backgrounds[frame].copy()
        if trail is not None:
            box = trail.grow(stop)
            if background_changes or render.trail == "fading":
                box = trail.box
            canvas[box] = blend(backgrounds[frame][box], trail.opacity(box), trail.colour)
        clip[frame] = canvas
        if render.marker_radius > 0:
            stamp(clip[frame], [path[stop] + marker], [255], marker_colour)
    return clip


class _Trail:
    """The part of the path travelled so far. Piece k leads to knot k; the first one of a stroke is a dot.

    While the pen is lifted there are no pieces.
    """

    def __init__(self, path: np.ndarray, timeline: Timeline, render: RenderParams) -> None:
        self.colour = rgb(render.line_colour)
        self._path = path
        self._ages = timeline.ages
        self._radius = render.line_width / 2
        origins = np.concatenate([path[:1], path[:-1]])
        self._inked = np.ones(len(path), bool)
        if timeline.strokes is not None:
            begins = np.diff(timeline.strokes, prepend=0) != 0
            origins[begins] = path[begins]
            self._inked = timeline.strokes % 1 == 0
        self._pieces = fixed_point(capsules(origins, path, outline_radius(self._radius)))
        self._fades = render.trail == "fading"
        values = 1 + np.rint(self._ages * (LATEST - 1)) if self._fades else np.full(len(path), LATEST)
        self._values = values.astype(int)
        self._size = render.size
        self._mask = empty_mask(render.size, render.size)
        self._drawn = 0  # pieces
        self.box = self._around(0, 1)

    def grow(self, stop: int) -> Box:
        """Add what was travelled up to knot `stop`; returns the pixels that this touched."""
        start, self._drawn = self._drawn, stop + 1
        inked = self._inked[start : stop + 1]
        pieces, values = self._pieces[start : stop + 1][inked], self._values[start : stop + 1][inked]
        fill_outlines(self._mask, pieces, values.tolist())
        self.box = self._around(0, self._drawn)
        return self._around(max(start - 1, 0), self._drawn)

    def opacity(self, box: Box) -> np.ndarray:
        """(h, w) uint8 over `box`, as seen at the last knot added."""
        mask = self._mask[fine_box(box)]
        if self._fades:
            age = self._ages[self._drawn - 1] - np.arange(LATEST) / (LATEST - 1)
            left = np.clip(1 - age / MEMORY, 0, 1)
            mask = cv2.LUT(mask, np.rint(255 * np.concatenate([[0], left])).astype(np.uint8))
        return coverage(mask)

    def _around(self, start: int, stop: int) -> Box:
        return box_around(self._path[start:stop], self._radius, self._size)
