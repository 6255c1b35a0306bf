"""The sections `synthesis` and `trajectories` of params.yaml."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from trajprobe.core.schema import IntRange, Names, NonNegative, NonNegativeInt, Range, Section, Seed

MOST_POINTS = 10**5  # in a path
MOST_IN_ALL = 2 * 10**8  # points of all paths: about 6 GB while they are written
SPEEDS = (1e-6, 1e6)


def _is_a_path(points: list[int]) -> list[int]:
    if points[0] < 2:
        raise ValueError("at least 2 points")
    if points[1] > MOST_POINTS:
        raise ValueError(f"at most {MOST_POINTS} points in a path")
    return points


def _moves(speed: list[float]) -> list[float]:
    if not SPEEDS[0] <= speed[0] <= speed[1] <= SPEEDS[1]:
        raise ValueError(f"between {SPEEDS[0]:g} and {SPEEDS[1]:g}")
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
    per_class: Annotated[int, Field(ge=2, le=10**7)]
    test_per_class: NonNegativeInt = 0
    points: Annotated[IntRange, AfterValidator(_is_a_path)]
    speed: Annotated[Range, AfterValidator(_moves)]
    noise: Annotated[NonNegative, Field(le=1000)]
    orientation: Literal["random", "upright", "fixed"]
    seed: Seed

    @model_validator(mode="after")
    def _leaves_items_to_train_on(self) -> "SynthesisParams":
        if self.test_per_class > self.per_class - 2:
            raise ValueError("a test_per_class that leaves at least 2 of per_class to train on")
        return self

    @model_validator(mode="after")
    def _fits_into_memory(self) -> "SynthesisParams":
        total = len(self.families) * self.per_class * self.points[1]
        if total > MOST_IN_ALL:
            raise ValueError(
                f"at most {MOST_IN_ALL:,} points in all, not {total:,} (families x per_class x the most points); lower "
                "per_class or points"
            )
        return self


class TrajectoriesParams(Section):
    """What is accepted from any source.

    invalid: `refuse` stops at any invalid item; `quarantine` leaves invalid items out and lists them.
    min_per_class: fewest items that a class must have.
    """

    invalid: Literal["refuse", "quarantine"]
    min_per_class: Annotated[int, Field(ge=2)]
