"""The paired bootstrap over groups of items and random seeds together.

Both factors of the table of `crossed` are drawn anew with replacement, independently of each other (the pigeonhole
bootstrap: McCullagh, Resampling and exchangeable arrays, Bernoulli 6, 2000; Owen, The pigeonhole bootstrap, Annals of
Applied Statistics 1, 2007). Plain percentiles would count the interaction of seeds and items three times over, and
know nothing of how uncertain the spread of a few seeds is; so each draw is studentised, its distance from the mean
divided by its own standard error (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12), and the
absolute values give a symmetric interval (Hall, On symmetric bootstrap confidence intervals, JRSS B 50, 1988).
"""

import numpy as np

from trajprobe.compare.crossed import crossed_errors

MOST_BLOCKS = 2000  # groups beyond that are drawn in blocks, which costs no precision that could be seen
CELLS = 2**21  # weights in memory at once


def studentised(scores: np.ndarray, classes: int, draws: int, seed: int) -> np.ndarray:
    """|mean* - mean| / error* of (S, G) scores in each of `draws` resamples, in ascending order."""
    rng = np.random.default_rng(seed)
    scores = _blocks(scores, rng)
    seeds, groups = scores.shape
    mean = scores.mean()
    ratios = []
    for first in range(0, draws, max(1, CELLS // groups)):
        count = min(max(1, CELLS // groups), draws - first)
        of_groups, of_seeds = _weights(rng, count, groups), _weights(rng, count, seeds)
        means, errors = crossed_errors(scores, classes, of_groups, of_seeds)
        ratios.append(np.abs(means - mean) / errors)
    return np.sort(np.concatenate(ratios))


def _weights(rng: np.random.Generator, draws: int, count: int) -> np.ndarray:
    """(draws, count) how often each of `count` things is drawn when as many are drawn with replacement."""
    chosen = rng.integers(0, count, (draws, count)) + np.arange(draws)[:, None] * count
    return np.bincount(chosen.ravel(), minlength=draws * count).reshape(draws, count).astype(np.float64)


def _blocks(scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    groups = scores.shape[1]
    if groups <= MOST_BLOCKS:
        return scores
    block = rng.permutation(np.arange(groups) % MOST_BLOCKS)
    sums = np.stack([np.bincount(block, row) for row in scores])
    mean = scores.mean()
    return mean + (sums - mean * np.bincount(block)) * (MOST_BLOCKS / groups)
