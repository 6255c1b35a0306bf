"""The section `compare` of params.yaml."""

from typing import Annotated

from pydantic import Field

from trajprobe.core.schema import Number, Section


class CompareParams(Section):
    """Uncertainty and verdict.

    confidence: of all intervals. rope: half the width of the region of practical equivalence, a fraction.
    """

    confidence: Annotated[Number, Field(ge=0.5, le=0.9999)]
    rope: Annotated[Number, Field(gt=0, le=1)]
