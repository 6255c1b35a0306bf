"""What a study can find: the smallest gain that it detects, and the smallest region in which it shows equivalence.

Both are found with a power of 80 %, and follow from the standard error and the degrees of freedom of the gain, and of
the test of one more draw. The observed gain is normal around the true one. The bounds that it must exceed, or stay
below, vary as the estimates of their standard errors do, as sqrt(chi2 / df). All are taken as independent. For a single
test this is the non-central t distribution (Cohen, Statistical Power Analysis, 1988, chapter 2).
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from trajprobe.compare.classical_tests import SingleCase
from trajprobe.compare.random_effects import MeanEstimate

POWER = 0.8  # of the smallest gain that counts as detectable
NODES = 100  # of the quadrature over each estimate of a standard deviation


def minimum_detectable(
    estimate: MeanEstimate, draw: SingleCase | None, confidence: float, power: float = POWER
) -> float:
    """The true gain at which both two-sided tests at level 1 - confidence reject with probability `power`.

    The tests reject where the observed gain exceeds t_A * error and t_B * draw.scale. Without `draw` there is only the
    first.
    """
    bound = (_quantile(estimate.df, confidence) * estimate.error * _relative_errors(estimate.df))[:, None]
    if draw is not None:
        other = _quantile(draw.df, confidence) * draw.scale * _relative_errors(draw.df)
        bound = np.maximum(bound, other[None])

    def excess(gain: float) -> float:
        return float(norm.cdf((gain - bound) / estimate.error).mean() - power)

    return float(brentq(excess, 0, float(bound.max()) + 10 * estimate.error))


def minimum_equivalence(
    estimate: MeanEstimate, unseen: float, confidence: float, power: float = POWER
) -> float:
    """The smallest region ±bound within which two equal arms are called equal with probability `power`.

    They are where the observed gain and t * sqrt(error^2 + unseen) together stay within the region. unseen: the
    variance of the disagreements that `equality_error` adds.
    """
    error = np.sqrt((estimate.error * _relative_errors(estimate.df)) ** 2 + unseen)
    half = _quantile(estimate.df, confidence) * error

    def excess(region: float) -> float:
        inside = 2 * norm.cdf((region - half) / estimate.error) - 1
        return float(np.maximum(inside, 0).mean() - power)

    return float(brentq(excess, 0, float(half.max()) + 10 * estimate.error))


def _quantile(df: float, confidence: float) -> float:
    return float(t.ppf((1 + confidence) / 2, df))


def _relative_errors(df: float) -> np.ndarray:
    """(NODES,) equally likely values of an estimated standard error over the true one."""
    levels = (np.arange(NODES) + 0.5) / NODES
    return np.asarray(np.sqrt(chi2.ppf(levels, df) / df))
