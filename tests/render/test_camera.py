"""The camera against closed forms of the projection, matplotlib's convention of angles, and the frame's margins."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajprobe.core.errors import UserError
from trajprobe.render.camera import DISTANCE, make_projection
from trajprobe.render.params import RenderParams

Section = Callable[..., RenderParams]
AXES = np.concatenate(
    [np.eye(3), -np.eye(3)]
)  # symmetric about the origin, so the origin falls on the middle
ANGLES = [(0.0, 0.0), (35.0, 25.0), (-90.0, 90.0), (200.0, -40.0), (90.0, 10.0)]


def look(points: np.ndarray, render: RenderParams, y_axis: str = "up", seed: int = 0) -> np.ndarray:
    return make_projection(points, render, y_axis, np.random.default_rng(seed))(points)  # type: ignore[arg-type]


def about_middle(pixels: np.ndarray, render: RenderParams) -> np.ndarray:
    """Pictures' right and up, up to one positive factor."""
    plane = (pixels - render.size / 2) * (1, -1)
    return plane / np.abs(plane).max()


@pytest.mark.parametrize(("azimuth", "elevation"), ANGLES)
def test_axis_points_fall_where_the_closed_form_says(
    section: Section, azimuth: float, elevation: float
) -> None:
    render = section(azimuth=azimuth, elevation=elevation)
    a, e = np.radians((azimuth, elevation))
    expected = np.array(
        [[-np.sin(a), -np.sin(e) * np.cos(a)], [np.cos(a), -np.sin(e) * np.sin(a)], [0.0, np.cos(e)]]
    )
    expected = np.concatenate([expected, -expected])
    found = about_middle(look(AXES, render), render)
    np.testing.assert_allclose(found, expected / np.abs(expected).max(), atol=1e-12)


@pytest.mark.parametrize(("azimuth", "elevation"), [(35.0, 25.0), (-60.0, 30.0), (200.0, -40.0)])
def test_angles_mean_what_they_mean_to_matplotlib(section: Section, azimuth: float, elevation: float) -> None:
    from matplotlib.figure import Figure
    from mpl_toolkits.mplot3d import proj3d

    axes = Figure().add_subplot(projection="3d")
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    axes.set_box_aspect((1, 1, 1))
    axes.set_proj_type("ortho")
    axes.view_init(elev=elevation, azim=azimuth)
    right, up, _ = proj3d.proj_transform(*AXES.T, axes.get_proj())
    theirs = np.stack([right - np.mean(right), up - np.mean(up)], axis=1)
    render = section(azimuth=azimuth, elevation=elevation)
    ours = about_middle(look(AXES, render), render)
    np.testing.assert_allclose(ours, theirs / np.abs(theirs).max(), atol=1e-6)


@pytest.mark.parametrize(("view", "right", "up"), [("xy", 0, 1), ("xz", 0, 2), ("yz", 1, 2)])
def test_a_view_along_an_axis_keeps_the_other_two(
    section: Section, view: str, right: int, up: int, rng: np.random.Generator
) -> None:
    points = rng.normal(size=(20, 3))
    render = section(view=view, azimuth=[0, 360])
    found = look(points, render)
    flat = look(points[:, [right, up]], section())
    np.testing.assert_allclose(found, flat, atol=1e-9)


def test_y_down_is_y_up_mirrored_and_low_values_are_high_on_the_picture(
    section: Section, rng: np.random.Generator
) -> None:
    flat = rng.normal(size=(20, 2))
    np.testing.assert_array_equal(look(flat, section(), "down"), look(flat * (1, -1), section(), "up"))
    heights = look(flat, section(), "down")[:, 1]
    assert np.argmin(heights) == np.argmin(flat[:, 1])
    assert np.argmax(look(flat, section(), "up")[:, 1]) == np.argmin(flat[:, 1])
    solid = rng.normal(size=(20, 3))
    np.testing.assert_array_equal(look(solid, section(), "down"), look(solid * (1, -1, 1), section(), "up"))


@pytest.mark.parametrize("view", ["xz", "yz"])
def test_flat_points_have_no_side(section: Section, view: str) -> None:
    with pytest.raises(UserError, match=rf"render\.view: 2-D .* required 3d or xy, got {view}"):
        look(np.eye(2), section(view=view))


@given(
    points=st.lists(st.tuples(*[st.floats(-1e3, 1e3, width=32)] * 3), min_size=2, max_size=30),
    azimuth=st.floats(-360, 360),
    elevation=st.floats(-90, 90),
    margin=st.floats(0, 0.3),
    marker=st.floats(0.5, 8),
    projection=st.sampled_from(["orthographic", "perspective"]),
)
def test_the_path_fills_the_frame_inside_its_margins(
    section: Section,
    points: list[tuple[float, float, float]],
    azimuth: float,
    elevation: float,
    margin: float,
    marker: float,
    projection: str,
) -> None:
    render = section(
        azimuth=azimuth, elevation=elevation, margin=margin, marker_radius=marker, projection=projection
    )
    pixels = look(np.array(points), render)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, render.size / 2, atol=1e-6)  # centred
    extent = (high - low).max()
    room = render.size * (1 - 2 * margin) - 2 * max(marker, render.line_width / 2)
    assert extent == pytest.approx(room, rel=1e-6) or extent == pytest.approx(0, abs=1e-6)


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(-80, 80))
def test_walking_around_the_path_is_turning_the_path(
    section: Section, azimuth: float, turn: float, elevation: float
) -> None:
    points = np.random.default_rng(3).normal(size=(30, 3))
    a = np.radians(turn)
    back = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    walked = look(points, section(azimuth=azimuth + turn, elevation=elevation))
    turned = look(points @ back.T, section(azimuth=azimuth, elevation=elevation))
    np.testing.assert_allclose(walked, turned, atol=1e-6)


def test_perspective_shrinks_with_the_distance_to_the_camera(section: Section) -> None:
    near = np.array([[0.5, y, z] for y in (-1, 1) for z in (-1, 1)])
    far = near * (-1, 1, 1)
    render = section(azimuth=0.0, elevation=0.0, projection="perspective")
    pixels = look(np.concatenate([near, far]), render)
    distance = DISTANCE * np.linalg.norm(near[0])
    expected = (distance + 0.5) / (distance - 0.5)
    assert np.ptp(pixels[:4], axis=0) / np.ptp(pixels[4:], axis=0) == pytest.approx(expected)


def test_angles_are_drawn_from_their_ranges_by_the_items_generator(section: Section) -> None:
    render = section(azimuth=[10.0, 20.0], elevation=[0.0, 0.0])
    views = []
    for seed in range(50):
        right = about_middle(look(AXES, render, seed=seed), render)[:2, 0]  # of x and y: -sin a, cos a
        views.append(np.degrees(np.arctan2(-right[0], right[1])))
    assert 10 <= min(views) < 12
    assert 18 < max(views) <= 20
    np.testing.assert_array_equal(look(AXES, render, seed=7), look(AXES, render, seed=7))


@pytest.mark.parametrize("projection", ["orthographic", "perspective"])
def test_what_does_not_move_on_the_picture_is_a_dot_in_its_middle(section: Section, projection: str) -> None:
    np.testing.assert_array_equal(look(np.full((5, 3), 7.0), section(projection=projection)), 64.0)
    end_on = np.linspace(0, 1, 5)[:, None] * (0, 0, 1)
    render = section(projection=projection, elevation=90.0)
    np.testing.assert_allclose(look(end_on, render), 64.0, atol=1e-6)
    np.testing.assert_allclose(look(end_on, section(view="xy")), 64.0, atol=1e-6)
