"""Description length: bits per label that an arm's features need to tell somebody who has them what the labels are.

This is the online code of Voita & Titov (Information-theoretic probing with minimum description length, EMNLP 2020):
items come in a random order in blocks that about double, and each block is coded by the probe that has learned all
labels before it. Features in which the labels are easy to find need few labels to be learned from, so they make a
short code: accuracy and the effort of reaching it in one number. Nothing is held out for testing, so a published
split plays no part.

Two things a probe cannot code: a class it has not seen, and a label of which it was wrongly sure. So after t labels,
with u classes still unseen, its prediction is mixed with the uniform law, of weight (u + 1) / (t + u + 1). The first
block so costs log2 K bits a label, one label is followed as by Laplace's rule, no label ever costs more than
log2 (K (t + u + 1)) bits, and once all classes are seen the mixture costs about one bit a block.

Groups stay together in the order, and a block ends with the group that its share falls into. Lengths are means over
a few orders, the same for all arms. Intervals are over seeds and groups of items; what other orders would give is not
in them.
"""

from typing import Any

import numpy as np

from trajprobe.analyses.bench import Bench, Learner, deal_inner
from trajprobe.analyses.intervals import crossed

STREAM = 2
# Shares of the items at which blocks end, as in the paper.
SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1)


def description_length(bench: Bench, orders: int) -> dict[str, Any]:
    """Bits per label of both arms, the range over seeds, and what pretraining saves."""
    plans = [
        random_order(bench.groups, np.random.default_rng([bench.seed, STREAM, n])) for n in range(orders)
    ]
    blocks = [
        (number, start, end)
        for number, (_, ends) in enumerate(plans)
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]

    def code(job: tuple[np.ndarray, tuple[int, int, int]]) -> np.ndarray:
        rows, (number, start, end) = job
        order = plans[number][0]
        learned, coded = order[:start], order[start:end]
        rng = np.random.default_rng([bench.seed, STREAM, number, start])
        inner = (
            deal_inner(bench.codes[learned], bench.groups[learned], bench.inner_folds, rng) if start else []
        )
        law = predict(
            rows[learned], bench.codes[learned], bench.n_classes, inner, rows[coded], bench.quick_logistic
        )
        return -np.log2(law[np.arange(len(coded)), bench.codes[coded]])

    jobs = [(rows, block) for rows in bench.arms for block in blocks]
    found = iter(bench.spread("description length", code, jobs))
    bits = np.zeros((len(bench.arms), len(bench.codes)))
    for arm in bits:
        for number, start, end in blocks:
            arm[plans[number][0][start:end]] += next(found) / orders
    random = bits[1:].mean(axis=1)
    return {
        "uniform": float(np.log2(bench.n_classes)),
        "draws": orders,
        "pretrained": float(bits[0].mean()),
        "random": float(random.mean()),
        "random_low_seed": float(random.min()),
        "random_high_seed": float(random.max()),
        "saving": crossed(bits[1:] - bits[0], bench.groups, bench.confidence),
    }


def random_order(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """(N,) items in a random order of their groups (N,), and where blocks end: ascending positions, the last N."""
    order = np.argsort(rng.permutation(groups.max() + 1)[groups], kind="stable")
    whole = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(groups))
    wanted = [max(1, round(share * len(groups))) for share in SHARES]
    return order, np.unique(whole[np.searchsorted(whole, wanted)]).tolist()


def predict(
    rows: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: list[np.ndarray],
    new: np.ndarray,
    learner: Learner,
) -> np.ndarray:
    """(m, K) float64 the law of the next labels after t rows (t, D) with their codes; rows of it sum to one."""
    seen, known = np.unique(codes, return_inverse=True)
    unseen = n_classes - len(seen)
    law = np.zeros((len(new), n_classes))
    if len(seen) >= 2:
        law[:, seen] = learner(rows, known, len(seen), inner, new)
        law /= law.sum(axis=1, keepdims=True)  # float32 rows sum to one only nearly
    else:
        law[:, seen] = 1
    weight = (unseen + 1) / (len(codes) + unseen + 1)
    return (1 - weight) * law + weight / n_classes
