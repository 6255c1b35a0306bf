"""Drawn clips against an independent rasteriser, closed forms of position and area, and invariances.

The reference uses neither outlines nor masks: it measures how far each point of a fine grid is from the travelled path
and from the marker, and averages the colours over each pixel.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.render.camera import make_projection
from trajprobe.render.drawing import MEMORY, draw_path, make_timeline, time_colours
from trajprobe.render.params import RenderParams
from trajprobe.render.raster import blend
from trajprobe.render.rendering import render_clip

Section = Callable[..., RenderParams]
SAMPLES = 16  # of the reference, along each side of a pixel
PLAIN = {"background": "#000000", "line_colour": "#ffffff", "marker_colour": "#ffffff"}


def positions(points: np.ndarray, times: np.ndarray, render: RenderParams) -> np.ndarray:
    """(T, 2) pixels where the object is in each frame."""
    moments = times[0] + np.arange(render.frames) / (render.frames - 1) * (times[-1] - times[0])
    at = np.stack([np.interp(moments, times, axis) for axis in points.T], axis=1)
    return make_projection(points, render, "up", np.random.default_rng(0))(at)


def centroid(picture: np.ndarray) -> np.ndarray:
    """(2,) pixels of the brightness of a picture (H, W, 3)."""
    weight = picture.astype(float).sum(axis=2)
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]] + 0.5
    return np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()


def distance_to(path: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """From samples (..., 2) to the polyline `path` (K, 2)."""
    nearest = np.full(samples.shape[:-1], np.inf)
    for start, stop in pairwise(path):
        along = stop - start
        share = np.clip((samples - start) @ along / max(along @ along, 1e-30), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(samples - start - share[..., None] * along, axis=-1))
    return nearest


def reference_frame(path: np.ndarray, render: RenderParams) -> np.ndarray:
    """(S, S, 3) float: the whole of `path` (K, 2) pixels as a trail, the marker at its end."""
    grid = (np.arange(render.size * SAMPLES) + 0.5) / SAMPLES
    samples = np.stack(np.meshgrid(grid, grid), axis=-1)
    colours = {
        key: np.array([int(getattr(render, key)[i : i + 2], 16) for i in (1, 3, 5)], float)
        for key in ("background", "line_colour", "marker_colour")
    }
    picture = np.broadcast_to(colours["background"], (*samples.shape[:2], 3)).copy()
    picture[distance_to(path, samples) <= render.line_width / 2] = colours["line_colour"]
    if render.marker_radius:
        at_marker = np.linalg.norm(samples - path[-1], axis=-1) <= render.marker_radius
        picture[at_marker] = colours["marker_colour"]
    return picture.reshape(render.size, SAMPLES, render.size, SAMPLES, 3).mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("line_width", "marker_radius"), [(2.0, 4.0), (0.6, 0.0), (1.3, 2.7), (3.5, 0.0), (5.0, 6.2)]
)
def test_pixels_are_covered_as_the_reference_says(
    section: Section, rng: np.random.Generator, line_width: float, marker_radius: float
) -> None:
    render = section(size=40, frames=3, margin=0.05, line_width=line_width, marker_radius=marker_radius)
    times = np.array([0.0, 1.0, 1.5, 3.0, 4.0])
    points = rng.normal(size=(5, 2))
    clip = render_clip(points, times, render, 0)
    project = make_projection(points, render, "up", rng)
    for frame, moment in enumerate((0.0, 2.0, 4.0)):
        now = [[np.interp(moment, times, axis) for axis in points.T]]
        travelled = project(np.concatenate([points[times <= moment], now]))
        error = np.abs(clip[frame] - reference_frame(travelled, render))
        assert error.mean() < 0.5  # grey levels
        assert error.max() < 0.125 * 255  # an eighth of a pixel's coverage


@given(
    st.floats(-np.pi, np.pi),
    st.floats(0.3, 0.7),
    st.floats(1.5, 8),
    st.floats(0.05, 0.25),
    st.integers(32, 140),
)
@settings(max_examples=60)
def test_the_marker_stands_where_the_object_is(
    section: Section, heading: float, ratio: float, marker_radius: float, margin: float, size: int
) -> None:
    render = section(trail="none", marker_radius=marker_radius, margin=margin, size=size, **PLAIN)
    times = np.array([0.0, 0.4, 1.0])
    ahead, aside = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    points = np.array([0 * ahead, ratio * ahead + 0.3 * aside, ahead])
    clip = render_clip(points, times, render, 0)
    expected = positions(points, times, render)
    for frame, where in zip(clip, expected, strict=True):
        assert np.abs(centroid(frame) - where).max() < 0.05
        assert frame[..., 0].sum() / 255 == pytest.approx(np.pi * marker_radius**2, rel=0.04)


def test_positions_are_linear_in_time_not_in_samples(section: Section) -> None:
    # Half of the way in the last tenth of the time, and a clock that does not start at zero.
    render = section(trail="none", **PLAIN)
    times = 1.7e9 + np.array([0.0, 9.0, 10.0])
    clip = render_clip(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]), times, render, 0)
    x = np.array([centroid(frame)[0] for frame in clip])
    shares = (x - x[0]) / (x[-1] - x[0])
    np.testing.assert_allclose(shares, [0, 2.5 / 18, 5 / 18, 7.5 / 18, 1], atol=1e-3)


def test_the_trail_ends_at_the_marker(section: Section) -> None:
    points, times = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0])
    render = section(frames=8, marker_radius=0.0, line_width=3.0, **PLAIN)
    clip = render_clip(points, times, render, 0)
    for frame, where in zip(clip, positions(points, times, render), strict=True):
        covered = frame[..., 0].sum(axis=0) / 255 / 3  # of each column, in units of the line's width
        start = render.size * render.margin + 1.5
        round_ends = np.pi * 1.5**2 / 3
        assert covered.sum() == pytest.approx(where[0] - start + round_ends, rel=0.003, abs=0.1)
        assert np.nonzero(covered)[0].max() + 1 == pytest.approx(where[0] + 1.5, abs=1.07)


@given(st.integers(0, 10**6), st.integers(2, 12))
@settings(max_examples=25)
def test_a_whole_trail_never_loses_ink(section: Section, seed: int, frames: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3)).cumsum(axis=0)
    render = section(frames=frames, marker_radius=0.0, size=48, **PLAIN)
    clip = render_clip(points, np.arange(12.0), render, 0)
    assert (np.diff(clip.astype(int), axis=0) >= 0).all()
    assert (clip[-1] > 0).sum() > (clip[0] > 0).sum()


@given(st.integers(2, 20))
@settings(max_examples=10)
def test_frames_leave_no_seam(section: Section, frames: int) -> None:
    points, times = np.array([[0.0, 0.0], [1.0, 0.37]]), np.array([0.0, 1.0])
    parts = render_clip(points, times, section(frames=frames, **PLAIN), 0)
    once = render_clip(points, times, section(frames=1, **PLAIN), 0)
    assert np.abs(parts[-1].astype(int) - once[0]).max() <= 0.05 * 255


def test_a_crossing_is_no_brighter_and_a_corner_is_round(section: Section) -> None:
    render = section(
        frames=1, size=64, line_width=4.0, marker_radius=0.0, background="#202020", line_colour="#808080"
    )
    points = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    clip = render_clip(points, np.arange(4.0), render, 0)
    assert clip.max() == 0x80
    assert clip.min() == 0x20
    assert (clip[0, 31:33, 31:33] == 0x80).all()
    assert clip[0, 6, 57, 0] == 0x20  # inside a sharp corner of the ink, outside a round one
    assert clip[0, 7, 56, 0] == 0x80


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.01, 1e4), st.sampled_from(["whole", "fading"]))
@settings(max_examples=25)
def test_a_clip_shows_shape_not_place_nor_size(
    section: Section, x: float, y: float, scale: float, trail: str
) -> None:
    points = np.random.default_rng(5).normal(size=(20, 3)).cumsum(axis=0)
    times = np.linspace(0, 2, 20)
    render = section(trail=trail, size=64)
    one = render_clip(points, times, render, 0).astype(int)
    other = render_clip(points * scale + (x, y, -x), times * scale + x, render, 0).astype(int)
    assert np.abs(one - other).mean() < 0.02
    assert np.abs(one - other).max() <= 0.1 * 255  # a sample that rounding moved across an edge


@pytest.mark.parametrize("view", ["3d", "xy"])
def test_flat_data_with_y_down_are_the_mirror_image(section: Section, view: str) -> None:
    points = np.random.default_rng(1).normal(size=(15, 2)).cumsum(axis=0)
    times, render = np.arange(15.0), section(view=view, size=64)
    up = render_clip(points, times, render, 0, "up")
    down = render_clip(points, times, render, 0, "down")
    difference = np.abs(up[:, ::-1].astype(int) - down)
    assert difference.mean() < 0.3
    assert np.abs(up.astype(int) - down).mean() > 2


def test_a_circle_stays_a_circle(section: Section) -> None:
    angles = np.linspace(0, 2 * np.pi, 200)
    points = np.stack([7 * np.cos(angles), 7 * np.sin(angles)], axis=1) + 100
    render = section(frames=1, marker_radius=0.0, line_width=2.0, **PLAIN)
    (picture,) = render_clip(points, angles, render, 0)
    radius = render.size * (0.5 - render.margin) - 1
    rows, columns = np.nonzero(picture[..., 0])
    distance = np.hypot(rows + 0.5 - 64, columns + 0.5 - 64)
    assert np.abs(distance - radius).max() < 1 + np.sqrt(0.5)  # half the line, half a pixel's diagonal
    assert picture[..., 0].sum() / 255 == pytest.approx(2 * np.pi * radius * 2, rel=0.01)
    np.testing.assert_allclose(centroid(picture), 64, atol=1 / 16)  # half a subpixel


@given(st.integers(0, 10**6), st.floats(0, 0.3), st.floats(0.5, 6), st.floats(0, 6))
@settings(max_examples=25)
def test_margins_stay_free_of_ink(
    section: Section, seed: int, margin: float, line_width: float, marker_radius: float
) -> None:
    points = np.random.default_rng(seed).normal(size=(8, 2)).cumsum(axis=0)
    render = section(size=64, margin=margin, line_width=line_width, marker_radius=marker_radius, **PLAIN)
    ink = render_clip(points, np.arange(8.0), render, 0).max(axis=(0, 3)) > 0
    free = int(np.floor(64 * margin - 1 / 8))  # a subpixel's grace
    for side in (ink, ink[::-1], ink.T, ink.T[::-1]):
        assert not side[: max(free, 0)].any()
    if marker_radius <= line_width / 2:  # then the trail's ends and corners reach the margins
        reached = max(np.ptp(np.nonzero(ink.any(axis=axis))[0]) for axis in (0, 1)) + 1
        assert reached >= 64 * (1 - 2 * margin) - 1


def test_a_fading_trail_is_gone_after_its_memory(section: Section) -> None:
    points, times = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 1.0])
    render = section(frames=5, trail="fading", marker_radius=0.0, line_width=4.0, **PLAIN)
    last = render_clip(points, times, render, 0)[-1, 63:65, :, 0].mean(axis=0)
    left, right = render.size * render.margin + 2, render.size * (1 - render.margin) - 2
    share = (np.arange(render.size) + 0.5 - left) / (right - left)
    expected = 255 * np.clip((share - (1 - MEMORY)) / MEMORY, 0, 1)
    inside = (share > 0) & (share < 1)
    # A piece's round start lies over the older trail: what is seen is newer by half the line's width.
    slack = 255 / MEMORY * (2 + 0.8) / (right - left)
    np.testing.assert_allclose(last[inside], expected[inside], atol=slack)


def test_a_fading_trail_that_returns_is_bright_again(section: Section) -> None:
    there_and_back = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    render = section(frames=9, trail="fading", marker_radius=0.0, line_width=4.0, **PLAIN)
    last = render_clip(there_and_back, np.arange(3.0), render, 0)[-1, 63:65, :, 0].mean(axis=0)
    assert last[20] > 200
    assert last[110] < 40


def test_without_a_trail_only_the_marker_is_there(section: Section) -> None:
    points = np.random.default_rng(1).normal(size=(15, 3))
    clip = render_clip(points, np.arange(15.0), section(trail="none", **PLAIN), 0)
    for frame in clip:
        assert frame[..., 0].sum() / 255 == pytest.approx(np.pi * 16, rel=0.02)


def test_a_clip_of_one_frame_shows_the_whole_path(section: Section) -> None:
    points = np.random.default_rng(1).normal(size=(15, 3)).cumsum(axis=0)
    (only,) = render_clip(points, np.arange(15.0), section(frames=1), 0)
    last = render_clip(points, np.arange(15.0), section(frames=15), 0)[-1]
    np.testing.assert_array_equal(only, last)  # the frames fall on the samples, so the pieces are the same


def test_drawing_on_one_canvas_equals_drawing_each_frame_from_its_background(section: Section) -> None:
    points, times = np.random.default_rng(2).normal(size=(30, 2)).cumsum(axis=0), np.linspace(0, 1, 30)
    render = section(frames=6)
    timeline = make_timeline(times, render)
    path = make_projection(points, render, "up", np.random.default_rng(0))(
        np.stack([np.interp(timeline.knots, times, axis) for axis in points.T], axis=1)
    )
    backgrounds = np.random.default_rng(3).integers(0, 255, (6, 128, 128, 3), np.uint8)
    backgrounds[:] = backgrounds[0]
    grown = draw_path(path, timeline, backgrounds, render)
    moving = section(frames=6, moving=1)  # backgrounds that may change are copied for each frame
    np.testing.assert_array_equal(grown, draw_path(path, timeline, backgrounds, moving))


def test_blending_is_the_rounded_mean_for_every_value() -> None:
    ground, alpha = (array.astype(np.uint8) for array in np.mgrid[:256, :256])
    for level in (0, 1, 59, 130, 254, 255):
        colour = np.full(3, level, np.uint8)
        found = blend(np.repeat(ground[..., None], 3, axis=2), alpha, colour)[..., 1]
        exact = (ground.astype(float) * (255 - alpha.astype(float)) + level * alpha.astype(float)) / 255
        np.testing.assert_array_equal(found, np.rint(exact))


@pytest.mark.parametrize("trail", ["whole", "fading"])
def test_between_strokes_the_pen_is_lifted(section: Section, trail: str) -> None:
    # Two horizontal strokes, one above the other; the pen travels along the diagonal between them.
    points = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    times, strokes = np.arange(4.0), np.array([0, 0, 1, 1], np.int32)
    plain = section(frames=7, marker_radius=0.0, trail=trail, size=64, **PLAIN)
    joined = render_clip(points, times, plain, 0)[..., 0] > 0
    lifted = render_clip(points, times, plain, 0, "up", strokes)[..., 0] > 0
    assert joined[-2, 32, 32]
    assert not lifted[:, 12:52].any()  # nothing between the strokes, in no frame
    # The strokes themselves are drawn where they are without the other: at the edges of the picture, when it is time.
    assert not lifted[:4, :12].any()
    assert lifted[4:, 2:12].any(axis=(1, 2)).sum() == 3
    assert lifted[2, 52:].any()
    same = render_clip(points, times, plain, 0, "up", np.zeros(4, np.int32))[..., 0] > 0
    np.testing.assert_array_equal(same, joined)


def test_a_stroke_of_one_point_is_a_dot(section: Section) -> None:
    points, strokes = np.array([[0.0, 0.0], [4.0, 0.0], [2.0, 4.0]]), np.array([0, 0, 1], np.int32)
    plain = section(frames=1, marker_radius=0.0, line_width=4.0, size=64, **PLAIN)
    (picture,) = render_clip(points, np.arange(3.0), plain, 0, "up", strokes)
    ink = picture[..., 0].astype(float) / 255
    assert ink[:30].sum() == pytest.approx(np.pi * 4, rel=0.02)


def time_coloured(section: Section, **changes: object) -> RenderParams:
    return section(trail_colour="time", marker_radius=0.0, line_width=6.0, background="#000000", **changes)


def test_colours_of_time_run_from_the_start_to_the_end(section: Section) -> None:
    # Straight to the right: the colour at each place is that of the time at which the end of the pen passed it.
    from matplotlib import colormaps

    render = time_coloured(section, frames=3, size=100, margin=0.1)
    points, times = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.0, 4.0])
    clip = render_clip(points, times, render, 0)
    project = make_projection(points, render, "up", np.random.default_rng(0))
    start, end = project(points)[:, 0]
    middle = clip[-1][50].astype(int)
    for share in (0.2, 0.5, 0.8):
        # A pen of radius r at time t covers what lies up to r ahead; a pixel keeps the last time.
        x = round(start + share * (end - start))
        passed = (x + 0.5 + render.line_width / 2 - start) / (end - start)
        expected = 255 * np.array(colormaps["viridis"](0.25 + 0.75 * min(passed, 1)))[:3]
        assert np.abs(middle[x] - expected).max() < 8
    half = clip[1][50]
    travelled = np.arange(100) < (start + end) / 2 - 1
    np.testing.assert_array_equal(
        half[travelled & (np.arange(100) < 45)], middle[travelled & (np.arange(100) < 45)]
    )
    assert not clip[1][50, 60:].any()


def test_the_colour_map_is_ordered_in_grey_and_visible_on_the_default(section: Section) -> None:
    colours = time_colours()
    grey = colours[1:] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(grey) > -1).all()  # of 255
    assert (np.diff(grey[::16]) > 0).all()
    background = np.array([11, 16, 32])
    assert np.abs(colours[1:] - background).max(axis=1).min() > 60


@pytest.mark.parametrize("trail", ["whole", "fading"])
def test_colour_does_not_change_where_the_trail_is(
    section: Section, rng: np.random.Generator, trail: str
) -> None:
    points, times = rng.normal(size=(30, 2)).cumsum(axis=0), np.linspace(0, 1, 30)
    solid = section(
        size=64,
        trail=trail,
        marker_radius=0.0,
        background="#000000",
        line_colour="#ffffff",
        trail_colour="solid",
    )
    coverage = render_clip(points, times, solid, 0)[..., 0].astype(int)
    coloured = render_clip(points, times, solid.model_copy(update={"trail_colour": "time"}), 0).astype(int)
    # The same opacity: over white it takes away from each colour what it adds over black.
    white = solid.model_copy(update={"trail_colour": "time", "background": "#ffffff"})
    kept = render_clip(points, times, white, 0).astype(int) - coloured
    error = np.abs(kept - (255 - coverage[..., None]))
    assert error.mean() < 0.5  # grey levels
    # A fading trail is cut into the same pieces either way; a whole one has more joins if it is coloured.
    assert error.max() <= (2 if trail == "fading" else 0.125 * 255)


def test_without_a_trail_there_is_nothing_to_colour(section: Section) -> None:
    points, times = np.array([[0.0, 0.0], [1.0, 0.5]]), np.array([0.0, 1.0])
    one, other = (
        render_clip(points, times, section(trail="none", trail_colour=colour), 0)
        for colour in ("solid", "time")
    )
    np.testing.assert_array_equal(one, other)
