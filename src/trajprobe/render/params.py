"""The section `render` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from trajprobe.core.schema import (
    Colour,
    NonNegative,
    NonNegativeInt,
    Number,
    PositiveInt,
    Range,
    Section,
    Seed,
)


class CameraParams(Section):
    """Angles in degrees: a number, or a range from which each item's is drawn."""

    azimuth: Number | Range
    elevation: Number | Range
    projection: Literal["orthographic", "perspective"]


class ClutterParams(Section):
    """How many distractors of each kind a clip has, and their shapes."""

    static: NonNegativeInt
    moving: NonNegativeInt
    transient: NonNegativeInt
    shapes: Annotated[list[Literal["circle", "square", "triangle", "cross", "ring"]], Field(min_length=1)]


class RenderParams(Section):
    """How a path is drawn. Lengths are in pixels, `margin` is a fraction of the size, `noise` is in grey levels."""

    frames: PositiveInt
    size: Annotated[int, Field(ge=16, le=1024)]
    content: Literal["trajectories", "noise"]
    view: Literal["3d", "xy", "xz", "yz"]
    camera: CameraParams
    margin: Annotated[Number, Field(ge=0, lt=0.5)]
    trail: Literal["whole", "fading", "none"]
    line_width: NonNegative
    marker_radius: NonNegative
    line_colour: Colour
    marker_colour: Colour
    background: Colour
    clutter: ClutterParams
    noise: NonNegative
    seed: Seed

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
