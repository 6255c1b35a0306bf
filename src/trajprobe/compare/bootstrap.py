"""The bootstrap over groups of items and random seeds together.

Rows (seeds) and columns (groups) of the table of scores are drawn anew, each with replacement and independently of
each other, and the mean is taken over the cells where they meet: Owen's pigeonhole bootstrap (The pigeonhole
bootstrap, Annals of Applied Statistics 1, 2007). All arms of an item move together, so the comparison stays paired.
It assumes nothing about the shape of the distribution; but with a handful of seeds it cannot know more of their
spread than those show, and its interval is too narrow for them by a factor of about sqrt((S - 1) / S) and by the
normal quantile in place of Student's; nor does it know what other training items would change. So it stands beside
the interval of `crossed`, as a check on its normality.
"""

import numpy as np
from scipy.stats import norm

CHUNK = 1000  # draws at once, which bounds the memory


def means(scores: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) means of the (S, G) scores under the pigeonhole bootstrap; with one seed, over groups alone."""
    seeds, groups = scores.shape
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, draws, CHUNK):
        count = min(CHUNK, draws - start)
        columns = rng.multinomial(groups, np.full(groups, 1 / groups), count).astype(np.float64)
        rows = rng.multinomial(seeds, np.full(seeds, 1 / seeds), count)
        found.append(((columns @ scores.T) * rows).sum(axis=1) / (seeds * groups))
    return np.concatenate(found)


def bca(scores: np.ndarray, draws: int, seed: int, confidence: float) -> tuple[float, float]:
    """The bias-corrected and accelerated interval of the mean of (S, G) scores.

    Efron, Better bootstrap confidence intervals, JASA 82, 1987; the acceleration from the influence of every group
    and every seed, as for several samples (Davison & Hinkley, Bootstrap Methods, 1997, section 5.3.2). Where all
    draws agree the interval is a point.
    """
    found, mean = means(scores, draws, seed), scores.mean()
    below = np.mean(found < mean) + np.mean(found == mean) / 2
    if not 0 < below < 1:
        return float(found.min()), float(found.max())
    bias = norm.ppf(below)
    influence = np.concatenate(
        [(scores.mean(axis=0) - mean) / scores.shape[1], (scores.mean(axis=1) - mean) / scores.shape[0]]
    )
    spread = (influence**2).sum()
    acceleration = (influence**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    tails = bias + norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(found, norm.cdf(bias + tails / (1 - acceleration * tails)))
    return float(low), float(high)
