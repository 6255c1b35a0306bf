"""Other measures of whether pretraining helps, as rows of one table: other classifiers, code lengths, selectivity."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from trajprobe.artifacts.analyses import Analyses
from trajprobe.artifacts.comparisons import Comparison
from trajprobe.artifacts.formatting import bare, percent, points, signed
from trajprobe.core.schema import Interval

PROBES = {
    "knn": ("nearest neighbours", "accuracy of a vote among the nearest training items"),
    "mlp": ("small network", "accuracy of a network with one hidden layer"),
    "attentive": ("attentive probe", "accuracy of a probe that learns which positions to attend to"),
}
Side = Literal["ahead", "behind", "level", "unclear", "unbacked"]  # of the pretrained encoder
SIDES: dict[str, Side] = {
    "helps": "ahead",
    "hurts": "behind",
    "no_difference": "level",
    "inconclusive": "unclear",
}


@dataclass(frozen=True)
class OtherMeasure:
    """A row of the table in words. pretrained, random: the value and a remark that may be empty.

    side: the side of zero on which the whole interval of the gain lies, unclear if it contains zero. The linear probe
    takes its side from the verdict: level if that is no_difference, unbacked if it is inconclusive although the
    interval excludes zero.
    """

    name: str
    remark: str
    pretrained: tuple[str, str]
    random: tuple[str, str]
    gain: str
    interval: str
    side: Side


def other_measures(comparison: Comparison, analyses: Analyses) -> list[OtherMeasure]:
    """The row of the linear probe and one for each other measure; empty if there is no other measure."""
    others = []
    for probe in analyses.probes:
        name, remark = PROBES.get(probe.probe, (probe.probe, "accuracy"))
        own, random = (percent(probe.pretrained), ""), (percent(probe.random), "")
        others.append(_measure(name, remark, own, random, probe.gain))
    if length := analyses.description_length:
        low, high = length.random_low_seed, length.random_high_seed
        spread = f"{low:.2f} to {high:.2f} over seeds" if low < high else ""
        remark = f"code length per label given the features; {length.uniform:.2f} bits without them"
        own, random = (f"{length.pretrained:.2f} bits", ""), (f"{length.random:.2f} bits", spread)
        others.append(_measure("description length", remark, own, random, length.saving, signed))
    if selectivity := analyses.selectivity:
        own, random = (
            (f"{bare(arm.selectivity)} points", f"{percent(arm.true)} − {percent(arm.shuffled)}")
            for arm in (selectivity.pretrained, selectivity.random)
        )
        remark = "accuracy minus the accuracy on shuffled labels"
        others.append(_measure("selectivity", remark, own, random, selectivity.difference))
    if not others:
        return []
    own, random = (percent(comparison.pretrained.accuracy.value), ""), (percent(comparison.random_mean), "")
    remark = "accuracy, as above; only this interval includes the variance due to the training items"
    first = _measure("linear probe", remark, own, random, comparison.gain)
    side = SIDES[comparison.verdict]
    if side == "unclear" != first.side:
        side = "unbacked"
    return [replace(first, side=side), *others]


def agreement(rows: list[OtherMeasure]) -> str:
    """Whether the measures agree, in a sentence. rows: the linear probe's first.

    The verdict demands more of a gain than an interval that excludes zero: the arm ahead must beat noise, and the gain
    must remain significant after Holm's correction. So no other measure overrules an inconclusive verdict.
    """
    verdict, sides = rows[0].side, [row.side for row in rows]
    if verdict in ("unclear", "unbacked"):
        if set(sides) != {"unclear"}:
            return "The verdict is inconclusive, although an interval in this table excludes zero."
        return "No measure separates the two arms with this much data."
    clear = set(sides) - {"level", "unclear"}
    level = "The linear probe finds no difference that matters"
    if not clear:
        return f"{level}, and no other measure separates the two arms."
    if len(clear) == 2:
        return "Which encoder is ahead depends on the measure."
    (side,) = clear
    count, left = sides.count(side), len(rows) - sides.count(side)
    if not left:
        return f"By every measure, the pretrained encoder is {side}."
    some = f"{count} of {len(rows)} measures {'puts' if count == 1 else 'put'} the pretrained encoder {side}"
    if verdict == "level":
        return f"{level}, but {some}."
    return f"{some}; the {'other is' if left == 1 else 'others are'} inconclusive."


def _measure(
    name: str,
    remark: str,
    pretrained: tuple[str, str],
    random: tuple[str, str],
    gain: Interval,
    write: Callable[[float], str] = points,
) -> OtherMeasure:
    unit = " bits saved" if write is signed else ""
    interval = " to ".join(write(end).lstrip("+") for end in (gain.low, gain.high))
    side: Side = "ahead" if gain.low > 0 else "behind" if gain.high < 0 else "unclear"
    return OtherMeasure(name, remark, pretrained, random, write(gain.value) + unit, interval, side)
