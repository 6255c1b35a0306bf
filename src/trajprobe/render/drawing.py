"""A path becomes a clip: a trail that grows from frame to frame, and a marker at the current position.

Frame k of T shows the time start + k / (T - 1) * duration; a clip of one frame shows the whole path. The duration is
that of the path, or one for all clips: then a path that ends earlier rests at its end. A clip has one fine mask for its
trail. Each frame adds the pieces travelled since the last one, and the union is drawn, so neither crossings nor the
seams between frames are visible. For a trail that fades or is coloured by time the mask holds *when* each subpixel was
last passed, and a frame turns these times into opacity and colour.

The colours of time are those of viridis (Smith & van der Walt 2015), which is perceptually uniform and ordered, also in
grey and for colour-blind readers. Its darkest quarter is left out: a path would begin invisible on a dark background.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from trajprobe.render.params import RenderParams
from trajprobe.render.raster import (
    Box,
    blend,
    blend_colours,
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
FADE_STEPS = 128  # pieces of equal duration into which a trail is cut, at least, whose look depends on time
LATEST = 255  # mask value of the clip's end; its start is 1, and 0 is where the path never was
FIRST_COLOUR = 64  # of the 256 of viridis, the one of the clip's start


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


def make_timeline(
    times: np.ndarray,
    render: RenderParams,
    strokes: np.ndarray | None = None,
    duration: float | None = None,
) -> Timeline:
    """times: (P,) float64 seconds, strictly increasing. strokes: (P,) their numbers, if there are several.

    duration: seconds of the clip, at least those of the path; None for those of the path.
    """
    start, end = times[0], times[-1]
    if duration is not None:
        end = max(end, start + duration)
    moments = np.linspace(start, end, render.frames) if render.frames > 1 else np.array([end])
    cuts = np.linspace(start, end, FADE_STEPS + 1) if _shows_time(render) else times[:0]
    knots = np.unique(np.concatenate([times, moments, cuts]))
    if strokes is not None:
        after = np.minimum(np.searchsorted(times, knots), len(times) - 1)
        before = np.searchsorted(times, knots, side="right") - 1
        strokes = (strokes[after] + strokes[before]) / 2
    return Timeline(knots, np.searchsorted(knots, moments), strokes)


def _shows_time(render: RenderParams) -> bool:
    return render.trail == "fading" or (render.trail == "whole" and render.trail_colour == "time")


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
    background_changes = backgrounds.strides[0] != 0  # a still one is broadcast over the frames
    canvas = backgrounds[0].copy()
    for frame, stop in enumerate(timeline.stops):
        if background_changes:
            canvas = backgrounds[frame].copy()
        if trail is not None:
            box = trail.grow(stop)
            if background_changes or render.trail == "fading":
                box = trail.box
            canvas[box] = trail.over(backgrounds[frame][box], box)
        clip[frame] = canvas
        if render.marker_radius > 0:
            stamp(clip[frame], [path[stop] + marker], [255], marker_colour)
    return clip


class _Trail:
    """The part of the path travelled so far. Piece k leads to knot k; the first one of a stroke is a dot.

    While the pen is lifted there are no pieces.
    """

    def __init__(self, path: np.ndarray, timeline: Timeline, render: RenderParams) -> None:
        self._colour = rgb(render.line_colour)
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
        timed = _shows_time(render)
        values = 1 + np.rint(self._ages * (LATEST - 1)) if timed else np.full(len(path), LATEST)
        self._values = values.astype(int)
        self._colours = time_colours() if render.trail_colour == "time" else None
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

    def over(self, background: np.ndarray, box: Box) -> np.ndarray:
        """(h, w, 3) uint8: the trail as seen at the last knot added, over `background` (h, w, 3), both over `box`."""
        mask = self._mask[fine_box(box)]
        if self._colours is not None:
            return blend_colours(background, mask, self._colours, self._opacities())
        if self._fades:
            mask = cv2.LUT(mask, self._opacities())
        return blend(background, coverage(mask), self._colour)

    def _opacities(self) -> np.ndarray:
        """(256,) uint8 of each mask value, as seen at the last knot added."""
        if not self._fades:
            return np.where(np.arange(LATEST + 1) > 0, 255, 0).astype(np.uint8)
        age = self._ages[self._drawn - 1] - np.arange(LATEST) / (LATEST - 1)
        left = np.clip(1 - age / MEMORY, 0, 1)
        return np.rint(255 * np.concatenate([[0], left])).astype(np.uint8)

    def _around(self, start: int, stop: int) -> Box:
        return box_around(self._path[start:stop], self._radius, self._size)


@cache
def time_colours() -> np.ndarray:
    """(256, 3) uint8 RGB of the mask values: viridis from FIRST_COLOUR on; that of 0, where no path is, is black."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    colours = table[np.rint(np.linspace(FIRST_COLOUR, 255, LATEST)).astype(int)]
    return np.concatenate([np.zeros((1, 3), np.uint8), colours])
