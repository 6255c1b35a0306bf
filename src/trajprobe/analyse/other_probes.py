"""Other classifiers than the linear probe: the accuracy of both arms with each, over the same folds.

One of them, k nearest neighbours, shows what the geometry of the features gives without any training. Features are
standardised as for the probe and compared by Euclidean distance, which unlike the cosine keeps lengths. Distances are
computed along the principal axes of the training rows: what a new row has outside of these is the same for all
training rows, so it does not change their order.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from trajprobe.analyse.harness import Harness, held_out_hits, mean_interval
from trajprobe.analyse.params import AnalyseParams
from trajprobe.artifacts.analyses import OtherProbe
from trajprobe.artifacts.features import FeatureFile
from trajprobe.artifacts.predictions import Arm
from trajprobe.core.torch_threads import torch_threads
from trajprobe.probe.classifier import InnerFoldClassifier
from trajprobe.probe.folds import Split
from trajprobe.probe.logistic import fit_principal_axes

DISTANCES = 2**22  # in memory at once


class NeighboursProbe(InnerFoldClassifier):
    """A vote of the nearest neighbours, whose number inner folds choose; a tie goes to the nearer ones.

    neighbours: the numbers to choose among. The one that is correct most often on the inner folds is taken, the largest
    among equals. Numbers that exceed the rows of an inner training part are not tried; if all do, all rows vote.

    Attributes after fit: classes_; n_neighbours_, the chosen number.
    """

    def __init__(self, neighbours: Sequence[int] = (1, 3, 5, 10, 20), cv: Any = 4) -> None:
        self.neighbours = neighbours
        self.cv = cv

    def _fit(self, X: np.ndarray, y: np.ndarray, inner: Sequence[Split]) -> None:
        self._axes = fit_principal_axes(X)
        self._rows, self._y = self._axes.apply(X), y
        most = min((len(train) for train, _ in inner), default=len(X))
        sizes = sorted({size for size in self.neighbours if size <= most} or {most})
        correct = np.zeros(len(sizes))
        for train, test in inner:
            nearest = y[train][nearest_rows(self._rows[train], self._rows[test], sizes[-1])]
            correct += [
                (count_votes(nearest[:, :size], len(self.classes_)).argmax(1) == y[test]).sum()
                for size in sizes
            ]
        self.n_neighbours_ = max(zip(correct, sizes, strict=True))[1]

    def _scores(self, X: np.ndarray) -> np.ndarray:
        nearest = nearest_rows(self._rows, self._axes.apply(X), self.n_neighbours_)
        return count_votes(self._y[nearest], len(self.classes_))


def nearest_rows(rows: np.ndarray, new: np.ndarray, count: int) -> np.ndarray:
    """(m, count) the nearest of `rows` (n, r) to each of `new` (m, r), the nearest first.

    scikit-learn's NearestNeighbors finds the same, but starts OpenMP threads of its own in each of our threads, which
    takes up to 40 ms where this takes one.
    """
    norms = (rows.astype(np.float64) ** 2).sum(axis=1)
    found = []
    step = max(1, DISTANCES // len(rows))
    for first in range(0, len(new), step):
        part = new[first : first + step]
        distances = norms - 2 * (part @ rows.T).astype(np.float64)  # without each new row's own norm
        near = np.argpartition(distances, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(distances, near, axis=1), axis=1, kind="stable")
        found.append(np.take_along_axis(near, order, axis=1))
    return np.concatenate(found)


def count_votes(nearest: np.ndarray, n_classes: int) -> np.ndarray:
    """(m, K) how many of the (m, k) classes of the neighbours, in order, are each class.

    The nearer ones count a little more, all of it together less than one vote.
    """
    count = nearest.shape[1]
    weights = 1 + (count - np.arange(count)) / (count * (count + 1))
    table = np.zeros((len(nearest), n_classes))
    np.add.at(table, (np.arange(len(nearest))[:, None], nearest), weights)
    return table


def make_estimators(settings: AnalyseParams, features: FeatureFile, headline: Arm) -> dict[str, Any]:
    """The classifiers that `settings` switches on, by name; torch is imported for networks alone.

    Raises UserError if the headline representation has no tokens to attend to.
    """
    estimators: dict[str, Any] = {}
    if settings.knn:
        estimators["knn"] = NeighboursProbe(settings.neighbours)
    if settings.mlp:
        from trajprobe.analyse.networks import MLPProbe

        estimators["mlp"] = MLPProbe(settings.hidden, settings.epochs, settings.seed)
    if settings.attentive:
        from trajprobe.analyse.networks import AttentiveProbe, token_width

        width = token_width(features.arrays, headline.layer, headline.pooling)
        estimators["attentive"] = AttentiveProbe(width, settings.heads, settings.epochs, settings.seed)
    return estimators


def other_probes(harness: Harness, estimators: dict[str, Any]) -> list[OtherProbe]:
    """The contrast of the arms with each classifier, in order."""
    networks = estimators.keys() & {"mlp", "attentive"}
    with torch_threads(1) if networks else nullcontext():
        return [contrast(harness, name, estimator) for name, estimator in estimators.items()]


def contrast(harness: Harness, name: str, estimator: Any) -> OtherProbe:
    """The accuracy of both arms with `estimator`, and their difference with its interval over seeds and groups."""
    hits = held_out_hits(harness, estimator, name).astype(float)
    return OtherProbe(
        probe=name,
        pretrained=float(hits[0].mean()),
        random=float(hits[1:].mean()),
        gain=mean_interval(hits[0] - hits[1:], harness.tested_groups, harness.confidence),
    )
