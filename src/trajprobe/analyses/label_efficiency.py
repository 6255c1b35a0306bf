"""Label efficiency: how accurate each arm is when only a few items of every class are labelled.

Items are dealt into as many disjoint parts as there are draws. A draw tests one part, after learning from k labelled
groups of every class among the other items (with a published split: tests a part of the published test items, learns
from the published training items). So no item is tested twice, and two draws share as few labels as chance lets
them. Budgets are nested within a draw: the first k of one permutation of each class's groups. All arms see the same.

The strength of the penalty is chosen by inner folds of the labelled items, at most k of them. One label a class
leaves nothing to choose by; there it is the middle of the grid, for all arms alike.

Intervals are over seeds and draws. Large budgets take a large share of the same items in every draw, whose training
sets then overlap; what remains of the luck in them is seen in fewer ways than there are draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trajprobe.analyses.bench import Bench, deal_inner
from trajprobe.analyses.intervals import crossed, within
from trajprobe.analyses.worth import worth
from trajprobe.probe.folds import deal

STREAM = 1  # of random numbers: no analysis shares one with another


def label_efficiency(
    bench: Bench, labels: Sequence[int], draws: int, bootstrap: int
) -> dict[str, Any] | None:
    """Accuracy of both arms and their difference at each budget, and what the pretraining is worth in labels.

    labels: budgets of labelled groups per class, ascending; those that some class cannot give in some draw are left
    out, and without any left the result is None. draws: lowered to the groups of the smallest class.
    """
    tested = bench.tested
    groups = np.unique(bench.groups[tested], return_inverse=True)[1]
    held = np.unique(np.stack([bench.codes[tested], groups]), axis=1)[0]
    draws = max(2, min(draws, *np.unique(held, return_counts=True)[1]))
    part = deal(bench.codes[tested], groups, draws, np.random.default_rng([bench.seed, STREAM]))
    tests = [tested[part == draw] for draw in range(draws)]
    pools = [
        bench.folds[0].train if bench.published else np.delete(np.arange(len(bench.codes)), test)
        for test in tests
    ]
    ranks = [label_ranks(bench, pool, draw) for draw, pool in enumerate(pools)]
    room = min(_room(bench, pool, rank) for pool, rank in zip(pools, ranks, strict=True))
    budgets = [budget for budget in labels if budget <= room]
    if not budgets:
        return None

    def classify(job: tuple[int, np.ndarray, int]) -> np.ndarray:
        budget, rows, draw = job
        labelled = pools[draw][ranks[draw] < budget]
        codes, test = bench.codes[labelled], tests[draw]
        rng = np.random.default_rng([bench.seed, STREAM, draw, budget])
        inner = deal_inner(codes, bench.groups[labelled], bench.inner_folds, rng)
        scores = bench.quick_logistic(rows[labelled], codes, bench.n_classes, inner, rows[test])
        return scores.argmax(axis=1) == bench.codes[test]

    jobs = [(budget, rows, draw) for budget in budgets for rows in bench.arms for draw in range(draws)]
    found = iter(bench.spread("label efficiency", classify, jobs))
    right = np.empty((len(budgets), len(bench.arms), len(tested)))
    for arms in right:
        for arm in arms:
            for draw in range(draws):
                arm[part == draw] = next(found)

    def curve(values: Sequence[np.ndarray], least: float) -> dict[str, list[float]]:
        units = int(groups.max()) + 1
        points = [within(crossed(each, part, bench.confidence, units), least, 1) for each in values]
        return {end: [point[end] for point in points] for end in ("value", "low", "high")}

    totals = np.stack([right[..., part == draw].sum(axis=-1) for draw in range(draws)], axis=-1)
    rng = np.random.default_rng([bench.seed, STREAM, draws])
    return {
        "labels": budgets,
        "draws": draws,
        "pretrained": curve([arms[:1] for arms in right], 0),
        "random": curve([arms[1:] for arms in right], 0),
        "gain": curve([arms[0] - arms[1:] for arms in right], -1),
        "worth": worth(budgets, totals, np.bincount(part), bench.confidence, bootstrap, rng),
    }


def label_ranks(bench: Bench, pool: np.ndarray, draw: int) -> np.ndarray:
    """(P,) for each item of the pool the place of its group in a random order of its class's groups, from 0."""
    ranks = np.empty(len(pool), int)
    for code in range(bench.n_classes):
        members = np.flatnonzero(bench.codes[pool] == code)
        names, which = np.unique(bench.groups[pool[members]], return_inverse=True)
        rng = np.random.default_rng([bench.seed, STREAM, draw, 0, code])
        ranks[members] = rng.permutation(len(names))[which]
    return ranks


def _room(bench: Bench, pool: np.ndarray, ranks: np.ndarray) -> int:
    """The groups that every class can give."""
    codes = bench.codes[pool]
    return min(int(ranks[codes == code].max(initial=-1)) + 1 for code in range(bench.n_classes))
