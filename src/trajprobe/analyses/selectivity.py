"""Selectivity: held-out accuracy on the true labels less that on shuffled ones.

The idea is of Hewitt & Liang (Designing and interpreting probes with control tasks, EMNLP 2019), with one difference
that matters. Their control gives every word type a random label, and words recur, so a probe that memorises types
does well on it: their selectivity tells how much of the accuracy is the probe's own memory. Here no item recurs, and
nothing that is memorised helps on an item that is held out: accuracy on shuffled labels is that of guessing, unless
labels leak through the features or the folds. So what is subtracted is the accuracy that this probe has on these
features where there is nothing to be found, at the same sizes of classes and folds, which need not be one over the
number of classes.

What is shuffled is the label of each group's items of one class (an item's own label, where every item is its own
group), so that items which belong together still agree. It stays inside its part of the folds, so that every
training part keeps as many such sets of every class as it had. The strength of the penalty is chosen anew on the
shuffled labels, by inner folds that are dealt by them: those of the true labels could leave a class with nothing to
be learned from.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from trajprobe.analyses.bench import Bench, deal_inner, hold_out
from trajprobe.analyses.intervals import crossed
from trajprobe.probe.folds import Fold

STREAM = 3


def selectivity(bench: Bench) -> dict[str, Any]:
    """Accuracy on true and shuffled labels, and their difference, of both arms; and the difference of those."""
    codes = shuffled(bench)
    folds = [_with_inner(bench, codes, fold) for fold in bench.folds]
    true = hold_out(bench, bench.logistic, "true labels").astype(float)
    false = hold_out(bench, bench.logistic, "shuffled labels", codes, folds).astype(float)
    selective = true - false
    groups = np.unique(bench.groups[bench.tested], return_inverse=True)[1]
    result: dict[str, Any] = {
        name: {
            "true": true[arms].mean(),
            "shuffled": false[arms].mean(),
            "selectivity": selective[arms].mean(),
        }
        for name, arms in (("pretrained", slice(1)), ("random", slice(1, None)))
    }
    result["difference"] = crossed(selective[0] - selective[1:], groups, bench.confidence)
    return result


def shuffled(bench: Bench) -> np.ndarray:
    """(N,) codes after their permutation over the sets of one group and class, inside each part of the folds."""
    part = np.zeros(len(bench.codes), int)
    part[bench.folds[0].train] = 1  # unless a fold tests them
    for number, fold in enumerate(bench.folds, start=2):
        part[fold.test] = number
    codes = bench.codes.copy()
    for number in np.unique(part):
        here = part == number
        sets, which = np.unique(
            np.stack([bench.groups[here], bench.codes[here]]), axis=1, return_inverse=True
        )
        rng = np.random.default_rng([bench.seed, STREAM, int(number)])
        codes[here] = rng.permutation(sets[1])[which]
    return codes


def _with_inner(bench: Bench, codes: np.ndarray, fold: Fold) -> Fold:
    rng = np.random.default_rng([bench.seed, STREAM, fold.fold, 0])
    inner = deal_inner(codes[fold.train], bench.groups[fold.train], bench.inner_folds, rng)
    return replace(fold, inner=tuple(inner))
