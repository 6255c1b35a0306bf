"""Gain by attribute: how well the motion itself can be read from the features of both arms.

What is regressed on the features are attributes of the paths, which need no labels. For a path x(t) with velocity v and
acceleration a, whose derivatives are those of the alternative `kinematics` (`baseline.derivatives`):

    speed         log(1 + median of |v|), the median over time
    direction     (sum of the steps) / (sum of their lengths), a vector of 2 or 3 components: where the path leads,
                  and by its length how straight
    curvature     log(1 + median of |v x a| / |v|^3)
    acceleration  log(1 + median of |a|)
    length        log(1 + sum of the lengths of the steps)

Units are those of the trajectories; logarithms, because sizes have long tails and ridge regression is linear. Steps and
derivatives are taken within strokes. An attribute that hardly varies between the items is left out.

Both arms are regressed by `probe.ridge`, with the folds of the probe. The score is R^2 = 1 - sum e_i / sum b_i over
held-out items, e_i the squared error of item i, summed over components, and b_i that of the mean of its training part.
It is 0 for features that say nothing and may be negative. R^2 and the gain, the difference of two, are ratios of means;
their intervals come from the linearised ratio (Cochran, Sampling Techniques, 1977, section 6.4), over seeds and groups,
and from the split halves of the probe for the training items. An R^2 depends more on these than an accuracy does: where
items are few, intervals of 95 % would cover in 71 to 75 % without the halves, and 87 to 88 % with them
(benchmarks/calibration.md).

The single-frame control is regressed likewise on the grey levels of the clips' middle frame, downsampled to 12 x 12 as
in the control `pixels`, without an encoder. It shows what one picture tells of an attribute: with `render.trail: whole`
the path travelled so far is in it. It is not the encoder on a single frame, which would take another extraction
(`static` in `baselines` is that, for the labels).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from trajprobe.analyse.harness import Harness, mean_interval
from trajprobe.artifacts.analyses import AttributeGain
from trajprobe.baseline.derivatives import motion_within, step_vectors, stroke_parts, weighted_quantiles
from trajprobe.compare.random_effects import ratio_scores
from trajprobe.core.schema import Interval
from trajprobe.probe.folds import Fold
from trajprobe.probe.held_out import Half, HalfPair
from trajprobe.probe.ridge import predict_ridge, predict_split

VARIES = 1e-3  # standard deviation between items, below which an attribute is left out: 0.1 % of a large size


def path_attributes(
    times: Sequence[np.ndarray],
    points: Sequence[np.ndarray],
    strokes: Sequence[np.ndarray] | None,
    window: int,
) -> dict[str, np.ndarray]:
    """(N, 1) float64 by attribute, (N, d) for the direction, of N paths as in a `TrajectorySet`.

    window: points that each derivative is fitted to.
    """
    rows = [
        _attributes_of(time, path.astype(np.float64), None if strokes is None else strokes[index], window)
        for index, (time, path) in enumerate(zip(times, points, strict=True))
    ]
    return {name: np.stack([np.atleast_1d(row[name]) for row in rows]) for name in rows[0]}


def _attributes_of(
    times: np.ndarray, path: np.ndarray, strokes: np.ndarray | None, window: int
) -> dict[str, np.ndarray]:
    parts = stroke_parts(strokes, len(path))
    steps, motion = step_vectors(path, parts), motion_within(times, path, window, parts)
    length = np.linalg.norm(steps, axis=1).sum()

    def typical(values: np.ndarray) -> np.ndarray:
        return np.log1p(weighted_quantiles(values, motion.weight, [0.5]))

    return {
        "speed": typical(motion.speed),
        "direction": steps.sum(axis=0) / length if length > 0 else np.zeros(path.shape[1]),
        "curvature": typical(motion.curvature),
        "acceleration": typical(np.linalg.norm(motion.acceleration, axis=1)),
        "length": np.log1p(length),
    }


def middle_frame(pixels: np.ndarray, frames: int) -> np.ndarray:
    """The columns of the middle frame in the control `pixels`: (N, frames * P) -> (N, P)."""
    return pixels.reshape(len(pixels), frames, -1)[:, frames // 2]


def attribute_gains(
    harness: Harness, attributes: Mapping[str, np.ndarray], frame: np.ndarray, pairs: Sequence[HalfPair]
) -> list[AttributeGain]:
    """R^2 of both arms and of the single-frame control for each attribute that varies, in order, and the gain in R^2.

    attributes: (N, c) by name. frame: (N, P) the control's features. pairs: split halves of the items.
    """
    varying = {
        name: values for name, values in attributes.items() if values.var(axis=0).sum() ** 0.5 > VARIES
    }
    if not varying:
        return []
    targets = np.concatenate([*varying.values()], axis=1)
    ends = np.cumsum([values.shape[1] for values in varying.values()]).tolist()
    blocks = [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]
    arms = [frame, *harness.arms]
    errors, in_halves = _squared_errors(harness, arms, targets, blocks, pairs)

    def estimate(saved: np.ndarray, base: np.ndarray, halves: np.ndarray, most: float) -> Interval:
        scores = ratio_scores(saved, base)
        within = (-np.inf, most)
        return mean_interval(scores, harness.tested_groups, harness.confidence, within=within, halves=halves)

    found = []
    for at, name in enumerate(varying):
        base, single, pretrained, *random = errors[:, at]
        r2 = 1 - in_halves[1:, at] / in_halves[0, at]  # (A, B, 2) of each arm in each half
        of_random = r2[2:].mean(axis=0)
        found.append(
            AttributeGain(
                attribute=name,
                pretrained=estimate(base - pretrained, base, r2[1], 1.0),
                random=estimate(base - np.array(random), base, of_random, 1.0),
                gain=estimate(np.array(random) - pretrained, base, r2[1] - of_random, np.inf),
                single_frame=estimate(base - single, base, r2[0], 1.0),
            )
        )
    return found


def _squared_errors(
    harness: Harness,
    arms: Sequence[np.ndarray],
    targets: np.ndarray,
    blocks: Sequence[slice],
    pairs: Sequence[HalfPair],
) -> tuple[np.ndarray, np.ndarray]:
    """(1 + A, F, M) squared errors of the tested items, and (1 + A, F, B, 2) their means in the halves of B pairs.

    First those of the mean of the training part, then those of the A arms; summed over the columns of each of F blocks.
    In a half a block gets the median of the penalties that the folds chose, as in the stage `probe`.
    """

    def summed(predicted: np.ndarray, test: np.ndarray) -> np.ndarray:
        each = (targets[test] - predicted) ** 2
        return np.stack([each[:, block].sum(axis=1) for block in blocks])

    def of_fold(job: tuple[np.ndarray, Fold]) -> tuple[np.ndarray, np.ndarray]:
        rows, fold = job
        predicted, l2 = predict_ridge(rows, targets, blocks, fold, harness.l2_grid)
        return summed(predicted, fold.test), l2

    def of_half(job: tuple[np.ndarray | None, np.ndarray, Half]) -> np.ndarray:
        rows, l2, half = job
        errors = []
        for part in half.folds:
            train, test = half.items[part[0]], half.items[part[1]]
            if rows is None:
                errors.append(summed(targets[train].mean(axis=0), test))
            else:
                errors.append(summed(predict_split(rows, targets, blocks, (train, test), l2), test))
        return np.concatenate(errors, axis=1).mean(axis=1)

    folds, tested = harness.folds, harness.tested
    errors = np.empty((1 + len(arms), len(blocks), len(tested)))
    for fold in folds:
        errors[0][:, np.searchsorted(tested, fold.test)] = summed(targets[fold.train].mean(axis=0), fold.test)
    results = iter(harness.map("attributes", of_fold, [(rows, fold) for rows in arms for fold in folds]))
    chosen = [np.zeros(len(blocks))]
    for own in errors[1:]:
        penalties = []
        for fold in folds:
            own[:, np.searchsorted(tested, fold.test)], l2 = next(results)
            penalties.append(l2)
        chosen.append(np.median(penalties, axis=0))
    halves = [half for pair in pairs for half in pair]
    jobs = [(rows, l2, half) for rows, l2 in zip([None, *arms], chosen, strict=True) for half in halves]
    means = np.array(harness.map("attributes in split halves", of_half, jobs))
    return errors, np.moveaxis(means.reshape(1 + len(arms), len(pairs), 2, len(blocks)), 3, 1)
