"""The section `probe` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from trajprobe.core.schema import Number, Section, Seed, Some


class L2Grid(Section):
    """A logarithmic grid of L2 penalties, per item."""

    low: Annotated[Number, Field(ge=1e-15, le=1e15)]
    high: Annotated[Number, Field(ge=1e-15, le=1e15)]
    count: Some

    @model_validator(mode="after")
    def _ordered(self) -> "L2Grid":
        if self.low > self.high:
            raise ValueError("a low that does not exceed high")
        return self


class ProbeParams(Section):
    """The classifier on frozen features, and its folds."""

    split: Literal["auto", "published", "folds"]
    folds: Annotated[int, Field(ge=2, le=1000)]
    repeats: Some
    inner_folds: Annotated[int, Field(ge=2, le=1000)]
    split_halves: Some
    l2_grid: L2Grid
    seed: Seed
