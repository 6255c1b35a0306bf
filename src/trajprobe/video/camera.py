"""The camera: where the points of a path fall on the picture.

World axes are right-handed with z up. A view is a direction from which the scene is seen: `xy` from above with x to
the right and y up, `xz` and `yz` from the side with z up, `3d` from an azimuth and an elevation as matplotlib counts
them (azimuth 0 stands on the +x axis, 90 on the +y axis). Pictures are measured in pixels from the top left
corner of the frame, x to the right and y downwards, so the middle of the first pixel is (0.5, 0.5).

One scale serves both axes of the picture, so shapes are preserved; it is fitted to the whole path, so that all
frames of a clip share it.
"""

from collections.abc import Callable

import numpy as np

from trajprobe.errors import UserError
from trajprobe.params.study import Render
from trajprobe.params.types import YAxis

Project = Callable[[np.ndarray], np.ndarray]

STANDPOINTS = {"xy": (-90.0, 90.0), "xz": (-90.0, 0.0), "yz": (0.0, 0.0)}  # azimuth, elevation in degrees
DISTANCE = 3.0  # of a perspective camera from the middle of the path, in radii of the path
ROUNDING = 1e-9  # of the path's radius: what is smaller on the picture is an error of rounding


def aim(points: np.ndarray, render: Render, y_axis: YAxis, rng: np.random.Generator) -> Project:
    """Set the camera up for one path.

    points: (P, 2|3), the whole path. y_axis: which way its y axis points on a picture of the xy plane; "down" (as in
    image coordinates) mirrors y first, so that every view shows the scene as it was. rng: draws azimuth and
    elevation where params give a range.

    Returns a function from points (K, 2|3) of the same space to (K, 2) float64 pixels. It puts the path's bounding
    box into the middle of the frame and leaves `render.margin` free of ink on every side.
    Raises UserError where a view from the side is asked for 2-D points.
    """
    azimuth, elevation = _standpoint(points.shape[1], render, rng)
    rotation = _rotation(azimuth, elevation)
    middle = _middle(_upright(points, y_axis))
    radius = float(np.linalg.norm(_upright(points, y_axis) - middle, axis=1).max())
    perspective = points.shape[1] == 3 and render.view == "3d" and render.camera.projection == "perspective"
    distance = DISTANCE * radius if perspective else 0.0

    def look(points: np.ndarray) -> np.ndarray:
        seen = (_upright(points, y_axis) - middle) @ rotation.T  # right, up, towards the camera
        if distance > 0:
            return seen[:, :2] / (1.0 - seen[:, 2:] / distance)
        return seen[:, :2]

    plane = look(points)
    centre, scale = _middle(plane), _scale(plane, radius, render)

    def project(points: np.ndarray) -> np.ndarray:
        return (look(points) - centre) * (scale, -scale) + render.size / 2

    return project


def _standpoint(dimensions: int, render: Render, rng: np.random.Generator) -> tuple[float, float]:
    if dimensions == 2:
        if render.view not in ("3d", "xy"):
            raise UserError(
                f"params.yaml: render.view: 2-D trajectories are seen face-on, required 3d or xy, got {render.view}"
            )
        return STANDPOINTS["xy"]
    if render.view != "3d":
        return STANDPOINTS[render.view]
    azimuth, elevation = (
        rng.uniform(angle[0], angle[1]) if isinstance(angle, list) else angle
        for angle in (render.camera.azimuth, render.camera.elevation)
    )
    return azimuth, elevation


def _rotation(azimuth: float, elevation: float) -> np.ndarray:
    """(3, 3) whose rows are the picture's right, its up, and the direction from the scene to the camera."""
    across, above = np.radians((azimuth, elevation))
    (sin_a, sin_e), (cos_a, cos_e) = np.sin((across, above)), np.cos((across, above))
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
    return (points.min(axis=0) + points.max(axis=0)) / 2


def _scale(plane: np.ndarray, radius: float, render: Render) -> float:
    """Pixels per unit, such that the ink of the path just fills the frame inside its margins."""
    room = render.size * (1 - 2 * render.margin) - 2 * max(render.line_width / 2, render.marker_radius)
    extent = float(np.ptp(plane, axis=0).max())
    if (
        extent <= ROUNDING * radius
    ):  # at rest, or a line seen end-on: a dot in the middle, not magnified rounding
        return 0.0
    return room / extent
