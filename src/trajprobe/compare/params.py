"""The section `compare` of params.yaml."""

from typing import Annotated

from pydantic import Field

from trajprobe.core.schema import Fraction, Positive, Section, Seed


class CompareParams(Section):
    """Uncertainty and verdict.

    confidence: of all intervals. bootstrap: draws. rope: half the width of the region of practical equivalence, a
    fraction. seed: of the bootstrap.
    """

    confidence: Fraction
    bootstrap: Annotated[int, Field(ge=100)]
    rope: Positive
    seed: Seed
