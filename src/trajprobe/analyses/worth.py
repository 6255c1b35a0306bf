"""What pretraining is worth in labels: how many of them make the random arm as accurate as the pretrained one.

The accuracy of the random arm, meant over seeds and draws and made to rise with the number of labels (isotonic
regression, which is the least change in squares), is interpolated linearly over the logarithm of that number. Where
it first reaches the pretrained arm's accuracy with k labels, the pretraining saves the labels in between. A curve
says nothing beyond its ends: above the largest budget the answer is None, and an accuracy that the random arm has
already with the smallest budget counts as that budget, which reads "at most".

Its interval comes from draws and seeds taken anew, each with replacement and independently of each other (the
pigeonhole bootstrap, see compare.bootstrap), and shares its narrowness where there are few of either.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def worth(
    budgets: Sequence[int],
    right: np.ndarray,
    items: np.ndarray,
    confidence: float,
    bootstrap: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """For each budget {labels, random_labels, low, high}.

    right: (B, A, draws) items that each arm classified rightly, pretrained first; items: (draws,) items tested.
    low is never None: beyond the largest budget it is that budget, which is then what the random arm needs at least.
    """
    labels = np.asarray(budgets, float)
    seeds, draws = right.shape[1] - 1, right.shape[2]
    found = _needed(labels, right, items, np.ones((1, draws)), np.ones((1, seeds)))[0]
    again = _needed(
        labels,
        right,
        items,
        rng.multinomial(draws, np.full(draws, 1 / draws), bootstrap),
        rng.multinomial(seeds, np.full(seeds, 1 / seeds), bootstrap),
    )
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(
        again, tails, axis=0, method="inverted_cdf"
    )  # no interpolation: some are infinite
    return [
        {
            "labels": budget,
            "random_labels": _finite(value),
            "low": float(min(least, value, labels[-1])),
            "high": _finite(max(most, value)),
        }
        for budget, value, least, most in zip(budgets, found, low, high, strict=True)
    ]


def reach(labels: np.ndarray, curves: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(R, B) labels at which each rising curve (R, B) over `labels` (B,) first reaches each of its targets (R, B).

    Infinite where it never does, the first of `labels` where it starts above.
    """
    reached = curves[:, None, :] >= targets[:, :, None]
    upper = np.where(reached.any(axis=2), reached.argmax(axis=2), len(labels))
    inside = np.clip(upper, 1, len(labels) - 1) if len(labels) > 1 else np.zeros_like(upper)
    before, after = (np.take_along_axis(curves, np.maximum(at, 0), axis=1) for at in (inside - 1, inside))
    rise = after - before
    share = np.clip(np.where(rise > 0, (targets - before) / np.where(rise > 0, rise, 1), 1), 0, 1)
    logs = np.log(labels)
    between = np.exp(logs[inside - 1] + share * (logs[inside] - logs[inside - 1]))
    return np.where(upper == 0, labels[0], np.where(upper == len(labels), np.inf, between))


def isotonic(curves: np.ndarray) -> np.ndarray:
    """The rising curves nearest to (R, B) `curves` in squares: max over starts of min over ends of the means between.

    Robertson, Wright & Dykstra, Order Restricted Statistical Inference, 1988, theorem 1.4.4.
    """
    count = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    best = np.full(curves.shape, -np.inf)
    for start in range(count):
        ends = np.arange(start + 1, count + 1)
        means = (sums[:, ends] - sums[:, start, None]) / (ends - start)
        lowest = np.minimum.accumulate(means[:, ::-1], axis=1)[:, ::-1]  # over all ends from each place on
        best[:, start:] = np.maximum(best[:, start:], lowest)
    return best


def _needed(
    labels: np.ndarray, right: np.ndarray, items: np.ndarray, of_draws: np.ndarray, of_seeds: np.ndarray
) -> np.ndarray:
    """(R, B) labels that the random arm needs, with draws and seeds weighted by (R, draws) and (R, seeds)."""
    accuracy = np.einsum("bad,rd->rba", right, of_draws) / (of_draws @ items)[:, None, None]
    random = (accuracy[:, :, 1:] * of_seeds[:, None, :]).sum(axis=2) / of_seeds.sum(axis=1)[:, None]
    return reach(labels, isotonic(random), accuracy[:, :, 0])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
