"""The section `baseline` of params.yaml: a sub-section for each alternative that has something to choose."""

from typing import Annotated, Literal

from pydantic import Field

from trajprobe.core.schema import Number, Section, Seed, Some

BaselineName = Literal[
    "kinematics", "static", "shuffled", "reversed", "dtw", "multirocket", "cnn3d", "finetune"
]


class KinematicsParams(Section):
    """window: points around each time that derivatives are fitted to. scale_free: lengths relative to the path's."""

    window: Annotated[int, Field(ge=2, le=10_000)]
    scale_free: bool


class DtwParams(Section):
    """points: that each path is resampled to. window: how far a path may be warped, as a share of it (0: not)."""

    points: Annotated[int, Field(ge=2, le=10_000)]
    window: Annotated[Number, Field(ge=0, le=1)]


class MultirocketParams(Section):
    """points: that each path is resampled to. kernels: random convolutions, for paths and for their differences."""

    points: Annotated[int, Field(ge=10, le=10_000)]
    kernels: Annotated[int, Field(ge=84, le=100_000)]


HOW_OFTEN = {
    "seeds",
    "repeats",
    "split_halves",
}  # keys of TrainingParams that decide how often, not what, is trained


class TrainingParams(Section):
    """What networks that are trained end to end share.

    epochs: at most. batch: clips in a step. rate: the highest learning rate; decay: of the weights, relative to it.
    seeds: trainings that differ in initialisation and order of the clips. repeats: of the probe's folds, in the first
    how many it is trained. split_halves: of those of the probe, in how many the whole training is repeated; 0 leaves
    the effect of other training items out of the interval.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    batch: Annotated[int, Field(ge=1, le=4096)]
    rate: Annotated[Number, Field(ge=0, le=1)]
    decay: Annotated[Number, Field(ge=0, le=1000)]
    seeds: Some
    repeats: Some
    split_halves: Annotated[int, Field(ge=0, le=1000)]


class Cnn3dParams(TrainingParams):
    """pixels: on each side of the clips it is shown. channels: of its first layer; each of the other three has twice
    as many as the one before."""

    pixels: Annotated[int, Field(ge=16, le=1024)]
    channels: Some
    rate: Annotated[Number, Field(gt=0, le=1)]


class BaselineParams(Section):
    """The options of the alternatives. seed: of everything that they draw."""

    kinematics: KinematicsParams
    dtw: DtwParams
    multirocket: MultirocketParams
    cnn3d: Cnn3dParams
    finetune: TrainingParams
    seed: Seed
