"""Is the comparison calibrated? Thousands of simulated studies whose true gain is known (see worlds.py).

    python benchmarks/calibration.py --out benchmarks/calibration.json    # many hours on 2 cores; resumes
    python benchmarks/calibration.py --out tables.json --tables           # without probes: ten minutes on one core
    python benchmarks/calibration.py --out quick.json --studies 200       # at most so many in every cell
    python benchmarks/calibration.py --out benchmarks/calibration.json --table

Every world is tried under both nulls. "checkpoint": the pretrained encoder is as accurate as the average untrained one;
how often is p < 0.05, and how often does the 95 % interval cover the true gain? "draw": it is one more untrained one;
how often is its p < 0.05? Under both: how often is the verdict `helps` or `hurts`, which is wrong then? At gains of 5,
10 and 20 points: how often the verdict is `helps` (power). At a gain equal to the region of practical equivalence: how
often the verdict is wrongly `no_difference`. Results and conclusions are in calibration.md.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import ttest_1samp
from threadpoolctl import threadpool_limits

from trajprobe.compare.classical_tests import outlier, single_case
from trajprobe.compare.gain import LEAST_SD
from trajprobe.compare.random_effects import (
    VARYING_DIFFERENCE,
    equality_error,
    group_scores,
    interval,
    minimum_error,
    two_way_mean,
)
from worlds import Outcome, Studies, Tables, TableWorld, World, calibrate

NARROW = World("narrow features", width=16, signal=3.0, noise=1.0)
WIDE = World("wide features", width=128, signal=3.5, noise=2.2)
GROUPED = World("groups of 4", width=16, signal=3.2, noise=1.3, group=4, common=0.5)
PEOPLE = World("people", width=16, signal=3.2, noise=1.3, common=0.3, mixed=True)
WORLDS = [  # with their numbers of items
    (NARROW, (40, 200, 1000)),
    (WIDE, (40, 200)),
    (GROUPED, (200, 1000)),
    (World("four seeds", width=16, signal=3.5, noise=1.3, seeds=4), (40, 200, 1000)),
    (replace(NARROW, name="1 seed in 10 collapses", collapsed=0.1), (200, 1000)),
    (replace(PEOPLE, name="8 people of 40", group=40), (320,)),
    (replace(PEOPLE, name="12 people of 40", group=40), (480,)),
    (replace(PEOPLE, name="20 people of 50", group=50), (1000,)),
    (replace(PEOPLE, name="30 people of 30", group=30), (900,)),
    (replace(PEOPLE, name="12 people, unequal", group=40, unequal=0.6), (480,)),
    (replace(PEOPLE, name="30 people, unequal", group=30, unequal=0.6), (900,)),
    (
        replace(
            PEOPLE, name="12 people, unequal, 1 seed in 10 collapses", group=40, unequal=0.6, collapsed=0.1
        ),
        (480,),
    ),
]
BRIER = [  # worlds of the option `compare --score brier`
    (replace(world, name=f"{world.name}, Brier score", score="brier"), sizes)
    for world, sizes in [
        (NARROW, (40, 200, 1000)),
        (WIDE, (40, 200)),
        (GROUPED, (200,)),
        (replace(PEOPLE, name="12 people, unequal", group=40, unequal=0.6), (480,)),
        (replace(NARROW, name="1 seed in 10 collapses", collapsed=0.1), (200,)),
    ]
]
SINGLE = TableWorld("items", groups=200)
TABLES = [
    SINGLE,
    replace(SINGLE, groups=1000),
    replace(SINGLE, name="4 seeds", groups=1000, seeds=4),
    replace(SINGLE, name="20 seeds", groups=1000, seeds=20),
    replace(SINGLE, name="1 seed in 10 collapses", collapsed=0.1),
    replace(SINGLE, name="1 seed in 10 collapses", groups=1000, collapsed=0.1),
    replace(SINGLE, name="1 in 10 collapses, 4 seeds", groups=1000, collapsed=0.1, seeds=4),
    TableWorld("5 people of 40", 5, 40),
    TableWorld("8 people of 20", 8, 20),
    TableWorld("12 people of 40", 12, 40),
    TableWorld("20 people of 50", 20, 50),
    TableWorld("30 people of 30", 30, 30),
    TableWorld("8 people of 40, unequal", 8, 40, unequal=0.6),
    TableWorld("12 people of 40, unequal", 12, 40, unequal=0.6),
    TableWorld("30 people of 30, unequal", 30, 30, unequal=0.6),
    TableWorld("12 unequal people of 40, 1 seed in 10 collapses", 12, 40, unequal=0.6, collapsed=0.1),
    TableWorld("30 unequal people of 30, 1 seed in 10 collapses", 30, 30, unequal=0.6, collapsed=0.1),
]
STUDIES = 2000  # in a cell of at most 200 items; fewer in larger ones
GAINS = (0.05, 0.10, 0.20)
# Arms differ on a handful of items, so that intervals are as narrow as the region of practical equivalence.
CEILING = World("ceiling", width=32, signal=8.0, noise=1.0, spread=0.05)
ROPE, ALPHA = 0.02, 0.05


def conclude(outcome: Outcome, score: str = "accuracy") -> dict[str, float]:
    """What trajprobe concludes from one study, and two simpler intervals for comparison.

    score: another than accuracy has no least standard error.
    """
    varying = VARYING_DIFFERENCE if score == "accuracy" else 0.0
    table = outcome.accuracy[0] - outcome.accuracy[1:]
    scores, values, groups = group_scores(table, outcome.groups), table.mean(axis=0), outcome.groups
    accuracies = outcome.accuracy.mean(axis=1).tolist()
    halves = outcome.halves[0] - outcome.halves[1:].mean(axis=0)
    found = two_way_mean(scores, halves)
    estimate = replace(found, error=max(found.error, minimum_error(values, groups, varying)))
    low, high, p_value = interval(estimate, 1 - ALPHA)
    equal = replace(estimate, error=equality_error(estimate.error, values, groups))
    equal_low, equal_high, _ = interval(equal, 1 - ALPHA)
    draw = single_case(accuracies[0], accuracies[1:], LEAST_SD / len(groups))
    assert draw is not None
    naive = two_way_mean(scores)
    naive = replace(naive, error=max(naive.error, minimum_error(values, groups, varying)))
    return {
        "gain": found.mean,
        "low": low,
        "high": high,
        "p_value": p_value,
        "p_draw": draw.p_value,
        "equality_bound": max(-equal_low, equal_high),
        "naive_p": interval(naive, 1 - ALPHA)[2],
        "group_t_p": float(ttest_1samp(scores.mean(axis=0), 0).pvalue),
        "random": float(np.mean(accuracies[1:])),
        "sd": float(np.std(accuracies[1:], ddof=1)),
        "outlier": float(outlier(accuracies[1:]) is not None),
        "halves": float(outcome.halves.shape[1]),
    }


def judge(world: World | TableWorld, n: int, gain: float | None, studies: int) -> dict[str, Any]:
    """Frequencies over `studies` studies of `n` items with this true gain; None: the null of one more draw."""
    seed = n + round(1000 * (gain or 0))
    source: Studies | Tables
    if isinstance(world, TableWorld):
        source = Tables(world, gain, seed)
    else:
        source = Studies(world, n, None if gain is None else calibrate(world, n, gain), seed)
    score = getattr(world, "score", "accuracy")
    each = [conclude(source.draw(), score) for _ in range(studies)]
    found = {name: np.array([one[name] for one in each]) for name in each[0]}
    true = 0.0 if gain is None else float(found["gain"].mean())
    both = np.maximum(found["p_value"], found["p_draw"]) < ALPHA
    return {
        "world": world.name,
        "probes": isinstance(world, World),
        "items": n,
        "null": _null(gain),
        "studies": studies,
        "true": true,
        "random_accuracy": float(found["random"].mean()),
        "seeds_sd": float(found["sd"].mean()),
        "significant": float(np.mean(found["p_value"] < ALPHA)),
        "coverage": float(np.mean((found["low"] <= true) & (true <= found["high"]))),
        "draw_significant": float(np.mean(found["p_draw"] < ALPHA)),
        "wrong_verdict": float(np.mean(both)),
        "helps": float(np.mean(both & (found["gain"] > 0))),
        "width": float(np.mean(found["high"] - found["low"])),
        "naive_significant": float(np.mean(found["naive_p"] < ALPHA)),
        "group_t_significant": float(np.mean(found["group_t_p"] < ALPHA)),
        "equal": float(np.mean(found["equality_bound"] <= ROPE)),
        "outlier": float(found["outlier"].mean()),
        "halves": float(found["halves"].mean()),
    }


def table_jobs(most: int) -> list[tuple[TableWorld, int, float | None, int]]:
    """As `jobs`, of the worlds without probes, with a gain of 15 points in each."""
    gains = (0.0, None, 0.15)
    return [
        (world, world.groups * world.group, gain, min(most, STUDIES)) for world in TABLES for gain in gains
    ]


def jobs(most: int) -> list[tuple[World, int, float | None, int]]:
    """Every (world, items, true gain or None, studies): both nulls of each world, gains, and near the ceiling."""

    def studies(n: int) -> int:
        return min(most, STUDIES if n <= 200 else STUDIES // 3)

    nulls = sorted(((world, n) for world, sizes in WORLDS for n in sizes), key=lambda cell: cell[1])
    cells: list[tuple[World, int, float | None]] = []
    for gain in (None, 0.0):
        cells += [(world, n, gain) for world, n in nulls]
    cells += [(world, n, 0.15) for world, n in nulls if world.mixed]
    cells += [(world, n, gain) for world, sizes in BRIER for n in sizes for gain in (0.0, 0.05)]
    cells += [(NARROW, n, gain) for n in (40, 200, 1000) for gain in GAINS]
    cells += [(CEILING, n, gain) for n in (200, 1000) for gain in (0.0, ROPE)]
    return [(world, n, gain, studies(n)) for world, n, gain in cells]


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown tables: under the nulls, with gains, and of Brier scores. A frequency stands with its standard error."""
    brier = [world.name for world, _ in BRIER]

    def often(row: dict[str, Any], name: str) -> str:
        share = row[name]
        return f"{100 * share:.1f} ± {100 * (share * (1 - share) / row['studies']) ** 0.5:.1f}"

    lines = [
        "| items | world | null | studies | random arm (sd of seeds) | p < 0.05, this checkpoint | coverage | "
        "without training part | t over groups | p < 0.05, one more draw | helps or hurts |",
        "| --- " * 11 + "|",
    ]
    for row in rows:
        if row["null"] in ("checkpoint", "draw") and row["world"] not in (CEILING.name, *brier):
            coverage = often(row, "coverage") if row["null"] == "checkpoint" else ""
            lines.append(
                f"| {row['items']} | {row['world']} | {row['null']} | {row['studies']:,} | "
                f"{row['random_accuracy']:.0%} ({100 * row['seeds_sd']:.1f}) | {often(row, 'significant')} | "
                f"{coverage} | {often(row, 'naive_significant')} | "
                f"{often(row, 'group_t_significant')} | {often(row, 'draw_significant')} | "
                f"{often(row, 'wrong_verdict')} |"
            )
    lines += [
        "",
        "| items | world | true gain, points | studies | p < 0.05, this checkpoint | coverage | t over groups | "
        "verdict helps | width, points | no difference within ±2 |",
        "| --- " * 10 + "|",
    ]
    for row in rows:
        if row["world"] not in brier and (
            row["null"] not in ("checkpoint", "draw") or row["world"] == CEILING.name
        ):
            lines.append(
                f"| {row['items']} | {row['world']} | {100 * row['true']:.1f} | {row['studies']:,} | "
                f"{often(row, 'significant')} | {often(row, 'coverage')} | {often(row, 'group_t_significant')} | "
                f"{often(row, 'helps')} | {100 * row['width']:.1f} | {often(row, 'equal')} |"
            )
    lines += [
        "",
        "| items | world | true gain | studies | p < 0.05 | coverage | without training part | t over groups | width |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        if row["world"] in brier:
            lines.append(
                f"| {row['items']} | {row['world']} | {row['true']:.3f} | {row['studies']:,} | "
                f"{often(row, 'significant')} | {often(row, 'coverage')} | {often(row, 'naive_significant')} | "
                f"{often(row, 'group_t_significant')} | {row['width']:.3f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="results; what is there is not measured again"
    )
    parser.add_argument("--studies", type=int, default=STUDIES, help="at most so many in a cell")
    parser.add_argument("--tables", action="store_true", help="draw tables of results, without probes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print the results so far")
    options = parser.parse_args()
    rows = json.loads(options.out.read_text()) if options.out.exists() else []
    if not options.table:
        known = {(row["probes"], row["world"], row["items"], row["null"]) for row in rows}
        asked = table_jobs(options.studies) if options.tables else jobs(options.studies)
        missing = [
            (world, n, gain, studies)
            for world, n, gain, studies in asked
            if (not options.tables, world.name, n, _null(gain)) not in known
        ]
        with threadpool_limits(1), ProcessPoolExecutor(options.workers) as pool:
            for row in pool.map(judge, *zip(*missing, strict=True)) if missing else ():
                rows.append(row)
                options.out.write_text(json.dumps(rows, indent=1) + "\n")
                print(row, flush=True)
    for probes, title in ((False, "Without probes"), (True, "With probes")):
        print(f"\n{title}\n\n{table([row for row in rows if row['probes'] == probes])}")


def _null(gain: float | None) -> str:
    return "draw" if gain is None else "checkpoint" if gain == 0 else f"{gain:g}"


if __name__ == "__main__":
    main()
