"""The smallest gain that a comparison of this precision could have found."""

from scipy.optimize import brentq
from scipy.stats import nct, t

from trajprobe.compare.crossed import Estimate

POWER = 0.8


def minimum_detectable(estimate: Estimate, confidence: float, power: float = POWER) -> float:
    """The true gain whose two-sided test at level 1 - confidence rejects with probability `power`.

    The test statistic then follows a non-central t distribution (Cohen, Statistical Power Analysis, 1988, chapter 2).
    """
    critical = t.ppf((1 + confidence) / 2, estimate.freedom)

    def excess(shift: float) -> float:
        return float(nct.sf(critical, estimate.freedom, shift) - power)

    return float(brentq(excess, 0, 2 * critical + 10)) * estimate.error
