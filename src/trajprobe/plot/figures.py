"""All figures of the report as files, named after what they show and the encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from trajprobe.artifacts.analyses import Analyses
from trajprobe.artifacts.comparisons import Arms, Bins, LadderRow
from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.plot.arms_figure import draw_arms
from trajprobe.plot.confusion_figure import draw_confusion
from trajprobe.plot.label_figure import draw_efficiency
from trajprobe.plot.ladder_figure import draw_ladder
from trajprobe.plot.layers_figure import draw_layers
from trajprobe.plot.outcomes import Outcomes
from trajprobe.plot.reliability_figure import draw_reliability
from trajprobe.plot.scatter_figure import draw_scatter
from trajprobe.plot.style import Picture, save


@dataclass(frozen=True)
class ReportFigures:
    """The pictures in the folder of the page, by encoder if each encoder has its own, headline first.

    confusions, reliability: where classes are predicted; scatters: where numbers are. layers: encoders with more than
    one layer or pooling. efficiency: encoders whose label efficiency was analysed.
    """

    arms: Picture
    ladder: Picture
    confusions: Mapping[str, Picture]
    reliability: Mapping[str, Picture]
    scatters: Mapping[str, Picture]
    layers: Mapping[str, Picture]
    efficiency: Mapping[str, Picture]


def write_figures(
    folder: Path,
    arms: Arms,
    outcomes: Mapping[str, Outcomes],
    bins: Mapping[str, Bins],
    analyses: Mapping[str, Analyses],
    ladder: Sequence[LadderRow],
    chance: float,
    rope: float,
    scale: Scale = ACCURACY,
) -> ReportFigures:
    """Draw all figures into `folder`. outcomes, bins, analyses: by encoder. chance, rope: fractions.

    scale: of the score; bins are of classes alone.
    """
    overview = save(partial(draw_arms, arms, chance, rope, scale=scale), folder / "arms.png")
    climb = save(partial(draw_ladder, ladder, chance, scale=scale), folder / "ladder.png")
    confusions: dict[str, Picture] = {}
    reliability: dict[str, Picture] = {}
    scatters: dict[str, Picture] = {}
    layers: dict[str, Picture] = {}
    efficiency: dict[str, Picture] = {}
    for name, comparisons in arms.encoders.items():
        own, few = outcomes[name], analyses[name].label_efficiency
        if own.numbers:
            scatters[name] = save(partial(draw_scatter, own.numbers), folder / f"scatter-{name}.png")
        else:
            matrices = (own.pretrained.confusion, own.random.confusion)
            confusion = partial(draw_confusion, *matrices, own.classes, own.inits)
            confusions[name] = save(confusion, folder / f"confusion-{name}.png")
            diagram = partial(draw_reliability, bins[name], comparisons[0])
            reliability[name] = save(diagram, folder / f"reliability-{name}.png")
        if len(comparisons) > 1:
            curve = partial(draw_layers, comparisons, chance, scale=scale)
            layers[name] = save(curve, folder / f"layers-{name}.png")
        if few:
            efficiency[name] = save(
                partial(draw_efficiency, few, chance, rope), folder / f"labels-{name}.png"
            )
    return ReportFigures(overview, climb, confusions, reliability, scatters, layers, efficiency)
