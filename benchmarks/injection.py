"""Does the injection keep its promise? Simulated studies into which a gain of known size is planted (see worlds.py).

    python benchmarks/injection.py --out benchmarks/injection.json              # 10 minutes of processor time; resumes
    python benchmarks/injection.py --out quick.json --studies 40
    python benchmarks/injection.py --out benchmarks/injection.json --table

In every study 8 initialisations are drawn, and 5 points planted into each as `analyse/injection.py` does it, with its
functions `plant` and `find_strength`. "prediction": how often the 95 % prediction interval of a planted initialisation
over the 7 others contains the planted size. "confidence": a ninth network is the same in all studies, and planted into
likewise; its true gain over the average initialisation is the mean over the studies, and the column says how often the
95 % confidence interval contains it. "found": how often both intervals lie above zero. Results are in calibration.md.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm, t
from threadpoolctl import threadpool_limits

from calibration import ALPHA, GROUPED, NARROW, PEOPLE, conclude
from trajprobe.analyse.injection import find_strength, plant
from trajprobe.compare.classical_tests import single_case
from trajprobe.compare.gain import LEAST_SD
from trajprobe.probe.folds import assign_folds
from worlds import FOLDS, Outcome, Studies, Tables, TableWorld, World, cross_validate

SIZE = 0.05
STUDIES = 400
DRAWS = 40_000  # of initialisations alone
LUCK = (
    1.44  # standard deviation of what decides an item beside the ability of the network, in `worlds.Tables`
)
WORLDS = [
    (NARROW, 40),
    (NARROW, 200),
    (GROUPED, 200),
    (replace(PEOPLE, name="12 people of 40", group=40), 480),
    (replace(NARROW, name="1 seed in 10 collapses", collapsed=0.1), 200),
    (World("wide features", width=128, signal=3.5, noise=2.2), 200),
]


def inject_into(study: Studies) -> dict[str, Any]:
    """What one study finds. Arm 0 is the fixed network, the others are the initialisations."""
    y, groups, features = study.features()
    fold_of = assign_folds(y, groups, FOLDS, study.rng)
    folds = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]

    def planted(strength: float) -> np.ndarray:
        return np.stack(
            [plant(rows, y, strength, np.random.default_rng([1, arm])) for arm, rows in enumerate(features)]
        )

    def accuracy(strength: float) -> float:
        return float(cross_validate(planted(strength), y, folds)[1:].mean())

    before = accuracy(0.0)
    strength = find_strength(lambda strength: accuracy(strength) - before, SIZE)
    assert strength is not None
    both = study.probe(y, groups, np.concatenate([features, planted(strength)]))
    arms = len(features)
    own, signal = both.accuracy[:arms].mean(axis=1), both.accuracy[arms:].mean(axis=1)
    size = float((signal - own)[1:].mean())
    covered, found = [], []
    for arm in range(1, arms):
        others = [other for other in range(1, arms) if other != arm]
        shifted = single_case(float(signal[arm]) - size, own[others].tolist(), LEAST_SD / len(y))
        assert shifted is not None
        covered.append(shifted.p_value >= ALPHA)
        said = conclude(_contrast(both, arms + arm, others))
        found.append(said["gain"] > 0 and max(said["p_value"], said["p_draw"]) < ALPHA)
    fixed = conclude(_contrast(both, arms, list(range(1, arms))))
    return {
        "size": size,
        "covered": float(np.mean(covered)),
        "found": float(np.mean(found)),
        "gain": fixed["gain"],
        "low": fixed["low"],
        "high": fixed["high"],
    }


def _contrast(outcome: Outcome, first: int, others: list[int]) -> Outcome:
    rows = [first, *others]
    return Outcome(outcome.accuracy[rows], outcome.groups, outcome.halves[rows])


def judge(world: World, n: int, studies: int) -> dict[str, Any]:
    """Frequencies over `studies` studies of `n` items, with their standard errors over studies."""
    study = Studies(world, n, world.noise, seed=n)
    each = [inject_into(study) for _ in range(studies)]
    found = {name: np.array([one[name] for one in each]) for name in each[0]}
    true = found["gain"].mean()
    inside = (found["low"] <= true) & (true <= found["high"])

    def share(values: np.ndarray) -> list[float]:
        return [float(values.mean()), float(values.std(ddof=1) / studies**0.5)]

    return {
        "world": world.name,
        "items": n,
        "studies": studies,
        "size": float(found["size"].mean()),
        "prediction": share(found["covered"]),
        "confidence": share(inside.astype(float)),
        "found": share(found["found"]),
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| items | world | studies | planted, points | prediction interval covers it | confidence interval covers the "
        "true gain | found |",
        "| --- " * 7 + "|",
    ]
    for row in rows:
        shares = [
            f"{100 * row[name][0]:.1f} ± {100 * row[name][1]:.1f}"
            for name in ("prediction", "confidence", "found")
        ]
        lines.append(
            f"| {row['items']} | {row['world']} | {row['studies']} | {100 * row['size']:.1f} | {' | '.join(shares)} |"
        )
    return "\n".join(lines)


def misses_without_items(seeds: int, collapsed: float) -> tuple[float, float]:
    """How often one of `seeds` networks lies outside the prediction interval of the others, and how often below it.

    Accuracies are those of `worlds.Tables` in the limit of many items, with and without collapses.
    """
    world = TableWorld("", groups=1, seeds=seeds, collapsed=collapsed)
    source = Tables(world, None, seed=seeds)
    accuracies = norm.cdf(source.abilities(DRAWS * seeds).reshape(DRAWS, seeds) / LUCK)
    own, others = accuracies[:, 0], accuracies[:, 1:]
    scale = others.std(axis=1, ddof=1) * (1 + 1 / (seeds - 1)) ** 0.5
    distance, bound = (own - others.mean(axis=1)) / scale, t.ppf(1 - ALPHA / 2, seeds - 2)
    return float((abs(distance) > bound).mean()), float((distance < -bound).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="results; what is there is not measured again"
    )
    parser.add_argument("--studies", type=int, default=STUDIES, help="in a cell")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print the results so far")
    options = parser.parse_args()
    rows = json.loads(options.out.read_text()) if options.out.exists() else []
    if not options.table:
        known = {(row["world"], row["items"]) for row in rows}
        missing = [(world, n) for world, n in WORLDS if (world.name, n) not in known]
        with threadpool_limits(1), ProcessPoolExecutor(options.workers) as pool:
            jobs = [pool.submit(judge, world, n, options.studies) for world, n in missing]
            for job in jobs:
                rows.append(job.result())
                options.out.write_text(json.dumps(rows, indent=1) + "\n")
                print(rows[-1], flush=True)
    print(table(rows))
    for collapsed in (0.0, 0.1):
        for seeds in (5, 8, 12, 20, 40):
            missed, below = misses_without_items(seeds, collapsed)
            print(
                f"{seeds} initialisations, {collapsed:.0%} collapse: {missed:.1%} missed, {below:.1%} below"
            )


if __name__ == "__main__":
    main()
