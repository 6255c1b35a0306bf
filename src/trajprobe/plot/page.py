"""report/index.html: the whole result on one page that opens without a server, without a network, and prints.

Pictures are referred to by their names in the same folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trajprobe.artifacts.analyses import Analyses
from trajprobe.artifacts.comparisons import BEST_OF, Arms, ClassGain, LadderRow
from trajprobe.artifacts.formatting import counted, percent, scale_of
from trajprobe.artifacts.metrics import Summary
from trajprobe.plot import findings
from trajprobe.plot.clip_sheets import ClipStrip
from trajprobe.plot.encoder_facts import EncoderFacts
from trajprobe.plot.figures import ReportFigures
from trajprobe.plot.label_figure import BudgetRow, budget_rows, savings_sentence
from trajprobe.plot.other_measures import OtherMeasure, agreement, other_measures
from trajprobe.plot.outcomes import Outcomes
from trajprobe.plot.style import Picture
from trajprobe.plot.templates import IntervalStrip, interval_strips, template


@dataclass(frozen=True)
class SourceFacts:
    """Where the trajectories come from, according to the source's card."""

    name: str
    summary: str
    citation: str | None
    licence: str | None
    synthetic: bool


@dataclass(frozen=True)
class ClipFacts:
    """The clips that the encoders were given.

    look: how the paths were drawn, or the clips resized, in words. noise: they show noise. ready: they were not drawn.
    hidden: what they do not show of the paths.
    """

    frames: int
    height: int
    width: int
    noise: bool
    look: str
    ready: bool = False
    hidden: Sequence[str] = ()


@dataclass(frozen=True)
class ReportData:
    """Everything on the page.

    outcomes: of the headline encoder. class_gains, analyses: by encoder. items: number of trajectories; quarantined:
    number of items that were excluded besides. disagreements, examples: strips of clips. rope, confidence: fractions.
    """

    summary: Summary
    arms: Arms
    outcomes: Outcomes
    class_gains: Mapping[str, Sequence[ClassGain]]
    analyses: Mapping[str, Analyses]
    ladder: Sequence[LadderRow]
    source: SourceFacts
    items: int
    quarantined: int
    clip: ClipFacts
    encoders: Sequence[EncoderFacts]
    figures: ReportFigures
    disagreements: Sequence[ClipStrip]
    examples: Sequence[ClipStrip]
    rope: float
    confidence: float


@dataclass(frozen=True)
class EfficiencySection:
    """The label efficiency of one encoder: the finding, the figure and its numbers."""

    sentence: str
    picture: Picture
    rows: Sequence[BudgetRow]
    draws: int


@dataclass(frozen=True)
class MeasuresSection:
    """The other measures of one encoder: whether they agree, and their table."""

    agreement: str
    rows: Sequence[OtherMeasure]


