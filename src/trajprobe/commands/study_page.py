"""A study on one page: its question, the result of each experiment, and what can be concluded from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.core.schema import Interval
from trajprobe.plot.templates import interval_strips, template


@dataclass(frozen=True)
class ExperimentRow:
    """The result of one experiment. items: number of held-out items. Accuracies and gains are fractions.

    scale: of both where numbers were predicted. sentence: the verdict in words. warning: its limitations, may be empty.
    """

    name: str
    items: int
    pretrained: float
    random: float
    gain: Interval
    detectable: float
    verdict: str
    sentence: str
    warning: str
    scale: Scale = ACCURACY


def render_study(
    name: str,
    question: str,
    rows: Sequence[ExperimentRow],
    missing: Sequence[str],
    readings: Mapping[str, str],
    remarks: str,
    rope: float,
) -> str:
    """The page as HTML. missing: experiments without a result. rope: a fraction, or 0 if it differs between them."""
    return template("study.html", Path(__file__).parent).render(
        name=name,
        question=question,
        rows=list(zip(rows, interval_strips([row.gain for row in rows], rope), strict=True)),
        missing=missing,
        readings=readings,
        found={row.name: row for row in rows},
        remarks=remarks,
        rope=rope,
        numeric=any(row.scale is not ACCURACY for row in rows),
    )
