"""A study on one page: its question, a row and an interval for each experiment, what can be concluded from each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trajprobe.report.strips import strips
from trajprobe.report.tables import Estimate
from trajprobe.report.templates import template


@dataclass(frozen=True)
class Row:
    """One experiment's result. items: that were held out. Accuracies, gain and detectable gain are fractions.

    sentence, warning: the verdict in words, and what to mind about it, or empty.
    """

    name: str
    items: int
    pretrained: float
    random: float
    gain: Estimate
    detectable: float
    verdict: str
    sentence: str
    warning: str


def render(
    name: str,
    question: str,
    rows: Sequence[Row],
    missing: Sequence[str],
    readings: Mapping[str, str],
    remarks: str,
    rope: float,
) -> str:
    """The page as HTML. missing: experiments without a result. rope: a fraction, 0 where experiments differ in it."""
    return template("study.html", Path(__file__).parent).render(
        name=name,
        question=question,
        rows=list(zip(rows, strips([row.gain for row in rows], rope), strict=True)),
        missing=missing,
        readings=readings,
        found={row.name: row for row in rows},
        remarks=remarks,
        rope=rope,
    )
