"""Other ways to ask whether pretraining helps, as rows of one table: other classifiers, code lengths, selectivity."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from trajprobe.report.analyses import Analyses, Measured
from trajprobe.report.tables import Comparison, Estimate
from trajprobe.report.words import bare, percent, points

PROBES = {
    "knn": ("nearest neighbours", "accuracy, where the nearest training items vote"),
    "mlp": ("small network", "accuracy, with a hidden layer before the classifier"),
    "attentive": ("attentive probe", "accuracy, where the probe learns which places matter"),
}
Outcome = Literal["ahead", "behind", "level", "unclear", "unbacked"]  # of the pretrained encoder
VERDICTS: dict[str, Outcome] = {
    "helps": "ahead",
    "hurts": "behind",
    "no_difference": "level",
    "inconclusive": "unclear",
}


@dataclass(frozen=True)
class Way:
    """A row in words. pretrained, random: what is measured of them, and a remark, perhaps empty.

    outcome: the side of zero on which the gain's whole interval lies, and unclear where it holds zero. Of the linear
    probe it is the verdict's: level where it finds no difference, unbacked where it is inconclusive all the same.
    """

    name: str
    remark: str
    pretrained: tuple[str, str]
    random: tuple[str, str]
    gain: str
    interval: str
    outcome: Outcome


def ways(comparison: Comparison, analyses: Analyses) -> list[Way]:
    """The linear probe's row, and one for each other way; empty where no other was asked."""
    others = []
    for probe in analyses.probes:
        name, remark = PROBES.get(probe.probe, (probe.probe, "accuracy"))
        others.append(
            _way(name, remark, (percent(probe.pretrained), ""), (percent(probe.random), ""), probe.gain)
        )
    if length := analyses.description_length:
        low, high = length.random_low_seed, length.random_high_seed
        spread = f"seeds {low:.2f} to {high:.2f}" if low < high else ""
        remark = f"to tell a label to somebody who has the features; {length.uniform:.2f} bits without"
        own, random = (f"{length.pretrained:.2f} bits", ""), (f"{length.random:.2f} bits", spread)
        others.append(_way("description length", remark, own, random, length.saving, bits_saved))
    if selectivity := analyses.selectivity:
        own, random = (
            (f"{bare(arm.selectivity)} points", f"{percent(arm.true)} less {percent(arm.shuffled)}")
            for arm in (selectivity.pretrained, selectivity.random)
        )
        remark = "accuracy beyond that on shuffled labels"
        others.append(_way("selectivity", remark, own, random, selectivity.difference))
    if not others:
        return []
    own, random = (percent(comparison.pretrained.accuracy.value), ""), (percent(comparison.random_mean), "")
    remark = "accuracy, the answer above; intervals below leave out what other training items would change"
    first = _way("linear probe", remark, own, random, comparison.gain)
    outcome = VERDICTS[comparison.verdict]
    if outcome == "unclear" != first.outcome:
        outcome = "unbacked"
    return [replace(first, outcome=outcome), *others]


def agreement(rows: list[Way]) -> str:
    """Whether the ways agree, in a sentence; the linear probe's row is the first.

    The verdict asks more of a gain than an interval beside zero: that it beats noise, and survives Holm's correction.
    So where the verdict is inconclusive, no other way is said to decide.
    """
    verdict, outcomes = rows[0].outcome, [row.outcome for row in rows]
    if verdict in ("unclear", "unbacked"):
        if set(outcomes) != {"unclear"}:
            return "The verdict is inconclusive, whichever side of zero an interval in this table lies on."
        return "However it is asked, this much data cannot tell the two apart."
    sides = set(outcomes) - {"level", "unclear"}
    level = "The linear probe finds no difference that matters"
    if not sides:
        return f"{level}, and no other way tells the two apart."
    if len(sides) == 2:
        return "Which encoder comes out ahead depends on how it is asked."
    (side,) = sides
    clear, left = outcomes.count(side), len(rows) - outcomes.count(side)
    if not left:
        return f"However it is asked, the pretrained encoder comes out {side}."
    some = (
        f"{clear} of these {len(rows)} ways {'puts' if clear == 1 else 'put'} the pretrained encoder {side}"
    )
    if verdict == "level":
        return f"{level}, while {some}."
    return f"{some}; the {'other' if left == 1 else 'others'} cannot tell."


def bits_saved(value: float) -> str:
    """0.612 as "+0.61", -0.004 as "0.00"."""
    text = f"{value:+.2f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def _way(
    name: str,
    remark: str,
    pretrained: tuple[str, str],
    random: tuple[str, str],
    gain: Estimate | Measured,
    write: Callable[[float], str] = points,
) -> Way:
    unit = " bits saved" if write is bits_saved else ""
    interval = " to ".join(write(end).lstrip("+") for end in (gain.low, gain.high))
    outcome: Outcome = "ahead" if gain.low > 0 else "behind" if gain.high < 0 else "unclear"
    return Way(name, remark, pretrained, random, write(gain.value) + unit, interval, outcome)
