"""The camera: where the points of a path fall in the frame.

World axes are right-handed with z up. A view is a direction from which the scene is seen: `xy` from above with x to
the right and y up, `xz` and `yz` from the side with z up, `3d` from an azimuth and an elevation in matplotlib's
convention (azimuth 0 is on the +x axis, 90 on the +y axis). Positions in the frame are in pixels from its top left
corner, x to the right and y down, so the centre of the first pixel is (0.5, 0.5).

Both axes of the frame have one scale, so shapes are preserved. It is fitted to the whole path, so all frames of a clip
share it; or to all paths together (`CommonFit`), so all clips share it and sizes can be compared. Paths are given
relative to their first point, so they then start at one place of the frame, as in a rose plot of cell tracks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from trajprobe.core.errors import UserError
from trajprobe.core.schema import YAxis
from trajprobe.render.params import RenderParams

Projection = Callable[[np.ndarray], np.ndarray]

VIEW_ANGLES = {"xy": (-90.0, 90.0), "xz": (-90.0, 0.0), "yz": (0.0, 0.0)}  # azimuth, elevation in degrees
DISTANCE = 3.0  # of a perspective camera from the middle of the path, in radii of the path
ROUNDING = 1e-9  # of the path's radius: a smaller extent in the frame is rounding error


@dataclass(frozen=True)
class CommonFit:
    """What all paths share if they are seen by one camera.

    middle, radius: (3,) and a number, of a ball that holds all paths, in their unit with y up. centre: (2,) middle of
    the picture, in the same unit. scale: pixels per unit.
    """

    middle: np.ndarray
    radius: float
    centre: np.ndarray
    scale: float


def make_projection(
    points: np.ndarray,
    render: RenderParams,
    y_axis: YAxis,
    rng: np.random.Generator,
    common: CommonFit | None = None,
) -> Projection:
    """Set up the camera for one path.

    points: (P, 2|3), the whole path. y_axis: which way y points if the xy plane is drawn; with "down" (as in image
    coordinates) y is mirrored first, so that every view shows the scene as it was. rng: draws azimuth and elevation if
    params give a range. common: the fit of all paths; None fits this one.

    Returns a function from points (K, 2|3) of the same space to (K, 2) float64 pixels. It centres the bounding box of
    the path, or of all paths, in the frame and leaves `render.margin` free on every side. Raises UserError if 2-D
    points are to be seen from the side.
    """
    upright = _upright(points, y_axis)
    middle = _middle(upright) if common is None else common.middle
    radius = float(np.linalg.norm(upright - middle, axis=1).max()) if common is None else common.radius
    to_plane = _camera(points.shape[1], middle, radius, render, y_axis, rng)
    if common is None:
        plane = to_plane(points)
        centre, scale = _middle(plane), _scale(plane, radius, render)
    else:
        centre, scale = common.centre, common.scale

    def project(points: np.ndarray) -> np.ndarray:
        return (to_plane(points) - centre) * (scale, -scale) + render.size / 2

    return project


def fit_all(
    paths: Sequence[np.ndarray],
    render: RenderParams,
    y_axis: YAxis,
    generator: Callable[[int], np.random.Generator],
) -> CommonFit:
    """One fit for N paths (P, 2|3): together they just fill the frame inside its margins.

    generator: gives the generator of item i, as `make_projection` takes it. Raises UserError as it does.
    """
    corners = np.stack([_corners(_upright(path, y_axis)) for path in paths])  # (N, 2, 3)
    middle = _middle(corners.reshape(-1, 3))
    radius = max(float(np.linalg.norm(_upright(path, y_axis) - middle, axis=1).max()) for path in paths)
    plane = np.concatenate(
        [
            _corners(_camera(path.shape[1], middle, radius, render, y_axis, generator(index))(path))
            for index, path in enumerate(paths)
        ]
    )
    return CommonFit(middle, radius, _middle(plane), _scale(plane, radius, render))


def _camera(
    dimensions: int,
    middle: np.ndarray,
    radius: float,
    render: RenderParams,
    y_axis: YAxis,
    rng: np.random.Generator,
) -> Projection:
    """A function from points (K, 2|3) to (K, 2): right and up in the picture, in the unit of the points."""
    rotation = _rotation(*_angles(dimensions, render, rng))
    perspective = dimensions == 3 and render.view == "3d" and render.camera.projection == "perspective"
    distance = DISTANCE * radius if perspective else 0.0

    def to_plane(points: np.ndarray) -> np.ndarray:
        seen = (_upright(points, y_axis) - middle) @ rotation.T  # right, up, towards the camera
        if distance > 0:
            return seen[:, :2] / (1.0 - seen[:, 2:] / distance)
        return seen[:, :2]

    return to_plane


def _angles(dimensions: int, render: RenderParams, rng: np.random.Generator) -> tuple[float, float]:
    """Azimuth and elevation in degrees."""
    if dimensions == 2:
        if render.view not in ("3d", "xy"):
            raise UserError(
                f"params.yaml: render.view: 2-D trajectories are seen face-on, required 3d or xy, got {render.view}"
            )
        return VIEW_ANGLES["xy"]
    if render.view != "3d":
        return VIEW_ANGLES[render.view]
    azimuth, elevation = (
        rng.uniform(angle[0], angle[1]) if isinstance(angle, list) else angle
        for angle in (render.camera.azimuth, render.camera.elevation)
    )
    return azimuth, elevation


def _rotation(azimuth: float, elevation: float) -> np.ndarray:
    """(3, 3) whose rows are the frame's right, its up, and the direction from the scene to the camera."""
    azimuth, elevation = np.radians((azimuth, elevation))
    (sin_a, sin_e), (cos_a, cos_e) = np.sin((azimuth, elevation)), np.cos((azimuth, elevation))
    return np.array(
        [
            [-sin_a, cos_a, 0.0],
            [-sin_e * cos_a, -sin_e * sin_a, cos_e],
            [cos_e * cos_a, cos_e * sin_a, sin_e],
        ]
    )


def _upright(points: np.ndarray, y_axis: YAxis) -> np.ndarray:
    """(K, 3) float64 with y up and, for 2-D points, z = 0."""
    upright = np.zeros((len(points), 3))
    upright[:, : points.shape[1]] = points
    if y_axis == "down":
        upright[:, 1] *= -1
    return upright


def _middle(points: np.ndarray) -> np.ndarray:
    """The centre of the bounding box."""
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _corners(points: np.ndarray) -> np.ndarray:
    """(2, D): the lowest and the highest corner of the bounding box."""
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _scale(plane: np.ndarray, radius: float, render: RenderParams) -> float:
    """Pixels per unit, such that the drawn path just fills the frame inside its margins."""
    room = render.size * (1 - 2 * render.margin) - 2 * max(render.line_width / 2, render.marker_radius)
    extent = float(np.ptp(plane, axis=0).max())
    # A path at rest, or a line seen end-on, is a dot in the middle; otherwise rounding error would be magnified.
    return 0.0 if extent <= ROUNDING * radius else room / extent
