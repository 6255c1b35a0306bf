"""Does `trajprobe plan` keep its promises? Pilots and planned studies in simulated worlds (see worlds.py).

    python benchmarks/power.py                # minutes on one core: the table in calibration.md
    python benchmarks/power.py --studies 100  # of every design

Large pilots (60 of 40 initialisations in each world) tell the variance components. They say how many groups a study
needs to detect a gain with 80 % power, how wide its interval will be, and within which region it would show
equivalence. Such studies are then drawn: how often is the verdict `helps`, how wide are the intervals, and where there
is no gain, how often is the verdict `no_difference` in that region? Then the same from single pilots of 8
initialisations, whose components are estimates: how many groups do they ask for, and what is the power then?

Where one initialisation in ten collapses a second table divides the pilots into those with an outlying initialisation,
of which `plan` warns, and those without.
"""

import argparse
from dataclasses import dataclass, fields, replace

import numpy as np
from threadpoolctl import threadpool_limits

from calibration import ALPHA, conclude
from trajprobe.compare.classical_tests import outlier
from trajprobe.compare.design import Design, VarianceComponents, components_of_table, groups_needed
from trajprobe.compare.random_effects import group_scores, mean_squares
from worlds import Outcome, Tables, TableWorld

PILOT_GAIN = 0.15  # whatever gain is planned for
LARGE_PILOTS = 60
ITEMS = TableWorld("items", groups=200)
ALIKE = replace(ITEMS, name="items, alike seeds", spread=0.05)
PEOPLE = TableWorld("people of 20", groups=12, group=20)
COLLAPSING = replace(ITEMS, name="items, 1 seed in 10 collapses", collapsed=0.1)
SINGLE_PILOTS, EACH = 60, 10  # how many, and studies planned from each
OUTLIER_PILOTS, MOST_GROUPS = (
    150,
    5000,
)  # pilots in a world that collapses, and the most groups that are drawn


@dataclass(frozen=True)
class Plan:
    """From a pilot in `world` to studies of `seeds` initialisations that are to detect `gain`."""

    world: TableWorld
    seeds: int
    gain: float


PLANS = [
    Plan(ITEMS, 8, 0.15),
    Plan(ITEMS, 12, 0.13),
    Plan(ITEMS, 20, 0.115),
    Plan(ALIKE, 8, 0.08),
    Plan(ALIKE, 20, 0.05),
    Plan(PEOPLE, 8, 0.15),
    Plan(PEOPLE, 20, 0.115),
    Plan(replace(PEOPLE, name="people of 20, unequal", unequal=0.6), 12, 0.13),
    Plan(COLLAPSING, 8, 0.30),
    Plan(COLLAPSING, 12, 0.25),
]


def components(outcome: Outcome) -> VarianceComponents:
    table = outcome.accuracy[0] - outcome.accuracy[1:]
    squares = mean_squares(
        group_scores(table, outcome.groups), outcome.halves[0] - outcome.halves[1:].mean(axis=0)
    )
    return components_of_table(squares, table.mean(axis=0), outcome.groups)


def large_pilots(world: TableWorld, gain: float) -> VarianceComponents:
    """The components of LARGE_PILOTS together."""
    source = Tables(world, gain, seed=1)
    each = [components(source.draw()) for _ in range(LARGE_PILOTS)]
    means = {
        field.name: float(np.mean([getattr(own, field.name) for own in each])) for field in fields(each[0])
    }
    return VarianceComponents(
        **means | {name: getattr(each[0], name) for name in ("trained_on", "split_halves")}
    )


def needed(pilot: VarianceComponents, plan: Plan) -> int | None:
    return groups_needed(
        lambda groups: pilot.detectable(Design(plan.seeds, groups), 1 - ALPHA), plan.gain, plan.world.groups
    )


def studies(plan: Plan, groups: int, gain: float, count: int, seed: int) -> dict[str, np.ndarray]:
    source = Tables(replace(plan.world, groups=groups, seeds=plan.seeds), gain, seed)
    each = [conclude(source.draw()) for _ in range(count)]
    return {name: np.array([one[name] for one in each]) for name in each[0]}


