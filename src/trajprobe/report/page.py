"""report/index.html: the whole answer on one page that opens by double click, without a network and on paper.

Pictures are referred to by their names in the same folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trajprobe.report import few_labels, notes
from trajprobe.report.analyses import Analyses
from trajprobe.report.classes import ClassGain
from trajprobe.report.clips import ClipStrip
from trajprobe.report.outcomes import Outcomes
from trajprobe.report.provenance import EncoderFacts
from trajprobe.report.strips import Strip, strips
from trajprobe.report.style import Picture
from trajprobe.report.tables import Arms
from trajprobe.report.templates import template
from trajprobe.report.ways import Way, agreement, ways
from trajprobe.report.words import counted, percent


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
    """Pictures in the folder of the page, by encoder where there is one for each, headline first.

    layers and efficiency only where there is something to draw.
    """

    arms: Picture
    confusions: Mapping[str, Picture]
    reliability: Mapping[str, Picture]
    layers: Mapping[str, Picture]
    efficiency: Mapping[str, Picture]


@dataclass(frozen=True)
class Study:
    """All that the page tells.

    summary: metrics/summary.json. class_gains, analyses: by encoder. aside: items in the quarantine, beside `items`.
    rope, confidence: fractions.
    """

    summary: Mapping[str, Any]
    arms: Arms
    outcomes: Outcomes
    class_gains: Mapping[str, Sequence[ClassGain]]
    analyses: Mapping[str, Analyses]
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
class FewLabels:
    """One encoder with fewer labels: the finding, the figure, and its numbers."""

    sentence: str
    picture: Picture
    rows: Sequence[few_labels.Budget]
    draws: int


@dataclass(frozen=True)
class OtherWays:
    """One encoder asked in other ways."""

    agreement: str
    rows: Sequence[Way]


def render(study: Study) -> str:
    """The page as HTML."""
    held = len(study.outcomes.item_ids)
    main, summary = study.arms.headlines[0], study.summary
    detectable, synthetic = summary["minimum_detectable_gain"], study.source.synthetic
    return template("page.html").render(
        headline=notes.headline(main.verdict, study.rope),
        sentence=summary["sentence"],
        lede=notes.lede(main, held, study.items, len(study.outcomes.classes), study.source.name),
        main=main,
        strip=strips([main.gain], study.rope)[0],
        detectable=detectable,
        chance=summary["chance"],
        confidence=percent(study.confidence, 0),
        rope=f"{100 * study.rope:g}",
        remarks=notes.remarks(study.arms, study.clip.noise),
        limits=notes.limits(main, study.rope, detectable, synthetic, study.encoders[0]),
        comparisons=study.arms.headlines,
        controls=study.arms.controls,
        known=notes.KNOWN,
        disorders=notes.DISORDERED,
        source=study.source,
        items=study.items,
        aside=study.aside,
        classes=study.outcomes.classes,
        class_rows={
            encoder: class_rows(gains, study.rope, study.confidence)
            for encoder, gains in study.class_gains.items()
        },
        alpha=f"{1 - study.confidence:g}",
        efficiency=_efficiency(study),
        other_ways=_other_ways(study),
        clip=study.clip,
        encoders=study.encoders,
        inits={comparison.encoder: len(comparison.random) for comparison in study.arms.headlines},
        protocol=_protocol(study.outcomes, held, study.items),
        figures=study.figures,
        telling=study.telling,
        strips=study.strips,
        commands=_commands(study),
    )


def class_rows(
    gains: Sequence[ClassGain], rope: float, confidence: float
) -> list[tuple[ClassGain, Strip, str]]:
    """A row for each class: its numbers, its interval on the classes' common scale, and how its gain is coloured."""
    return [
        (gain, strip, _tone(gain, 1 - confidence))
        for gain, strip in zip(gains, strips([gain.gain for gain in gains], rope), strict=True)
    ]


def _tone(gain: ClassGain, alpha: float) -> str:
    if gain.p_value >= alpha:
        return "inconclusive"
    return "helps" if gain.gain.value > 0 else "hurts"


def _efficiency(study: Study) -> dict[str, FewLabels]:
    """Of each encoder that has a figure of it."""
    shown = {}
    for encoder, picture in study.figures.efficiency.items():
        found = study.analyses[encoder].label_efficiency
        assert found is not None
        shown[encoder] = FewLabels(
            few_labels.sentence(found), picture, few_labels.budgets(found), found.draws
        )
    return shown


def _other_ways(study: Study) -> dict[str, OtherWays]:
    """Of each encoder that was asked in any other way."""
    rows = {
        comparison.encoder: ways(comparison, study.analyses[comparison.encoder])
        for comparison in study.arms.headlines
    }
    return {encoder: OtherWays(agreement(own), own) for encoder, own in rows.items() if own}


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
