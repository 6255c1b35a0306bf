"""Which of several alternatives are statistically tied for best.

An alternative leaves the set if another one is significantly more accurate. The test of each alternative is of the
hypothesis that it is the best, that is, at least as accurate as every other: a multiple comparison with the best (Hsu,
Simultaneous confidence intervals for all distances from the "best", Annals of Statistics 9, 1981; Edwards & Hsu,
Multiple comparisons with the best treatment, J. American Statistical Association 78, 1983). Only the true best can be
left out wrongly, and by Bonferroni's inequality it is with a probability of at most 1 - confidence, however many
alternatives there are and however their results depend on each other. No further correction is needed.
"""

import numpy as np


def tied_for_best(p_less: np.ndarray, confidence: float) -> np.ndarray:
    """(k,) whether each of k alternatives is tied for best; at least one is.

    p_less: (k, k) one-sided p-values, entry (i, j) small where alternative i is less accurate than j; the diagonal
    counts for nothing. confidence: of the set, the probability that the true best is in it.
    """
    others = len(p_less) - 1
    if others < 1:
        return np.ones(len(p_less), bool)
    smallest = np.where(np.eye(others + 1, dtype=bool), 1.0, p_less).min(axis=1)
    tied = smallest * others > 1 - confidence
    # Where intransitive differences exclude all, nobody is ruled out: the least excluded remain.
    return np.asarray(tied if tied.any() else smallest == smallest.max())
