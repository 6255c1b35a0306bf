"""Other ways to ask whether pretraining helps, as rows of one table: other classifiers, code lengths, selectivity."""

from collections.abc import Callable
from dataclasses import dataclass

from trajprobe.report.analyses import Analyses, Measured
from trajprobe.report.tables import Comparison, Estimate
from trajprobe.report.words import bare, percent, points

PROBES = {
    "knn": ("nearest neighbours", "accuracy, where the nearest training items vote"),
    "mlp": ("small network", "accuracy, with a hidden layer before the classifier"),
    "attentive": ("attentive probe", "accuracy, where the probe learns which places matter"),
}


@dataclass(frozen=True)
class Way:
    """A row in words. pretrained, random: what is measured of them, and a remark, perhaps empty.

    side: of zero on which the gain's whole interval lies, 1 above and -1 below; 0 where it holds zero.
    """

    name: str
    remark: str
    pretrained: tuple[str, str]
    random: tuple[str, str]
    gain: str
    interval: str
    side: int


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
    own, random = (percent(comparison.pretrained.accuracy.value), ""), (percent(comparison.random_mean), "")
    first = _way("linear probe", "accuracy, the answer above", own, random, comparison.gain)
    return [first, *others] if others else []


def agreement(rows: list[Way]) -> str:
    """Whether the ways agree, in a sentence."""
    sides = {row.side for row in rows}
    if len(sides) == 1:
        return {
            1: "However it is asked, the pretrained encoder comes out ahead.",
            -1: "However it is asked, the pretrained encoder comes out behind.",
            0: "However it is asked, this much data cannot tell the two apart.",
        }[sides.pop()]
    if {1, -1} <= sides:
        return "Which encoder comes out ahead depends on how it is asked."
    place = "ahead" if 1 in sides else "behind"
    clear = sum(row.side != 0 for row in rows)
    return (
        f"{clear} of these {len(rows)} ways {'puts' if clear == 1 else 'put'} the pretrained encoder {place}; "
        f"the {'other' if len(rows) - clear == 1 else 'others'} cannot tell."
    )


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
    side = int(gain.low > 0) - int(gain.high < 0)
    return Way(name, remark, pretrained, random, write(gain.value) + unit, interval, side)
