"""The section `probe` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trajprobe.core.schema import Positive, PositiveInt, Section, Seed


class L2Grid(Section):
    """A logarithmic grid of L2 penalties, per item."""

    low: Positive
    high: Positive
    count: PositiveInt

    @model_validator(mode="after")
    def _ordered(self) -> "L2Grid":
        if self.low > self.high:
            raise ValueError("a low that does not exceed high")
        return self


class ProbeParams(Section):
    """The classifier on frozen features, and its folds."""

    split: Literal["auto", "published", "folds"]
    folds: Annotated[int, Field(ge=2)]
    repeats: PositiveInt
    inner_folds: Annotated[int, Field(ge=2)]
    split_halves: PositiveInt
    l2_grid: L2Grid
    seed: Seed
