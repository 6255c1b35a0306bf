"""One scale and one clock for all paths against closed forms: ratios of sizes, of speeds, and where a path rests."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.render.camera import make_projection
from trajprobe.render.common_scale import common_scale, describe_scale
from trajprobe.render.drawing import make_timeline
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import make_scene, render_batches, render_clip

Section = Callable[..., RenderParams]
LINE = np.array([[0.0, 0.0], [1.0, 0.0]])
PLAIN = {"background": "#000000", "line_colour": "#ffffff", "marker_colour": "#ffffff", "trail": "none"}


def walk(seed: int, dimensions: int = 3, length: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(length, dimensions)).cumsum(axis=0)


def seen(
    paths: list[np.ndarray], render: RenderParams, times: list[np.ndarray] | None = None
) -> list[np.ndarray]:
    """(P, 2) pixels of each path under the fit that all share."""
    times = times or [np.arange(len(path)) * 1.0 for path in paths]

    def generator(index: int) -> np.random.Generator:
        return np.random.default_rng([render.seed, index, 0])

    common = common_scale(paths, times, render, "up", generator)
    return [
        make_projection(path, render, "up", generator(index), common.fit)(path)
        for index, path in enumerate(paths)
    ]


def centre_of_marker(frame: np.ndarray) -> float:
    """Its x in pixels."""
    weight = frame.astype(float).sum(axis=(0, 2))
    return float((weight * (np.arange(len(weight)) + 0.5)).sum() / weight.sum())


@given(st.integers(0, 1000), st.floats(0.05, 20), st.integers(2, 3))
@settings(max_examples=40)
def test_a_common_scale_keeps_the_ratio_of_sizes(
    section: Section, seed: int, factor: float, dimensions: int
) -> None:
    render = section(fit="dataset")
    small = walk(seed, dimensions) - walk(seed, dimensions)[:1]
    one, other = seen([small, factor * small], render)
    np.testing.assert_allclose(other - other[0], factor * (one - one[0]), rtol=1e-9, atol=1e-7)
    own = section(fit="item")
    alone = [
        make_projection(path, own, "up", np.random.default_rng(0))(path) for path in (small, factor * small)
    ]
    np.testing.assert_allclose(*alone, rtol=1e-9, atol=1e-7)  # what is lost otherwise


@pytest.mark.parametrize("azimuth", [35.0, [0.0, 360.0]])
@pytest.mark.parametrize("projection", ["orthographic", "perspective"])
def test_all_paths_together_just_fill_the_frame(section: Section, azimuth: object, projection: str) -> None:
    render = section(fit="dataset", azimuth=azimuth, projection=projection, size=200)
    paths = [walk(seed) * scale for seed, scale in enumerate((0.1, 1, 4, 2))]
    pixels = np.concatenate(seen(paths, render))
    inner = 200 * render.margin + render.marker_radius
    widths = np.ptp(pixels, axis=0)
    assert widths.max() == pytest.approx(200 - 2 * inner)
    np.testing.assert_allclose(pixels.min(axis=0) + pixels.max(axis=0), 200, atol=1e-6)


def test_paths_that_start_together_start_at_one_pixel(section: Section) -> None:
    paths = [walk(seed) - walk(seed)[:1] for seed in range(5)]
    starts = np.array([path[0] for path in seen(paths, section(fit="dataset"))])
    np.testing.assert_allclose(starts, starts[:1].repeat(5, axis=0), atol=1e-9)


def test_a_common_clock_keeps_the_ratio_of_speeds(section: Section) -> None:
    # Both go from 0 to 1, one in 2 s and one in 8 s: in the first quarter of the clip the fast one is done.
    render = section(fit="dataset", time="dataset", frames=9, marker_radius=3.0, **PLAIN)
    times = [np.array([0.0, 2.0]), np.array([5.0, 13.0])]
    scene = make_scene([LINE, LINE], times, render)
    fast, slow = (
        np.array([centre_of_marker(frame) for frame in render_clip(LINE, clock, render, 0, scene=scene)])
        for clock in times
    )
    reach = slow[-1] - slow[0]
    np.testing.assert_allclose((slow - slow[0]) / reach, np.linspace(0, 1, 9), atol=1e-3)
    np.testing.assert_allclose((fast - fast[0]) / reach, np.minimum(np.linspace(0, 4, 9), 1), atol=1e-3)
    alone = render_clip(LINE, times[0], section(frames=9, marker_radius=3.0, **PLAIN), 0)
    own = np.array([centre_of_marker(frame) for frame in alone])
    np.testing.assert_allclose((own - own[0]) / (own[-1] - own[0]), np.linspace(0, 1, 9), atol=1e-3)


@pytest.mark.parametrize("trail", ["whole", "none"])
def test_a_path_that_is_over_rests(section: Section, trail: str) -> None:
    render = section(time="dataset", frames=6, trail=trail)
    paths, times = [walk(0), walk(1)], [np.linspace(0, 1, 20), np.linspace(0, 5, 20)]
    scene = make_scene(paths, times, render)
    clip = render_clip(paths[0], times[0], render, 0, scene=scene)
    for frame in clip[2:]:
        np.testing.assert_array_equal(frame, clip[1])
    whole = render_clip(paths[0], times[0], section(frames=1, trail=trail), 0)
    np.testing.assert_array_equal(clip[1], whole[0])


def test_strokes_end_with_the_path(section: Section) -> None:
    timeline = make_timeline(np.array([0.0, 1.0, 2.0]), section(frames=5), np.array([0, 0, 1]), duration=8.0)
    np.testing.assert_array_equal(timeline.knots, [0, 1, 2, 4, 6, 8])
    np.testing.assert_array_equal(timeline.strokes, [0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(timeline.stops, [0, 2, 3, 4, 5])


def test_the_longest_path_is_drawn_to_its_end_whatever_the_rounding(section: Section) -> None:
    times = 0.1 + np.arange(7) / 10  # start + (end - start) may fall short of the end
    timeline = make_timeline(times, section(frames=3), duration=float(times[-1] - times[0]))
    assert timeline.knots[-1] >= times[-1]


def test_a_path_alone_is_its_own_dataset(section: Section) -> None:
    path, times = walk(3), np.linspace(0, 2, 20)
    (both,) = render_batches([path], [times], section(fit="dataset", time="dataset"))
    (own,) = render_batches([path], [times], section())
    np.testing.assert_array_equal(both, own)


def test_the_log_says_what_is_shown_and_what_is_lost(section: Section) -> None:
    paths = [LINE, 2 * LINE, 4 * LINE]
    times = [np.array([0.0, end]) for end in (1.0, 3.0, 6.0)]
    fit, time = describe_scale(paths, times, section(fit="dataset", time="dataset"))
    assert fit == "render.fit: dataset: one scale for all: the median path is 50% as large as the largest"
    assert (
        time
        == "render.time: dataset: one clock for all: the median path moves during 50% of its clip, then rests"
    )
    fit, time = describe_scale(paths * 20, times * 20, section())
    assert "their sizes, which differ by a factor of 4 (between" in fit
    assert "their durations, which differ by a factor of 6 (between" in time
    assert "without bound" in describe_scale([0 * LINE] * 9 + [LINE] * 9, times * 6, section())[0]
    assert "which are equal" in describe_scale([0 * LINE, 0 * LINE], times[:2], section())[0]
