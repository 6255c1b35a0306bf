"""Is the comparison calibrated? Thousands of simulated studies whose true gain is known (see worlds.py).

    python benchmarks/calibration.py --out benchmarks/calibration.json    # about an hour on 2 cores; resumes
    python benchmarks/calibration.py --out benchmarks/calibration.json --table

For every world and number of items, at a true gain of zero: how often p < 0.05, how often the 95 % interval covers the
true gain (also that of the bootstrap, and the interval without the variance due to training items), and its mean width.
At gains of 2, 5, 10 and 20 points: how often the verdict is `helps` (power). At a gain equal to the region of practical
equivalence: how often the verdict is wrongly `no_difference`. Results and conclusions are in calibration.md.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from trajprobe.compare.classical_tests import bca_interval
from trajprobe.compare.gain import equality_bound
from trajprobe.compare.random_effects import group_scores, interval, two_way_mean, with_minimum_error
from worlds import Studies, World, calibrate

WORLDS = [
    World("narrow features", width=16, signal=3.0, noise=1.0),
    World("wide features", width=128, signal=3.5, noise=2.2),
    World("groups", width=32, signal=3.2, noise=1.3, group=4, common=0.5),
    World("easy", width=32, signal=5.5, noise=1.0),
    World("two classes", width=32, signal=2.0, noise=1.5, classes=2),
    World("four seeds", width=32, signal=3.5, noise=1.3, seeds=4),
]
STUDIES = {40: 2500, 200: 1500, 1000: 600}  # items of a study: number of studies
POWER = World("power", width=16, signal=3.0, noise=1.6)  # in which there is room for a gain of 20 points
GAINS, POWER_STUDIES = (0.02, 0.05, 0.10, 0.20), 400
# Arms differ on a handful of items, so that intervals are as narrow as the region of practical equivalence.
CEILING = World("ceiling", width=32, signal=8.0, noise=1.0, spread=0.05)
CEILING_GAIN, CEILING_STUDIES = 0.02, {200: 800, 1000: 300}
MAX_VALUES = (
    50_000  # of a study's features; wide ones of 1000 items would take as long as all others together
)
CONFIDENCE, BOOTSTRAP, EVERY = 0.95, 1000, 4  # every EVERY-th study is bootstrapped


def judge(world: World, n: int, gain: float, studies: int) -> dict[str, Any]:
    """What the comparison concludes from `studies` studies of `n` items with this true gain."""
    source = Studies(world, n, calibrate(world, n, gain), seed=n + round(1000 * gain))
    found = []
    for number in range(studies):
        outcome = source.draw()
        scores = group_scores(outcome.accuracy[0] - outcome.accuracy[1:], outcome.groups)
        halves = outcome.halves[0] - outcome.halves[1:].mean(axis=0)
        groups = scores.shape[1]
        estimate = with_minimum_error(two_way_mean(scores, halves), groups)
        naive = interval(two_way_mean(scores), CONFIDENCE)
        boot = (
            bca_interval(scores, BOOTSTRAP, number, CONFIDENCE) if number % EVERY == 0 else (np.nan, np.nan)
        )
        accuracy = outcome.accuracy.mean(axis=1)
        spread = np.std(accuracy[1:], ddof=1)
        found.append(
            (
                *(
                    estimate.mean,
                    *interval(estimate, CONFIDENCE),
                    equality_bound(estimate, groups, CONFIDENCE),
                ),
                *(*naive, *boot, accuracy[1:].mean(), spread),
            )
        )
    mean, low, high, p, equal, naive_low, naive_high, naive_p, boot_low, boot_high, random, spread = np.array(
        found
    ).T
    true = mean.mean()
    bootstrapped = np.isfinite(boot_low)

    def coverage(low: np.ndarray, high: np.ndarray) -> float:
        return float(np.mean((low <= true) & (true <= high)))

    return {
        "world": world.name,
        "items": n,
        "asked": gain,
        "true": float(true),
        "studies": studies,
        "random_accuracy": float(random.mean()),
        "seeds_sd": float(spread.mean()),
        "significant": float(np.mean(p < 1 - CONFIDENCE)),
        "coverage": coverage(low, high),
        "helps": float(np.mean(low > 0)),
        "width": float(np.mean(high - low)),
        "naive_significant": float(np.mean(naive_p < 1 - CONFIDENCE)),
        "naive_coverage": coverage(naive_low, naive_high),
        "bootstrap_coverage": coverage(boot_low[bootstrapped], boot_high[bootstrapped]),
        "equal_2": float(np.mean(equal <= 0.02)),
        "equal_5": float(np.mean(equal <= 0.05)),
    }


def jobs() -> list[tuple[World, int, float, int]]:
    """Every (world, items, true gain, studies): near the ceiling, without a gain, and with gains in one world."""
    nulls = [(world, n, 0.0, studies) for n, studies in STUDIES.items() for world in WORLDS if fits(world, n)]
    power = [(POWER, n, gain, POWER_STUDIES) for n in STUDIES for gain in GAINS]
    ceiling = [
        (CEILING, n, gain, studies) for n, studies in CEILING_STUDIES.items() for gain in (0.0, CEILING_GAIN)
    ]
    return ceiling + nulls + power


def fits(world: World, n: int) -> bool:
    """Whether every class has enough groups for the folds, as trajprobe requires, and the features are few enough."""
    return n // world.group >= 5 * world.classes and n * world.width <= MAX_VALUES


def table(rows: list[dict[str, Any]]) -> str:
    """Two Markdown tables: without a gain, and with gains."""
    lines = [
        "| items | world | studies | random arm (sd of seeds) | p < 0.05 | coverage | "
        "without training part: p < 0.05 | coverage | bootstrap coverage | width, points |",
        "| --- " * 10 + "|",
    ]
    for row in rows:
        if row["asked"] == 0 and row["world"] != CEILING.name:
            lines.append(
                f"| {row['items']} | {row['world']} | {row['studies']:,} | {row['random_accuracy']:.0%} "
                f"({100 * row['seeds_sd']:.1f}) | **{row['significant']:.1%}** | **{row['coverage']:.1%}** | "
                f"{row['naive_significant']:.1%} | {row['naive_coverage']:.1%} | {row['bootstrap_coverage']:.1%} | "
                f"{100 * row['width']:.1f} |"
            )
    lines += [
        "",
        "| items | world | true gain, points | studies | verdict helps | coverage | width, points | "
        "no difference within ±2 | within ±5 |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        if row["asked"] > 0 or row["world"] == CEILING.name:
            lines.append(
                f"| {row['items']} | {row['world']} | {100 * row['true']:.1f} | {row['studies']:,} | "
                f"{row['helps']:.1%} | {row['coverage']:.1%} | {100 * row['width']:.1f} | "
                f"{row['equal_2']:.1%} | {row['equal_5']:.1%} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="where results are kept; what is there already is not measured again",
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print the results so far")
    options = parser.parse_args()
    rows = json.loads(options.out.read_text()) if options.out.exists() else []
    if not options.table:
        known = {(row["world"], row["items"], row["asked"]) for row in rows}
        missing = [job for job in jobs() if (job[0].name, job[1], job[2]) not in known]
        with threadpool_limits(1), ProcessPoolExecutor(options.workers) as pool:
            for row in pool.map(judge, *zip(*missing, strict=True)) if missing else ():
                rows.append(row)
                options.out.write_text(json.dumps(rows, indent=1) + "\n")
                print(row, flush=True)
    print(table(sorted(rows, key=lambda row: (row["items"], row["asked"]))))


if __name__ == "__main__":
    main()
