"""The section `analyse` of params.yaml."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field

from trajprobe.core.schema import PositiveInt, Section, Seed


def _is_ascending(counts: list[int]) -> list[int]:
    if any(first >= second for first, second in pairwise(counts)):
        raise ValueError("each more than the one before")
    return counts


Ascending = Annotated[list[PositiveInt], Field(min_length=1), AfterValidator(_is_ascending)]


class AnalyseParams(Section):
    """What the headline representation of each encoder gives besides accuracy."""

    label_efficiency: bool
    labels: Ascending
    draws: Annotated[int, Field(ge=2)]
    bootstrap: Annotated[int, Field(ge=100)]
    description_length: bool
    orders: PositiveInt
    selectivity: bool
    knn: bool
    neighbours: Ascending
    mlp: bool
    hidden: PositiveInt
    attentive: bool
    heads: PositiveInt
    epochs: PositiveInt
    seed: Seed
