"""Description length: bits per label that it takes to transmit the labels to somebody who has an arm's features.

This is the online code of Voita & Titov (Information-theoretic probing with minimum description length, EMNLP 2020).
Items come in a random order, in blocks that about double, and each block is coded by the probe trained on all labels
before it. Features from which the labels are easily learned need few labels for it and make a short code: accuracy and
the effort of reaching it in one number. Nothing is held out for testing, so a published split plays no part.

A probe cannot code a class that it has not seen, and it would pay without bound for a label of which it was wrongly
certain. So after t labels, with u classes still unseen, its prediction is mixed with the uniform distribution of weight
(u + 1) / (t + u + 1). The first block then costs log2 K bits a label, one label is followed as by Laplace's rule, no
label costs more than log2 (K (t + u + 1)) bits, and once all classes are seen the mixture costs about one bit a block.

Groups stay together in the order, and a block ends with the group that its share falls into. Lengths are averaged over
a few orders, the same for all arms. Intervals are over seeds and groups of items; the variance between orders is not
in them.
"""

import numpy as np

from trajprobe.analyse.harness import Harness, assign_inner_folds, mean_interval
from trajprobe.artifacts.analyses import DescriptionLength

STREAM = 2  # of random numbers: no analysis shares one with another
# Shares of the items at which blocks end, as in the paper.
SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1)


def description_length(harness: Harness, orders: int) -> DescriptionLength:
    """Bits per label of both arms, the range over seeds, and what pretraining saves, averaged over `orders`."""
    plans = [
        random_order(harness.groups, np.random.default_rng([harness.seed, STREAM, number]))
        for number in range(orders)
    ]
    blocks = [
        (number, start, end)
        for number, (_, ends) in enumerate(plans)
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]

    def code(job: tuple[np.ndarray, tuple[int, int, int]]) -> np.ndarray:
        rows, (number, start, end) = job
        order = plans[number][0]
        probability = predict_next(harness, rows, order[:start], order[start:end], number)
        return -np.log2(probability[np.arange(end - start), harness.y[order[start:end]]])

    jobs = [(rows, block) for rows in harness.arms for block in blocks]
    results = iter(harness.map("description length", code, jobs))
    bits = np.zeros((len(harness.arms), len(harness.y)))
    for arm in bits:
        for number, start, end in blocks:
            arm[plans[number][0][start:end]] += next(results) / orders
    random = bits[1:].mean(axis=1)
    return DescriptionLength(
        uniform=float(np.log2(harness.n_classes)),
        draws=orders,
        pretrained=float(bits[0].mean()),
        random=float(random.mean()),
        random_low_seed=float(random.min()),
        random_high_seed=float(random.max()),
        saving=mean_interval(bits[1:] - bits[0], harness.groups, harness.confidence),
    )


def random_order(groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """(N,) items in a random order of their groups (N,), and where blocks end: ascending positions, the last N."""
    order = np.argsort(rng.permutation(groups.max() + 1)[groups], kind="stable")
    whole = np.append(np.flatnonzero(np.diff(groups[order])) + 1, len(groups))
    wanted = [max(1, round(share * len(groups))) for share in SHARES]
    return order, np.unique(whole[np.searchsorted(whole, wanted)]).tolist()


def predict_next(
    harness: Harness, rows: np.ndarray, learned: np.ndarray, coded: np.ndarray, number: int
) -> np.ndarray:
    """(m, K) float64 distribution of the labels of the items `coded` (m,), after those of `learned` (t,).

    rows: (N, D). number: of the order, which seeds the inner folds.
    """
    y = harness.y[learned]
    seen = np.unique(y)
    unseen = harness.n_classes - len(seen)
    probability = np.zeros((len(coded), harness.n_classes))
    if len(seen) >= 2:
        rng = np.random.default_rng([harness.seed, STREAM, number, len(learned)])
        inner = assign_inner_folds(y, harness.groups[learned], harness.inner_folds, rng)
        model = harness.coarse_probe(inner).fit(rows[learned], y)
        probability[:, model.classes_] = model.predict_proba(rows[coded])
        probability /= probability.sum(axis=1, keepdims=True)  # float32 rows sum to one only nearly
    else:
        probability[:, seen] = 1
    weight = (unseen + 1) / (len(learned) + unseen + 1)
    return (1 - weight) * probability + weight / harness.n_classes
