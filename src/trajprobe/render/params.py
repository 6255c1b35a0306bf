"""The section `render` of params.yaml. Limits are checked here, before anything is drawn or allocated."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from trajprobe.core.schema import COLOUR, Angle, AngleRange, Colour, NonNegative, Number, Section, Seed

BACKGROUNDS = "data/backgrounds"  # the folder that dvc.yaml lists as a dependency of the stage
CLIP_BYTES = 2**28  # of one clip, at most; a thread holds a few of them


def _is_background(value: str) -> str:
    parts = value.split("/")
    inside = value == BACKGROUNDS or value.startswith(f"{BACKGROUNDS}/")
    if not re.match(COLOUR, value) and not (inside and all(part not in ("", ".", "..") for part in parts)):
        raise ValueError(
            f"a colour such as #3b82f6, or an image or a folder of images below {BACKGROUNDS}, which DVC watches"
        )
    return value


Count = Annotated[int, Field(ge=0, le=1000)]


class CameraParams(Section):
    """Angles in degrees: a number, or a range from which each item's is drawn."""

    azimuth: Angle | AngleRange
    elevation: Angle | AngleRange
    projection: Literal["orthographic", "perspective"]


class ClutterParams(Section):
    """How many distractors of each kind a clip has, and their shapes."""

    static: Count
    moving: Count
    transient: Count
    shapes: Annotated[list[Literal["circle", "square", "triangle", "cross", "ring"]], Field(min_length=1)]


class RenderParams(Section):
    """How a path is drawn. Lengths are in pixels, `margin` is a fraction of the size, `noise` is in grey levels."""

    size: Annotated[int, Field(ge=16, le=1024)]
    frames: Annotated[int, Field(ge=1, le=4096)]
    content: Literal["trajectories", "noise"]
    view: Literal["3d", "xy", "xz", "yz"]
    camera: CameraParams
    margin: Annotated[Number, Field(ge=0, lt=0.5)]
    fit: Literal["item", "dataset"] = "item"
    time: Literal["item", "dataset"] = "item"
    trail: Literal["whole", "fading", "none"]
    trail_colour: Literal["solid", "time"] = "solid"
    line_width: NonNegative
    marker_radius: NonNegative
    line_colour: Colour
    marker_colour: Colour
    background: Annotated[str, AfterValidator(_is_background)]
    clutter: ClutterParams
    noise: Annotated[NonNegative, Field(le=1000)]
    seed: Seed

    @field_validator("frames")
    @classmethod
    def _fits_into_memory(cls, frames: int, earlier: ValidationInfo) -> int:
        size = earlier.data.get("size")  # missing if it is wrong, and that is reported
        most = CLIP_BYTES // (3 * size**2) if size else frames
        if frames > most:
            raise ValueError(
                f"at most {most} frames of {size} x {size} pixels ({CLIP_BYTES // 2**20} MB in a clip)"
            )
        return frames

    @field_validator("marker_radius")
    @classmethod
    def _drawable(cls, radius: float, earlier: ValidationInfo) -> float:
        if not {"size", "margin", "trail", "line_width"} <= earlier.data.keys():
            return radius  # one of them is wrong, and that is reported
        size, margin, trail, line = (earlier.data[key] for key in ("size", "margin", "trail", "line_width"))
        if radius == 0 and (trail == "none" or line == 0):
            raise ValueError("more than 0, because no trail is drawn either")
        room = size * (1 - 2 * margin)
        if room <= max(2 * radius, line):
            raise ValueError(
                f"a marker ({2 * radius:g} pixels) and a line ({line:g}) narrower than the frame inside its margins "
                f"({room:g})"
            )
        return radius
