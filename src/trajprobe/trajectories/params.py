"""The sections `synthesis` and `trajectories` of params.yaml."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from trajprobe.core.schema import IntRange, Names, NonNegative, NonNegativeInt, Range, Section, Seed


def _is_a_path(points: list[int]) -> list[int]:
    if points[0] < 2:
        raise ValueError("at least 2 points")
    return points


def _moves(speed: list[float]) -> list[float]:
    if speed[0] <= 0:
        raise ValueError("more than 0")
    return speed


class SynthesisParams(Section):
    """How labelled paths are synthesized if `source` is a synthetic one.

    families: the classes, at least two; `trajprobe families` lists the names.
    per_class: number of paths of each family.
    test_per_class: the last so many of each family form a published test part; 0 for no published split.
    points: [low, high] of the number of points in a path, drawn uniformly.
    speed: [low, high], drawn uniformly; a path lasts 1 / speed seconds.
    noise: standard deviation of Gaussian noise on each coordinate, in units of the path's RMS radius.
    orientation: `random` (uniform rotation in 3-D), `upright` (about the vertical axis) or `fixed`.
    seed: of every draw.
    """

    families: Annotated[Names, Field(min_length=2)]
    per_class: Annotated[int, Field(ge=2)]
    test_per_class: NonNegativeInt = 0
    points: Annotated[IntRange, AfterValidator(_is_a_path)]
    speed: Annotated[Range, AfterValidator(_moves)]
    noise: NonNegative
    orientation: Literal["random", "upright", "fixed"]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_items_to_train_on(self) -> "SynthesisParams":
        if self.test_per_class > self.per_class - 2:
            raise ValueError("a test_per_class that leaves at least 2 of per_class to train on")
        return self


class TrajectoriesParams(Section):
    """What is accepted from any source.

    invalid: `refuse` stops at any invalid item; `quarantine` leaves invalid items out and lists them.
    min_per_class: fewest items that a class must have.
    """

    invalid: Literal["refuse", "quarantine"]
    min_per_class: Annotated[int, Field(ge=2)]
