"""The schema of params.yaml, section by section; params.yaml itself says what each key means."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import load, nearest
from trajprobe.params.types import (
    Colour,
    Count,
    Fraction,
    IntRange,
    Name,
    Names,
    NonNegative,
    Number,
    Positive,
    Range,
    Section,
    Seed,
    Some,
    is_unique,
)


def _is_a_path(points: list[int]) -> list[int]:
    if points[0] < 2:
        raise ValueError("at least 2 points")
    return points


def _moves(speed: list[float]) -> list[float]:
    if speed[0] <= 0:
        raise ValueError("more than 0")
    return speed


class Synthesis(Section):
    """How labelled paths are made when `source` is synthetic."""

    families: Annotated[Names, Field(min_length=2)]
    per_class: Annotated[int, Field(ge=2)]
    test_per_class: Count = 0
    points: Annotated[IntRange, AfterValidator(_is_a_path)]
    speed: Annotated[Range, AfterValidator(_moves)]
    noise: NonNegative
    orientation: Literal["random", "upright", "fixed"]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_items_to_train_on(self) -> "Synthesis":
        if self.test_per_class > self.per_class - 2:
            raise ValueError("a test_per_class that leaves at least 2 of per_class to train on")
        return self


class Trajectories(Section):
    """What is accepted, whatever the source."""

    invalid: Literal["refuse", "quarantine"]
    min_per_class: Annotated[int, Field(ge=2)]


class Camera(Section):
    azimuth: Number | Range
    elevation: Number | Range
    projection: Literal["orthographic", "perspective"]


class Clutter(Section):
    static: Count
    moving: Count
    transient: Count
    shapes: Annotated[list[Literal["circle", "square", "triangle", "cross", "ring"]], Field(min_length=1)]


class Render(Section):
    """How a path is drawn."""

    frames: Some
    size: Annotated[int, Field(ge=16, le=1024)]
    content: Literal["trajectories", "noise"]
    view: Literal["3d", "xy", "xz", "yz"]
    camera: Camera
    margin: Annotated[Number, Field(ge=0, lt=0.5)]
    trail: Literal["whole", "fading", "none"]
    line_width: NonNegative
    marker_radius: NonNegative
    line_colour: Colour
    marker_colour: Colour
    background: Colour
    clutter: Clutter
    noise: NonNegative
    seed: Seed

    @field_validator("marker_radius")
    @classmethod
    def _drawable(cls, radius: float, earlier: ValidationInfo) -> float:
        if not {"size", "margin", "trail", "line_width"} <= earlier.data.keys():
            return radius  # one of them is wrong, and that is what is told
        size, margin, trail, line = (earlier.data[key] for key in ("size", "margin", "trail", "line_width"))
        if radius == 0 and (trail == "none" or line == 0):
            raise ValueError("must exceed 0 where no trail is drawn, or nothing would be seen")
        room = size * (1 - 2 * margin)
        if room <= max(2 * radius, line):
            raise ValueError(
                f"the frame inside its margins is {room:g} pixels wide, which must exceed the marker "
                f"({2 * radius:g}) and the line ({line:g})"
            )
        return radius


class Features(Section):
    """What is taken from an encoder, and how many random initialisations stand against the pretraining."""

    layer: Names
    pooling: Names
    random_inits: Some
    seed: Seed


class Strengths(Section):
    """A logarithmic grid of L2 penalties."""

    low: Positive
    high: Positive
    count: Some

    @model_validator(mode="after")
    def _ordered(self) -> "Strengths":
        if self.low > self.high:
            raise ValueError("a low that does not exceed high")
        return self


class Probe(Section):
    """The classifier on frozen features, and the folds it is held to."""

    split: Literal["auto", "published", "folds"]
    folds: Annotated[int, Field(ge=2)]
    repeats: Some
    inner_folds: Annotated[int, Field(ge=2)]
    halvings: Some
    strengths: Strengths
    seed: Seed


class Compare(Section):
    """Uncertainty and verdict."""

    confidence: Fraction
    bootstrap: Annotated[int, Field(ge=100)]
    rope: Positive
    seed: Seed


def _ascends(counts: list[int]) -> list[int]:
    if any(one >= next_one for one, next_one in pairwise(counts)):
        raise ValueError("each more than the one before")
    return counts


Ascending = Annotated[list[Some], Field(min_length=1), AfterValidator(_ascends)]


class Analyses(Section):
    """What the headline representation of each encoder gives besides accuracy."""

    label_efficiency: bool
    labels: Ascending
    draws: Annotated[int, Field(ge=2)]
    bootstrap: Annotated[int, Field(ge=100)]
    description_length: bool
    orders: Some
    selectivity: bool
    knn: bool
    neighbours: Ascending
    mlp: bool
    hidden: Some
    attentive: bool
    heads: Some
    epochs: Some
    seed: Seed


class Plot(Section):
    clips_per_class: Some


class Params(Section):
    """All of params.yaml."""

    source: Name
    encoders: Annotated[list[Name], Field(min_length=1), AfterValidator(is_unique)]
    weights: Literal["pretrained", "random"]
    synthesis: Synthesis
    trajectories: Trajectories
    render: Render
    features: Features
    probe: Probe
    compare: Compare
    analyses: Analyses
    plot: Plot


def load_params(path: Path = paths.PARAMS) -> Params:
    """Read and check params.yaml, and that the source and every encoder it names have their cards.

    Raises UserError in one line (see `loading.load`); an unknown name comes with the nearest known ones.
    """
    params = load(Params, path)
    encoders = sorted(card.parent.name for card in Path().glob("models/*/card.yaml"))
    sources = sorted(card.stem for card in Path().glob("data/sources/*.yaml"))
    for key, names, known in (("encoders", params.encoders, encoders), ("source", [params.source], sources)):
        for name in names:
            if name not in known:
                raise UserError(f"{path}: {key}: no card for {name!r}; {nearest(name, known)}")
    return params
