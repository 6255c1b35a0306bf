"""Looking at the verdict while random initialisations are added: how often is it wrong, and how many are saved?

    python benchmarks/sequential.py                 # a quarter of an hour on one core: the tables in calibration.md
    python benchmarks/sequential.py --studies 100   # of every kind

Studies of 20 random initialisations in worlds without probes (see worlds.py). Each is looked at with the first 3, 5, 8,
12 and 20, as a study with `extract.random_inits: auto` is, and ends at the first look at which both p-values are below
a level. Under both nulls a study that ends so is wrong: how often is it, if the level is 5 % at every look (naive
peeking), and if it is lower? Where there is a gain, how often is it found at the level that a study uses, and with how
many initialisations on average, beside one look at all 20 with 5 %?
"""

import argparse
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from calibration import ALPHA, SINGLE, conclude
from power import often
from trajprobe.commands.study_file import LOOKS, SHARE
from worlds import Outcome, Tables, TableWorld

GAINS = (0.1, 0.15, 0.25)
LEVELS = (0.03, 0.025, 0.02, 0.015, 0.01)
WORLDS = [
    SINGLE,
    replace(SINGLE, groups=1000),
    replace(SINGLE, groups=1000, name="items, alike seeds", spread=0.05),
    replace(SINGLE, groups=1000, name="1 seed in 10 collapses", collapsed=0.1),
    TableWorld("12 people of 40", 12, 40),
    TableWorld("30 people of 30, unequal", 30, 30, unequal=0.6),
]


def first(outcome: Outcome, seeds: int) -> Outcome:
    """The same study with its first `seeds` random initialisations."""
    return Outcome(outcome.accuracy[: seeds + 1], outcome.groups, outcome.halves[: seeds + 1])


def p_values(world: TableWorld, gain: float | None, studies: int) -> np.ndarray:
    """(studies, looks) the larger of the two p-values at every look."""
    source = Tables(replace(world, seeds=LOOKS[-1]), gain, seed=7)
    found = []
    for _ in range(studies):
        outcome = source.draw()
        looks = [conclude(first(outcome, seeds)) for seeds in LOOKS]
        found.append([max(look["p_value"], look["p_draw"]) for look in looks])
    return np.array(found)


def seeds_needed(p: np.ndarray, level: float) -> float:
    """The mean number of initialisations at the look that ends a study."""
    below = p < level
    last = np.where(below.any(axis=1), below.argmax(axis=1), len(LOOKS) - 1)
    return float(np.array(LOOKS)[last].mean())


def nulls(studies: int) -> None:
    print("| items | world | null | once, 5 % | every look at 5 % |", end="")
    print("".join(f" at {100 * level:g} % |" for level in LEVELS))
    print("| --- " * (5 + len(LEVELS)) + "|")
    for world in WORLDS:
        for null, gain in (("checkpoint", 0.0), ("draw", None)):
            p = p_values(world, gain, studies)
            shares = [(p[:, -1] < ALPHA).mean()]
            shares += [(p < level).any(axis=1).mean() for level in (ALPHA, *LEVELS)]
            cells = " | ".join(often(float(share), studies) for share in shares)
            print(f"| {world.groups * world.group} | {world.name} | {null} | {cells} |", flush=True)


def gains(studies: int) -> None:
    print(
        "| items | world | true gain, points | found once, with 20 | found by looks | initialisations by then |"
    )
    print("| --- " * 6 + "|")
    for world in WORLDS:
        for gain in GAINS:
            p = p_values(world, gain, studies)
            once, looks = (p[:, -1] < ALPHA).mean(), (p < SHARE * ALPHA).any(axis=1).mean()
            print(
                f"| {world.groups * world.group} | {world.name} | {100 * gain:g} | {often(float(once), studies)} | "
                f"{often(float(looks), studies)} | {seeds_needed(p, SHARE * ALPHA):.1f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=2000, help="of every kind")
    options = parser.parse_args()
    with threadpool_limits(1):
        nulls(options.studies)
        print()
        gains(options.studies)


if __name__ == "__main__":
    main()
