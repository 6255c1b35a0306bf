"""The section `compare` of params.yaml."""

from trajprobe.core.schema import Fraction, Positive, Section


class CompareParams(Section):
    """Uncertainty and verdict.

    confidence: of all intervals. rope: half the width of the region of practical equivalence, a fraction.
    """

    confidence: Fraction
    rope: Positive