def helps(found: dict[str, np.ndarray]) -> np.ndarray:
    return (np.maximum(found["p_value"], found["p_draw"]) < ALPHA) & (found["gain"] > 0)


def often(share: float, count: int) -> str:
    return f"{100 * share:.1f} ± {100 * (share * (1 - share) / count) ** 0.5:.1f}"


def row(plan: Plan, count: int) -> str:
    pilot = large_pilots(replace(plan.world, seeds=40), PILOT_GAIN)
    groups = needed(pilot, plan)
    assert groups is not None
    design = Design(plan.seeds, groups)
    found, equal = studies(plan, groups, plan.gain, count, 2), studies(plan, groups, 0.0, count, 3)
    promised, wide = 2 * pilot.half_width(design, 1 - ALPHA), float((found["high"] - found["low"]).mean())
    alike = large_pilots(
        replace(plan.world, seeds=plan.seeds), 0.0
    )  # what is added for equality depends on seeds
    region = alike.equivalence(design, 1 - ALPHA)
    shown = float((equal["equality_bound"] <= region).mean())
    source = Tables(plan.world, PILOT_GAIN, seed=4)
    single = [needed(components(source.draw()), plan) for _ in range(SINGLE_PILOTS)]
    power = [
        float(helps(studies(plan, own, plan.gain, EACH, 5 + number)).mean())
        for number, own in enumerate(single)
        if own is not None
    ]
    low, high = np.percentile([own or np.inf for own in single], [25, 75], method="nearest")
    return (
        f"| {plan.world.name} | {plan.seeds} | {100 * plan.gain:g} | {groups} | "
        f"{often(float(helps(found).mean()), count)} | {100 * promised:.1f} | "
        f"{100 * wide:.1f} ({100 * (promised / wide - 1):+.0f} %) | ±{100 * region:.1f} | {often(shown, count)} | "
        f"{low:g} to {high:g} | {100 * single.count(None) / len(single):.0f} % | {100 * np.mean(power):.0f} % |"
    )


def rows_by_outlier(plan: Plan, seeds: int) -> list[str]:
    """Plans from OUTLIER_PILOTS pilots of `seeds` initialisations, with and without an outlying one."""
    source = Tables(replace(plan.world, seeds=seeds), PILOT_GAIN, seed=4)
    asked: dict[bool, list[int | None]] = {True: [], False: []}
    for _ in range(OUTLIER_PILOTS):
        pilot = source.draw()
        outlying = outlier(pilot.accuracy[1:].mean(axis=1).tolist()) is not None
        asked[outlying].append(needed(components(pilot), plan))
    rows = []
    for outlying, each in asked.items():
        enough = [min(own, MOST_GROUPS) for own in each if own is not None]
        power = [
            float(helps(studies(plan, own, plan.gain, EACH, 5 + i)).mean()) for i, own in enumerate(enough)
        ]
        rows.append(
            f"| {seeds} | {plan.seeds} | {100 * plan.gain:g} | {'yes' if outlying else 'no'} | {len(each)} | "
            f"{100 * (1 - len(enough) / len(each)):.0f} % | {np.median(enough):g} | {100 * np.mean(power):.0f} % |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=600, help="of every design")
    options = parser.parse_args()
    print(
        "| world | initialisations | gain, points | groups needed | verdict helps | width promised | width found | "
        "equivalence promised | shown | groups, from single pilots | none enough | verdict helps |"
    )
    print("| --- " * 12 + "|")
    with threadpool_limits(1):
        for plan in PLANS:
            print(row(plan, options.studies), flush=True)
        print(
            "\n| initialisations of the pilot | of the study | gain, points | outlying one | pilots | none enough | "
            "groups, median | verdict helps |\n" + "| --- " * 8 + "|"
        )
        for seeds in (8, 20):
            print("\n".join(rows_by_outlier(PLANS[-1], seeds)), flush=True)


if __name__ == "__main__":
    main()