def render_page(data: ReportData) -> str:
    """The page as HTML."""
    held = len(data.outcomes.item_ids)
    main, summary, classes = data.arms.headlines[0], data.summary, data.outcomes.classes
    scale = scale_of(len(classes))
    detectable = summary.minimum_detectable_gain
    noun = "clips" if data.arms.missing_control else "trajectories"
    return template("page.html").render(
        headline=findings.headline(main.verdict, data.rope, scale),
        scale=scale,
        errors="errors" if classes else "squared error",
        fewer="fewer" if classes else "less",
        range_of=lambda interval: scale.values_between(interval.low, interval.high),
        gain_range=lambda interval: scale.between(interval.low, interval.high),
        sentence=summary.sentence,
        ladder=data.ladder,
        lede=findings.lede(main, held, data.items, len(classes), data.source.name, noun, scale),
        main=main,
        strip=interval_strips([main.gain], data.rope)[0],
        detectable=detectable,
        chance=summary.chance,
        confidence=percent(data.confidence, 0),
        rope=scale.region(data.rope),
        remarks=findings.remarks(data.arms, data.clip.noise, scale),
        limits=findings.limits(
            main,
            data.rope,
            detectable,
            data.source.synthetic,
            data.encoders[0],
            data.clip.ready,
            data.clip.hidden,
            scale,
        ),
        comparisons=data.arms.headlines,
        controls=data.arms.controls,
        missing_control=data.arms.missing_control,
        known=findings.KNOWN,
        disorders=findings.DISORDERED,
        source=data.source,
        items=data.items,
        quarantined=data.quarantined,
        classes=classes,
        class_rows={
            encoder: class_rows(gains, data.rope, data.confidence)
            for encoder, gains in data.class_gains.items()
        },
        alpha=f"{1 - data.confidence:g}",
        alpha_percent=percent(1 - data.confidence, None),
        best_of=BEST_OF,
        several=len(data.arms.headlines) > 1,
        efficiency=_efficiency(data),
        measures=_measures(data),
        attributes={name: own.attributes for name, own in data.analyses.items() if own.attributes},
        attribute_words=findings.ATTRIBUTES,
        injections={name: own.injection for name, own in data.analyses.items() if own.injection},
        injection_sentence=findings.injection_sentence,
        clip=data.clip,
        encoders=data.encoders,
        inits={comparison.encoder: len(comparison.random) for comparison in data.arms.headlines},
        protocol=_protocol(data.outcomes, held, data.items),
        figures=data.figures,
        disagreements=data.disagreements,
        examples=data.examples,
        commands=_commands(data),
    )


def class_rows(
    gains: Sequence[ClassGain], rope: float, confidence: float
) -> list[tuple[ClassGain, IntervalStrip, str]]:
    """For each class its numbers, its interval on a scale that all classes share, and the CSS class of its colour."""
    strips = interval_strips([gain.gain for gain in gains], rope)
    return [(gain, strip, _tone(gain, 1 - confidence)) for gain, strip in zip(gains, strips, strict=True)]


def _tone(gain: ClassGain, alpha: float) -> str:
    if gain.p_value >= alpha:
        return "inconclusive"
    return "helps" if gain.gain.value > 0 else "hurts"


def _efficiency(data: ReportData) -> dict[str, EfficiencySection]:
    """For each encoder whose label efficiency was analysed."""
    sections = {}
    for encoder, picture in data.figures.efficiency.items():
        found = data.analyses[encoder].label_efficiency
        assert found is not None  # it has a figure
        sections[encoder] = EfficiencySection(
            savings_sentence(found), picture, budget_rows(found), found.draws
        )
    return sections


def _measures(data: ReportData) -> dict[str, MeasuresSection]:
    """For each encoder with any other measure."""
    rows = {
        comparison.encoder: other_measures(comparison, data.analyses[comparison.encoder])
        for comparison in data.arms.headlines
    }
    return {encoder: MeasuresSection(agreement(own), own) for encoder, own in rows.items() if own}


def _protocol(outcomes: Outcomes, held: int, items: int) -> str:
    if outcomes.folds == 1:
        return f"the published split of the data: {held:,} of {counted(items, 'item')} held out, groups kept together"
    stratum = "quantile" if outcomes.numbers else "class"
    repeats = f", repeated {outcomes.repeats} times" if outcomes.repeats > 1 else ""
    return (
        f"{outcomes.folds}-fold cross-validation, stratified by {stratum}{repeats}; groups are kept together, and all "
        "arms have the same folds"
    )


def _commands(data: ReportData) -> list[tuple[str, str]]:
    """Command lines, each with a comment."""
    names = ", ".join(facts.name for facts in data.encoders)
    return [
        ("dvc repro", "this study: runs what is out of date"),
        (
            f"dvc exp run -n pretrained -S weights=pretrained -S source={data.source.name} \\\n"
            f"  -S 'encoders=[{names}]'",
            "this study as an experiment, from any params.yaml",
        ),
        ("dvc exp run -n random -S weights=random", "headline the random arm; takes seconds"),
        ("dvc metrics diff random pretrained", "compare the two"),
        ("dvc exp run -n noise -S render.content=noise", "a control: no encoder can help on noise"),
        ("dvc exp show --only-changed", "all experiments side by side"),
    ]
