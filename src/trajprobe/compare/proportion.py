"""The interval of an accuracy, which must stay between 0 and 1 and be honest at both ends."""

from scipy.stats import t

from trajprobe.compare.crossed import Estimate


def interval(estimate: Estimate, groups: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval with the effective number of items and Student's quantile.

    The effective number is accuracy * (1 - accuracy) / variance, which accounts for groups, repeats and seeds (Korn
    & Graubard, Confidence intervals for proportions with small expected number of positive counts, 1998; Wilson form
    after Dean & Pagano, 2015). Where all items agree it is the number of groups.
    """
    share = min(max(estimate.mean, 0.0), 1.0)
    spread = share * (1 - share)
    count = spread / estimate.error**2 if spread > 0 else groups
    quantile = float(t.ppf((1 + confidence) / 2, estimate.freedom))
    centre = (share + quantile**2 / (2 * count)) / (1 + quantile**2 / count)
    half = quantile / (1 + quantile**2 / count) * (spread / count + quantile**2 / (4 * count**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)
