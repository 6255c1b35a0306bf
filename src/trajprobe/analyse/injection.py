"""Injection: would this study have seen a gain of this size? A gain of known size is planted, and looked for.

Every initialisation of the random arm plays the pretrained encoder in turn. A signal is planted into its features, and
its gain over the other initialisations, as they are, is judged with the statistics of `compare`: same items, same
folds, same split halves, both intervals. With R initialisations there are R plantings, each against R - 1.

The signal moves the items of each class along a direction of its own: x + strength * s * u_y, with s the standard
deviations of the columns and u_y a random unit vector. All initialisations get one strength, which is bisected until
the accuracies in the first repeat of the folds rise by the wanted size on average. What is reported as planted is the
rise in all repeats.

An initialisation that is better than the others by nature keeps that, and so its true gain is not the planted one. The
prediction interval takes the planted network for one more draw of the random arm, shifted by the planted size: it
should contain that size in 95 % of the studies (benchmarks/injection.py). The confidence interval is about the true
gain of this one network, which is known in simulations alone. Plantings share items and comparators, so what is found
in some of them is no count of independent trials.
"""

from collections.abc import Callable, Sequence

import numpy as np

from trajprobe.artifacts.analyses import Injection, PlantedGain
from trajprobe.artifacts.predictions import Arm, ArmPredictions
from trajprobe.artifacts.trajectories import Items
from trajprobe.compare.gain import estimate_gain
from trajprobe.compare.paired_predictions import Contrast, PairedPredictions
from trajprobe.core.progress import progress
from trajprobe.core.schema import Interval
from trajprobe.probe.held_out import predict_held_out, probe_arms, split_half_counts
from trajprobe.probe.inputs import ProbeInputs

STREAM = 4  # of random numbers: no analysis shares one with another
START = 0.25  # strength that is tried first
DOUBLINGS, HALVINGS = 10, 6  # of the strength, at most
NEAR = 0.05  # relative difference from the wanted size at which the search ends


def inject(
    name: str,
    items: Items,
    inputs: ProbeInputs,
    random: Sequence[np.ndarray],
    wanted: float,
    confidence: float,
    seed: int,
    workers: int,
) -> Injection | None:
    """Plant a gain of about `wanted` into each of R >= 3 initialisations, and judge it; None if no strength reaches it.

    name: of the encoder, for the progress. random: R times (N, D), the headline representation. workers: processes.
    """
    y, n_classes, tested = inputs.y, len(items.classes), inputs.tested
    first = [fold for fold in inputs.folds if fold.repeat == 0]
    own = [(Arm(name, "random", init), rows) for init, rows in enumerate(random)]

    def planted(strength: float) -> list[tuple[Arm, np.ndarray]]:
        return [
            (arm, plant(rows, y, strength, np.random.default_rng([seed, STREAM, arm.init])))
            for arm, rows in own
        ]

    def accuracy(strength: float) -> float:
        what = f"analyse {name}: injection, strength {strength:.3g}"
        with progress(what, len(own) * len(first), "fits") as advance:
            held_out = predict_held_out(
                planted(strength), y, n_classes, first, inputs.l2_grid, workers=workers, advance=advance
            )
            return float(np.mean([arm.predicted == y[tested] for arm in held_out]))

    before = accuracy(0.0)
    if before + wanted >= 1:
        return None
    strength = find_strength(lambda strength: accuracy(strength) - before, wanted)
    if strength is None:
        return None

    def probed(what: str, arms: Sequence[tuple[Arm, np.ndarray]]) -> list[ArmPredictions]:
        return probe_arms(
            f"analyse {name}: injection, {what}",
            arms,
            y,
            n_classes,
            inputs.folds,
            inputs.split_halves,
            inputs.l2_grid,
            workers,
        )

    as_they_are, with_signal = probed("random arms", own), probed("planted", planted(strength))
    paired = PairedPredictions(
        y=y[tested],
        groups=np.unique(np.asarray(items.groups, dtype=object)[tested], return_inverse=True)[1],
        classes=items.classes,
        contrasts={},
        controls={},
        l2_grid=(float(inputs.l2_grid[-1]), float(inputs.l2_grid[0])),
        split_half_counts=split_half_counts(y, n_classes, inputs.split_halves),
    )
    return judge_plantings(paired, as_they_are, with_signal, confidence)


def plant(rows: np.ndarray, y: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """(N, D) rows, those of each class moved by `strength` standard deviations along a random direction of its own."""
    directions = rng.normal(size=(y.max() + 1, rows.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(rows + strength * rows.std(axis=0) * directions[y], rows.dtype)


def find_strength(gain_at: Callable[[float], float], wanted: float) -> float | None:
    """A strength at which the gain, which rises with it, is `wanted`, nearly; None if it rises too little."""
    low, high = 0.0, START
    for _ in range(DOUBLINGS):
        if gain_at(high) >= wanted:
            break
        low, high = high, 2 * high
    else:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = gain_at(middle)
        if abs(found - wanted) <= NEAR * wanted:
            return middle
        low, high = (middle, high) if found < wanted else (low, middle)
    return (low + high) / 2


def judge_plantings(
    paired: PairedPredictions,
    as_they_are: Sequence[ArmPredictions],
    with_signal: Sequence[ArmPredictions],
    confidence: float,
) -> Injection:
    """Each planted arm against all others without the signal, as `compare` judges a pretrained arm."""
    plantings = []
    for init, arm in enumerate(with_signal):
        others = [other for number, other in enumerate(as_they_are) if number != init]
        gain = estimate_gain(paired, Contrast(arm, others), confidence, comparisons=1)
        plantings.append(
            PlantedGain(
                planted=paired.difference([arm], [as_they_are[init]]).mean,
                gain=Interval(gain.value, gain.low, gain.high),
                prediction=Interval(gain.value, gain.prediction_low, gain.prediction_high),
            )
        )
    return Injection(size=float(np.mean([each.planted for each in plantings])), plantings=plantings)
