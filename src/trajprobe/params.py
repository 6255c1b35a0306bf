"""All of params.yaml: the sections of every stage, checked together before anything runs.

The command line loads this and hands each stage its own section, so that a mistake in the last stage's section is
found before the first stage has run, and no stage depends on another one's schema.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from trajprobe.analyse.params import LEAST_INITS, AnalyseParams
from trajprobe.baseline.params import BaselineName, BaselineParams
from trajprobe.compare.params import CompareParams
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import Name, Section, is_unique, load, nearest
from trajprobe.extract.params import ExtractParams
from trajprobe.plot.params import PlotParams
from trajprobe.probe.params import ProbeParams
from trajprobe.render.params import RenderParams
from trajprobe.trajectories.params import SynthesisParams, TrajectoriesParams


class Params(Section):
    """All of params.yaml."""

    source: Name
    encoders: Annotated[list[Name], Field(min_length=1), AfterValidator(is_unique)]
    baselines: Annotated[list[BaselineName], AfterValidator(is_unique)]
    weights: Literal["pretrained", "random"]
    synthesis: SynthesisParams
    trajectories: TrajectoriesParams
    render: RenderParams
    extract: ExtractParams
    probe: ProbeParams
    analyse: AnalyseParams
    baseline: BaselineParams
    compare: CompareParams
    plot: PlotParams

    @model_validator(mode="after")
    def _has_initialisations_to_plant_into(self) -> "Params":
        if self.analyse.injection and self.extract.random_inits < LEAST_INITS:
            raise ValueError(
                f"at least {LEAST_INITS} for extract.random_inits where analyse.injection is true, not "
                f"{self.extract.random_inits}"
            )
        return self


def load_params(path: Path = paths.PARAMS) -> Params:
    """Read and check params.yaml, and that the source and every encoder it names have their cards.

    Raises UserError in one line (see `schema.load`); an unknown name comes with the nearest known ones.
    """
    params = load(Params, path)
    check_cards(params, str(path))
    return params


def check_cards(params: Params, where: str, made: Iterable[str] = ()) -> None:
    """Raises UserError, which `where` opens, if the source or an encoder that `params` name has no card.

    made: encoders that may be made later.
    """
    encoders = sorted({*made, *(card.parent.name for card in Path().glob("models/*/card.yaml"))})
    sources = sorted(card.parent.name for card in Path().glob("data/sources/*/card.yaml"))
    for key, names, known in (("encoders", params.encoders, encoders), ("source", [params.source], sources)):
        for name in names:
            if name not in known:
                raise UserError(f"{where}: {key}: no card for {name!r}; {nearest(name, known)}")
    for name in params.encoders:
        if name in (paths.CONTROLS, *get_args(BaselineName)):  # its predictions would have the same file
            raise UserError(
                f"{where}: encoders: {name} is the name of an alternative; rename the folder models/{name}"
            )
