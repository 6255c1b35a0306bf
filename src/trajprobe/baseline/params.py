"""The section `baseline` of params.yaml: a sub-section for each alternative that has something to choose."""

from typing import Annotated, Literal

from pydantic import Field

from trajprobe.core.schema import Number, Section, Seed

BaselineName = Literal["kinematics", "static", "shuffled", "reversed", "dtw", "multirocket"]


class KinematicsParams(Section):
    """window: points around each time that derivatives are fitted to. scale_free: lengths relative to the path's."""

    window: Annotated[int, Field(ge=2)]
    scale_free: bool


class DtwParams(Section):
    """points: that each path is resampled to. window: how far a path may be warped, as a share of it (0: not)."""

    points: Annotated[int, Field(ge=2)]
    window: Annotated[Number, Field(ge=0, le=1)]


class MultirocketParams(Section):
    """points: that each path is resampled to. kernels: random convolutions, for paths and for their differences."""

    points: Annotated[int, Field(ge=10)]
    kernels: Annotated[int, Field(ge=84)]


class BaselineParams(Section):
    """The options of the alternatives. seed: of everything that they draw."""

    kinematics: KinematicsParams
    dtw: DtwParams
    multirocket: MultirocketParams
    seed: Seed
