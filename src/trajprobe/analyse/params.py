"""The section `analyse` of params.yaml."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from trajprobe.core.schema import Draws, Fraction, PositiveInt, Section, Seed, Some


def _is_ascending(counts: list[int]) -> list[int]:
    if any(first >= second for first, second in pairwise(counts)):
        raise ValueError("each more than the one before")
    return counts


Ascending = Annotated[list[PositiveInt], Field(min_length=1, max_length=100), AfterValidator(_is_ascending)]


LEAST_INITS = 3  # for the injection: one that is planted into, and two whose spread is known


class AnalyseParams(Section):
    """What the headline representation of each encoder gives besides accuracy."""

    label_efficiency: bool
    labels: Ascending
    draws: Annotated[int, Field(ge=2, le=1000)]
    bootstrap: Draws
    description_length: bool
    orders: Some
    selectivity: bool
    knn: bool
    neighbours: Ascending
    mlp: bool
    hidden: Annotated[int, Field(ge=1, le=16_384)]
    attentive: bool
    heads: Some
    epochs: Annotated[int, Field(ge=1, le=100_000)]
    attributes: bool
    window: Annotated[int, Field(ge=2, le=10_000)]
    injection: bool
    planted: Fraction
    seed: Seed
