"""Selectivity: held-out accuracy on the true labels minus that on shuffled ones.

The idea is that of Hewitt & Liang (Designing and interpreting probes with control tasks, EMNLP 2019), with one
difference that matters. Their control gives every word type a random label, and words recur, so a probe that memorises
types does well on it: their selectivity shows how much of the accuracy is the probe's own memory. Here no item recurs,
and nothing memorised helps on a held-out item: accuracy on shuffled labels is that of guessing, unless labels leak
through the features or the folds. So what is subtracted is the accuracy that this probe has on these features if there
is nothing to find, at the same sizes of classes and folds, which need not be one over the number of classes.

The label of each group's items of one class is shuffled as a whole (an item's own label, if every item is its own
group), so that items that belong together still agree. Shuffling stays inside the parts that the folds define, so that
every training part keeps as many such sets of every class as it had. The penalty is chosen again on the shuffled
labels, by inner folds made for them: those of the true labels could leave a class with nothing to learn from.
"""

from dataclasses import replace

import numpy as np

from trajprobe.analyse.harness import Harness, assign_inner_folds, held_out_hits, mean_interval
from trajprobe.artifacts.analyses import ArmSelectivity, Selectivity
from trajprobe.probe.folds import Fold

STREAM = 3  # of random numbers: no analysis shares one with another


def selectivity(harness: Harness) -> Selectivity:
    """Accuracy on true and shuffled labels, and their difference, of both arms; and the difference of those."""
    y = shuffle_labels(harness)
    folds = [_with_inner_folds(harness, y, fold) for fold in harness.folds]
    true = held_out_hits(harness, harness.probe(), "true labels").astype(float)
    shuffled = held_out_hits(harness, harness.probe(), "shuffled labels", y, folds).astype(float)
    selective = true - shuffled

    def averaged(arms: slice) -> ArmSelectivity:
        return ArmSelectivity(
            true=float(true[arms].mean()),
            shuffled=float(shuffled[arms].mean()),
            selectivity=float(selective[arms].mean()),
        )

    difference = selective[0] - selective[1:]
    return Selectivity(
        pretrained=averaged(slice(1)),
        random=averaged(slice(1, None)),
        difference=mean_interval(difference, harness.tested_groups, harness.confidence),
    )


def shuffle_labels(harness: Harness) -> np.ndarray:
    """(N,) y after their permutation over the sets of one group and class, inside each part of the folds."""
    part = np.zeros(len(harness.y), int)
    part[harness.folds[0].train] = 1  # the training items that no fold tests
    for number, fold in enumerate(harness.folds, start=2):
        part[fold.test] = number
    y = harness.y.copy()
    for number in np.unique(part):
        here = part == number
        sets, which = np.unique(
            np.stack([harness.groups[here], harness.y[here]]), axis=1, return_inverse=True
        )
        rng = np.random.default_rng([harness.seed, STREAM, int(number)])
        y[here] = rng.permutation(sets[1])[which]
    return y


def _with_inner_folds(harness: Harness, y: np.ndarray, fold: Fold) -> Fold:
    rng = np.random.default_rng([harness.seed, STREAM, fold.fold, 0])
    inner = assign_inner_folds(y[fold.train], harness.groups[fold.train], harness.inner_folds, rng)
    return replace(fold, inner=tuple(inner))
