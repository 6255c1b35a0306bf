"""report/index.html: the whole answer on one page that opens by double click, without a network and on paper.

The template `page.html` lies beside this module. It escapes whatever it is given, so a class may be called anything;
pictures are referred to by their names in the same folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from trajprobe.report import notes
from trajprobe.report.clips import ClipStrip
from trajprobe.report.outcomes import Outcomes
from trajprobe.report.provenance import EncoderFacts
from trajprobe.report.style import DARK, LIGHT, Picture
from trajprobe.report.tables import Arms, Estimate
from trajprobe.report.words import bare, counted, p_value, percent, points

NARROWEST = 0.1  # a difference that a whole bar stands for, at least, so that small ones look small


@dataclass(frozen=True)
class Source:
    """Where the trajectories come from, as its card says."""

    name: str
    summary: str
    citation: str | None
    licence: str | None
    synthetic: bool


@dataclass(frozen=True)
class ClipFacts:
    """What the encoder was shown; `look` is how the paths were drawn, in words."""

    frames: int
    height: int
    width: int
    noise: bool
    look: str


@dataclass(frozen=True)
class Figures:
    """Pictures in the folder of the page; confusions and layers by encoder, headline first, perhaps empty."""

    arms: Picture
    confusions: Mapping[str, Picture]
    layers: Mapping[str, Picture]


@dataclass(frozen=True)
class Study:
    """All that the page tells.

    summary: metrics/summary.json. aside: items in the quarantine, beside `items`. rope, confidence: fractions.
    """

    summary: Mapping[str, Any]
    arms: Arms
    outcomes: Outcomes
    source: Source
    items: int
    aside: int
    clip: ClipFacts
    encoders: Sequence[EncoderFacts]
    figures: Figures
    telling: Sequence[ClipStrip]
    strips: Sequence[ClipStrip]
    rope: float
    confidence: float


@dataclass(frozen=True)
class ClassRow:
    """One class in the headline's pretrained and random arm; the bar of their difference in percent of its cell."""

    label: str
    items: int
    pretrained: float
    random: float
    zero: float
    left: float
    width: float

    @property
    def gain(self) -> float:
        return self.pretrained - self.random

    @property
    def side(self) -> str:
        return "up" if self.gain >= 0 else "down"


@dataclass(frozen=True)
class Strip:
    """The gain's interval against zero and the band of equivalence: positions in percent of its width."""

    zero: float
    rope_low: float
    rope_width: float
    low: float
    width: float
    value: float


def render(study: Study) -> str:
    """The page as HTML."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(percent=percent, points=points, bare=bare, p_value=p_value, counted=counted)
    held = len(study.outcomes.item_ids)
    main, summary = study.arms.headlines[0], study.summary
    detectable, synthetic = summary["minimum_detectable_gain"], study.source.synthetic
    return templates.get_template("page.html").render(
        light=_colours(asdict(LIGHT)),
        dark=_colours(asdict(DARK)),
        headline=notes.headline(main.verdict, study.rope),
        sentence=summary["sentence"],
        lede=notes.lede(main, held, study.items, len(study.outcomes.classes), study.source.name),
        main=main,
        strip=gain_strip(main.gain, study.rope),
        detectable=detectable,
        chance=summary["chance"],
        confidence=percent(study.confidence, 0),
        rope=f"{100 * study.rope:g}",
        remarks=notes.remarks(study.arms, summary["warning"], study.clip.noise),
        limits=notes.limits(main, study.rope, detectable, synthetic, study.encoders[0].trained),
        comparisons=study.arms.headlines,
        controls=study.arms.controls,
        known=notes.KNOWN,
        source=study.source,
        items=study.items,
        aside=study.aside,
        classes=study.outcomes.classes,
        class_rows=class_rows(study.outcomes),
        clip=study.clip,
        encoders=study.encoders,
        inits={comparison.encoder: len(comparison.random) for comparison in study.arms.headlines},
        protocol=_protocol(study.outcomes, held, study.items),
        figures=study.figures,
        telling=study.telling,
        strips=study.strips,
        commands=_commands(study),
    )


def class_rows(outcomes: Outcomes) -> list[ClassRow]:
    """A row for each class that has held-out items, in the order of the classes."""
    items = outcomes.pretrained.sum(axis=1)
    own, random = _recall(outcomes.pretrained), _recall(outcomes.random)
    low, high = min(0.0, *(own - random)), max(0.0, *(own - random))
    span = max(high - low, NARROWEST)

    def at(value: float) -> float:
        return round(float(100 * (value - low) / span), 2)

    rows = []
    for label, count, with_it, without in zip(outcomes.classes, items, own, random, strict=True):
        ends = sorted((at(0.0), at(with_it - without)))
        if count:
            numbers = (float(with_it), float(without), at(0.0), ends[0], round(ends[1] - ends[0], 2))
            rows.append(ClassRow(label, round(float(count)), *numbers))
    return rows


def gain_strip(gain: Estimate, rope: float) -> Strip:
    """Where everything stands so that the interval and the band are both in view."""
    left, right = min(gain.low, -2 * rope), max(gain.high, 2 * rope)
    margin = 0.06 * (right - left)

    def at(value: float) -> float:
        return round(100 * (value - left + margin) / (right - left + 2 * margin), 2)

    return Strip(
        zero=at(0),
        rope_low=at(-rope),
        rope_width=round(at(rope) - at(-rope), 2),
        low=at(gain.low),
        width=round(at(gain.high) - at(gain.low), 2),
        value=at(gain.value),
    )


def _recall(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.diag(counts) / np.maximum(counts.sum(axis=1), 1e-12)


def _protocol(outcomes: Outcomes, held: int, items: int) -> str:
    if outcomes.folds == 1:
        return (
            f"the data's published split: {counted(held, 'item')} held out of {items:,}, groups kept together"
        )
    repeats = f", repeated {outcomes.repeats} times" if outcomes.repeats > 1 else ""
    return (
        f"{outcomes.folds} folds stratified by class{repeats}, groups kept together, the same for every arm"
    )


def _commands(study: Study) -> list[tuple[str, str]]:
    names = ", ".join(facts.name for facts in study.encoders)
    return [
        (
            f"dvc exp run -S source={study.source.name} -S 'encoders=[{names}]'",
            "the same question, from any state",
        ),
        ("dvc exp run -n random -S weights=random", "headline the random arm, in seconds"),
        ("dvc metrics diff random pretrained", "and compare"),
        ("dvc exp run -n noise -S render.content=noise", "the control on which no encoder can help"),
        ("dvc exp show --only-changed", "all experiments side by side"),
    ]


def _colours(theme: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in theme.items() if name != "name"}
