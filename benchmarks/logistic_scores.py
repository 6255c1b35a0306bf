"""Do the intervals of accuracy and of the Brier score cover with the logistic probe itself?

    python benchmarks/logistic_scores.py    # 2 to 6 seconds of a core for a study; prints a table, in calibration.md

calibration.py has thousands of studies, and therefore a probe in closed form. Here are a few hundred of the same worlds
with everything as `compare` has it: penalties chosen by inner folds, probabilities, and split halves under the median
of the chosen penalties. The pretrained encoder is the same in all studies; its true gain is the mean over them.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from calibration import GROUPED, NARROW, WIDE
from trajprobe.artifacts.predictions import CLASS_SCORES, Arm, ClassScore
from trajprobe.compare.gain import gain_interval
from trajprobe.compare.paired_predictions import PairedPredictions
from trajprobe.probe.folds import make_folds
from trajprobe.probe.held_out import (
    make_split_halves,
    predict_held_out,
    split_half_counts,
    split_half_scores,
)
from trajprobe.probe.logistic import make_l2_grid
from worlds import FOLDS, REPEATS, SPLIT_HALVES, Studies

CELLS = (  # the world, its numbers of items, the noise of the pretrained encoder
    (NARROW, 60, 0.7),
    (WIDE, 60, 1.6),
    (GROUPED, 200, 1.0),
)
GRID = (1e-4, 1e2)


def studied(job: tuple[int, int]) -> list[tuple[float, ...]]:
    """Of each score: the gain, both ends of its interval, and both ends without the variance of training items."""
    cell, seed = job
    world, n, noise = CELLS[cell]
    y, groups, features = Studies(world, n, noise, seed).features()
    names, nowhere = [str(group) for group in groups], [""] * n
    classes = [str(code) for code in range(world.classes)]
    folds = make_folds(
        y, names, nowhere, classes, split="folds", folds=FOLDS, repeats=REPEATS, inner_folds=4, seed=seed
    )
    pairs = make_split_halves(y, names, nowhere, split="folds", folds=FOLDS, count=SPLIT_HALVES, seed=seed)
    arms = [(Arm("e", "random" if init else "pretrained", init), rows) for init, rows in enumerate(features)]
    with threadpool_limits(1):
        quiet = {"workers": 1, "advance": lambda: None}
        probed = [*predict_held_out(arms, y, world.classes, folds, make_l2_grid(*GRID, 13), **quiet)]
        chosen = [(rows, float(np.median(arm.l2))) for (_, rows), arm in zip(arms, probed, strict=True)]
        halves = split_half_scores(chosen, y, world.classes, pairs, **quiet)
    counts = split_half_counts(y, world.classes, pairs)
    paired = PairedPredictions(y, groups, classes, {}, {}, GRID, counts)

    def of_score(score: ClassScore) -> Iterator[float]:
        for scores in (halves, [{}] * len(probed)):
            own = [replace(arm, split_half_scores=each) for arm, each in zip(probed, scores, strict=True)]
            found = replace(paired, score=score).difference(own[:1], own[1:])
            if scores is halves:
                yield found.mean
            yield from gain_interval(found, 0.95)[:2]

    return [tuple(of_score(score)) for score in CLASS_SCORES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=400, help="in a cell")
    studies = parser.parse_args().studies

    def often(share: float) -> str:
        return f"{100 * share:.1f} ± {100 * (share * (1 - share) / studies) ** 0.5:.1f}"

    print("| items | world | score | studies | gain | coverage | without training part | width |")
    print("| --- " * 8 + "|")
    for cell, (world, n, _) in enumerate(CELLS):
        with ProcessPoolExecutor(2) as pool:
            found = np.array([*pool.map(studied, [(cell, seed) for seed in range(studies)], chunksize=5)])
        for score, (gains, low, high, naive_low, naive_high) in zip(
            CLASS_SCORES, np.moveaxis(found, 0, 2), strict=True
        ):
            true = gains.mean()
            covers, naive = (
                float(np.mean((ends[0] <= true) & (true <= ends[1])))
                for ends in ((low, high), (naive_low, naive_high))
            )
            print(
                f"| {n} | {world.name} | {score} | {studies} | {true:.3f} | {often(covers)} | {often(naive)} | "
                f"{np.mean(high - low):.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
