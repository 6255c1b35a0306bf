"""What the pretraining is worth in labels, in words and as the rows of a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trajprobe.report.analyses import Curve, LabelEfficiency, Worth
from trajprobe.report.tables import Estimate
from trajprobe.report.words import counted

TYPICAL = 5  # labels a class, for which the worth is told, or the budget nearest to it


@dataclass(frozen=True)
class Budget:
    """One budget of labels a class: accuracies, their gain, and the labels that the random arm needs, in words.

    between: the interval of `needed`; empty where it lies beyond the largest budget.
    """

    labels: int
    pretrained: Estimate
    random: Estimate
    gain: Estimate
    needed: str
    between: str


def typical(found: LabelEfficiency) -> Worth:
    """The worth at the budget nearest to TYPICAL by its ratio to it, the smaller of two: no result chooses it."""
    return min(found.worth, key=lambda worth: (abs(math.log(worth.labels / TYPICAL)), worth.labels))


def needed(value: float | None, budgets: Sequence[int]) -> str:
    """A number of labels between the ends of the `budgets`, or what is known of one beyond them."""
    if value is None:
        return f"more than {budgets[-1]:,}"
    if value <= budgets[0]:
        return f"at most {budgets[0]:,}"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def sentence(found: LabelEfficiency) -> str:
    """What the pretraining is worth at a typical budget."""
    worth = typical(found)
    between = _between(worth, found.labels)
    return (
        f"With {counted(worth.labels, 'label')} a class the pretrained encoder does what the random one needs "
        f"{needed(worth.random_labels, found.labels)} for{f' ({between})' if between else ''}."
    )


def budgets(found: LabelEfficiency) -> list[Budget]:
    """A row for each budget, ascending."""
    return [
        Budget(
            worth.labels,
            _at(found.pretrained, place),
            _at(found.random, place),
            _at(found.gain, place),
            needed(worth.random_labels, found.labels),
            _between(worth, found.labels),
        )
        for place, worth in enumerate(found.worth)
    ]


def _between(worth: Worth, limits: Sequence[int]) -> str:
    if worth.random_labels is None and worth.low >= limits[-1]:
        return ""
    return " to ".join(dict.fromkeys(needed(end, limits) for end in (worth.low, worth.high)))


def _at(curve: Curve, place: int) -> Estimate:
    return Estimate(curve.value[place], curve.low[place], curve.high[place])
