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

Both arms are regressed by `ridge`, with the folds of the probe. The score is R^2 = 1 - sum e_i / sum b_i over held-out
items, e_i the squared error of item i, summed over components, and b_i that of the mean of its training part. It is 0
for features that say nothing and may be negative. R^2 and the gain, the difference of two, are ratios of means; their
intervals come from the linearised ratio (Cochran, Sampling Techniques, 1977, section 6.4), over seeds and groups.

The single-frame control is regressed likewise on the grey levels of the clips' middle frame, downsampled to 12 x 12 as
in the control `pixels`, without an encoder. It shows what one picture tells of an attribute: with `render.trail: whole`
the path travelled so far is in it. It is not the encoder on a single frame, which would take another extraction
(`static` in `baselines` is that, for the labels).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from trajprobe.analyse.harness import Harness, mean_interval
from trajprobe.analyse.ridge import predict_ridge
from trajprobe.artifacts.analyses import AttributeGain
from trajprobe.baseline.derivatives import motion_within, step_vectors, stroke_parts, weighted_quantiles
from trajprobe.core.schema import Interval
from trajprobe.probe.folds import Fold

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
    harness: Harness, attributes: Mapping[str, np.ndarray], frame: np.ndarray
) -> list[AttributeGain]:
    """R^2 of both arms and of the single-frame control for each attribute that varies, in order, and the gain in R^2.

    attributes: (N, c) by name. frame: (N, P) the control's features.
    """
    varying = {
        name: values for name, values in attributes.items() if values.var(axis=0).sum() ** 0.5 > VARIES
    }
    if not varying:
        return []
    targets, tested, groups = (
        np.concatenate([*varying.values()], axis=1),
        harness.tested,
        harness.tested_groups,
    )
    ends = np.cumsum([values.shape[1] for values in varying.values()]).tolist()
    blocks = [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]

    def squared_errors(job: tuple[np.ndarray | None, Fold]) -> np.ndarray:
        rows, fold = job
        if rows is None:
            predicted = targets[fold.train].mean(axis=0)
        else:
            predicted = predict_ridge(rows, targets, blocks, fold, harness.l2_grid)
        each = (targets[fold.test] - predicted) ** 2
        return np.stack([each[:, block].sum(axis=1) for block in blocks])

    arms = [None, frame, *harness.arms]  # None: the mean of the training part
    results = iter(
        harness.map("attributes", squared_errors, [(rows, fold) for rows in arms for fold in harness.folds])
    )
    errors = np.empty((len(arms), len(blocks), len(tested)))
    for own in errors:
        for fold in harness.folds:
            own[:, np.searchsorted(tested, fold.test)] = next(results)

    def estimate(saved: np.ndarray, mean_error: np.ndarray, most: float) -> Interval:
        scores = ratio_scores(saved, mean_error)
        return mean_interval(scores, groups, harness.confidence, within=(-np.inf, most))

    found = []
    for name, (base, single, pretrained, *random) in zip(varying, errors.swapaxes(0, 1), strict=True):
        found.append(
            AttributeGain(
                attribute=name,
                pretrained=estimate(base - pretrained, base, 1.0),
                random=estimate(base - np.array(random), base, 1.0),
                gain=estimate(np.array(random) - pretrained, base, np.inf),
                single_frame=estimate(base - single, base, 1.0),
            )
        )
    return found


def ratio_scores(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """(S, M) scores whose mean is mean(numerator) / mean(denominator), for its interval.

    numerator: (S, M), or (M,) for one seed; denominator: (M,) >= 0. By the first-order expansion of the ratio r around
    the two means, item i of seed s contributes r + (numerator_si - r denominator_i) / mean(denominator).
    """
    numerator = np.atleast_2d(numerator)
    mean = denominator.mean()
    ratio = numerator.mean() / mean
    return np.asarray(ratio + (numerator - ratio * denominator) / mean)
