"""Label efficiency: the accuracy of each arm with few labels of every class, and the labels that pretraining saves.

Items are divided into as many parts as there are draws. A draw tests one part after learning from k labelled groups of
every class among the other items (with a published split: it tests a part of the published test items, and learns from
the published training items). So no item is tested twice, and the labels of two draws overlap only by chance. Budgets
are nested within a draw: the first k of one permutation of each class's groups. All arms see the same. The penalty is
chosen by inner folds of the labelled items; one label a class leaves nothing to choose by, and then it is the middle of
the grid, for all arms alike.

Intervals of the curves are over seeds and draws. Large budgets take a large share of the same items in every draw,
whose training sets then overlap, so their intervals miss a part of the variance.

The labels saved: the accuracy of the random arm, averaged over seeds and draws and made to rise with the number of
labels (isotonic regression, the least change in squares), is interpolated linearly over the logarithm of that number.
If it first reaches the accuracy that the pretrained arm has with k labels at m labels, pretraining saves m - k. A curve
says nothing beyond its ends: above the largest budget the answer is None, and an accuracy that the random arm already
has with the smallest budget counts as that budget, which reads "at most". The interval resamples draws and seeds with
replacement, independently of each other (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007), and is
too narrow if there are few of either.
"""

from collections.abc import Sequence

import numpy as np

from trajprobe.analyse.harness import Harness, assign_inner_folds, mean_interval
from trajprobe.artifacts.analyses import LabelEfficiency, LabelsSaved
from trajprobe.core.schema import Interval
from trajprobe.probe.folds import assign_folds

STREAM = 1  # of random numbers: no analysis shares one with another


def label_efficiency(
    harness: Harness, labels: Sequence[int], draws: int, bootstrap: int
) -> LabelEfficiency | None:
    """Accuracy of both arms and their difference at each budget, and the labels that pretraining saves.

    labels: budgets of labelled groups per class, ascending; those that some class cannot supply in some draw are left
    out, and without any left the result is None. draws: lowered to the groups of the smallest class. bootstrap:
    resamples.
    """
    y, tested, groups = harness.y, harness.tested, harness.tested_groups
    class_of_group = np.unique(np.stack([y[tested], groups]), axis=1)[0]
    draws = max(2, min(draws, int(np.unique(class_of_group, return_counts=True)[1].min())))
    part = assign_folds(y[tested], groups, draws, np.random.default_rng([harness.seed, STREAM]))
    tests = [tested[part == draw] for draw in range(draws)]
    pools = [
        harness.folds[0].train if harness.published else np.delete(np.arange(len(y)), test) for test in tests
    ]
    ranks = [label_ranks(harness, pool, draw) for draw, pool in enumerate(pools)]
    most = min(_largest_budget(harness, pool, rank) for pool, rank in zip(pools, ranks, strict=True))
    budgets = [budget for budget in labels if budget <= most]
    if not budgets:
        return None

    def hits_of(job: tuple[int, np.ndarray, int]) -> np.ndarray:
        budget, rows, draw = job
        labelled, test = pools[draw][ranks[draw] < budget], tests[draw]
        rng = np.random.default_rng([harness.seed, STREAM, draw, budget])
        inner = assign_inner_folds(y[labelled], harness.groups[labelled], harness.inner_folds, rng)
        model = harness.coarse_probe(inner).fit(rows[labelled], y[labelled])
        return model.predict(rows[test]) == y[test]

    jobs = [(budget, rows, draw) for budget in budgets for rows in harness.arms for draw in range(draws)]
    results = iter(harness.map("label efficiency", hits_of, jobs))
    hits = np.empty((len(budgets), len(harness.arms), len(tested)))
    for arms in hits:
        for arm in arms:
            for draw in range(draws):
                arm[part == draw] = next(results)

    def curve(values: Sequence[np.ndarray], least: float) -> list[Interval]:
        units = int(groups.max()) + 1
        return [mean_interval(each, part, harness.confidence, units, (least, 1)) for each in values]

    totals = np.stack([hits[..., part == draw].sum(axis=-1) for draw in range(draws)], axis=-1)
    rng = np.random.default_rng([harness.seed, STREAM, draws])
    return LabelEfficiency(
        labels=budgets,
        draws=draws,
        pretrained=curve([arms[:1] for arms in hits], 0),
        random=curve([arms[1:] for arms in hits], 0),
        gain=curve([arms[0] - arms[1:] for arms in hits], -1),
        labels_saved=labels_saved(budgets, totals, np.bincount(part), harness.confidence, bootstrap, rng),
    )


def label_ranks(harness: Harness, pool: np.ndarray, draw: int) -> np.ndarray:
    """(P,) for each item of the pool, the rank of its group in a random order of its class's groups, from 0."""
    ranks = np.empty(len(pool), int)
    for code in range(harness.n_classes):
        members = np.flatnonzero(harness.y[pool] == code)
        names, which = np.unique(harness.groups[pool[members]], return_inverse=True)
        rng = np.random.default_rng([harness.seed, STREAM, draw, 0, code])
        ranks[members] = rng.permutation(len(names))[which]
    return ranks


def _largest_budget(harness: Harness, pool: np.ndarray, ranks: np.ndarray) -> int:
    """The number of groups that every class can supply."""
    y = harness.y[pool]
    return min(int(ranks[y == code].max(initial=-1)) + 1 for code in range(harness.n_classes))


def labels_saved(
    budgets: Sequence[int],
    hits: np.ndarray,
    items: np.ndarray,
    confidence: float,
    bootstrap: int,
    rng: np.random.Generator,
) -> list[LabelsSaved]:
    """For each budget, the labels that the random arm needs for the accuracy of the pretrained one.

    hits: (B, A, draws) items that each arm classified correctly, pretrained first; items: (draws,) items tested.
    """
    labels = np.asarray(budgets, float)
    seeds, draws = hits.shape[1] - 1, hits.shape[2]
    values = _needed(labels, hits, items, np.ones((1, draws)), np.ones((1, seeds)))[0]
    resampled = _needed(
        labels,
        hits,
        items,
        rng.multinomial(draws, np.full(draws, 1 / draws), bootstrap),
        rng.multinomial(seeds, np.full(seeds, 1 / seeds), bootstrap),
    )
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    # No interpolation between quantiles, because some values are infinite.
    lows, highs = np.quantile(resampled, tails, axis=0, method="inverted_cdf")
    return [
        LabelsSaved(
            labels=budget,
            random_labels=_finite(value),
            low=float(min(low, value, labels[-1])),
            high=_finite(max(high, value)),
        )
        for budget, value, low, high in zip(budgets, values, lows, highs, strict=True)
    ]


def reach(labels: np.ndarray, curves: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(R, B) labels at which each rising curve (R, B) over `labels` (B,) first reaches each of its targets (R, B).

    Infinite if it never does, the first of `labels` if it starts above.
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
    labels: np.ndarray, hits: np.ndarray, items: np.ndarray, of_draws: np.ndarray, of_seeds: np.ndarray
) -> np.ndarray:
    """(R, B) labels that the random arm needs, with draws and seeds weighted by (R, draws) and (R, seeds)."""
    accuracy = np.einsum("bad,rd->rba", hits, of_draws) / (of_draws @ items)[:, None, None]
    random = (accuracy[:, :, 1:] * of_seeds[:, None, :]).sum(axis=2) / of_seeds.sum(axis=1)[:, None]
    return reach(labels, isotonic(random), accuracy[:, :, 0])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
