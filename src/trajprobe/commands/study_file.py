"""The schema of studies/<name>.yaml: a question, and the experiments whose comparison answers it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import Name, Section, load, nearest, validate
from trajprobe.params import Params, check_cards

Overrides = dict[str, Any]  # dotted key of params.yaml -> value
INITS, AUTO, CONFIDENCE = "extract.random_inits", "auto", "compare.confidence"
LOOKS = (3, 5, 8, 12, 20)  # random initialisations at which the verdict is looked at
# Of 1 - compare.confidence, at each of the looks. benchmarks/sequential.py: wrong verdicts then are below
# 1 - compare.confidence at all looks together, where looking each time with the full level has twice as many.
SHARE = 0.3


class Study(Section):
    """A question, what every experiment shares, and each experiment's own overrides of params.yaml.

    before: for an encoder that has to be made first, the command that makes it. readings: for an experiment, what can
    and what cannot be concluded from its row. remarks: what holds for all.
    """

    question: str
    before: dict[Name, str] = Field(default_factory=dict)
    shared: Overrides = Field(default_factory=dict)
    experiments: Annotated[dict[Name, Overrides], Field(min_length=1)]
    readings: dict[str, str] = Field(default_factory=dict)
    remarks: str = ""

    def overrides(self, experiment: str) -> Overrides:
        return {**self.shared, **self.experiments[experiment]}


@dataclass(frozen=True)
class Look:
    """One run of an experiment. overrides: of params.yaml; params: the file with them."""

    overrides: Overrides
    params: Params


def load_study(path: Path) -> Study:
    """Read a study and check every experiment's overrides against params.yaml's schema and the cards.

    Raises UserError in one line that names the file, the experiment and the key.
    """
    study = load(Study, path)
    for experiment in study.readings:
        if experiment not in study.experiments:
            raise UserError(
                f"{path}: readings: no experiment {experiment}; {nearest(experiment, list(study.experiments))}"
            )
    for experiment in study.experiments:
        for look in looks(path, study, experiment):
            check_cards(look.params, f"{path}: experiments.{experiment}", study.before)
    return study


def looks(path: Path, study: Study, experiment: str) -> list[Look]:
    """How an experiment is run: once; with `extract.random_inits: auto` once for each of LOOKS, until it is decided.

    A group-sequential design with the same level at all looks (Pocock, Biometrika 64, 1977, 191-199). Intervals have
    the confidence of one look, so that all that were looked at hold together (repeated confidence intervals; Jennison
    & Turnbull, J. R. Statist. Soc. B 51, 1989, 305-361). path: of the study. Raises UserError as `load_study` does.
    """
    overrides = study.overrides(experiment)
    if overrides.get(INITS) != AUTO:
        return [Look(overrides, _params(path, experiment, overrides))]
    once = _params(path, experiment, {**overrides, INITS: LOOKS[-1]}).compare.confidence
    confidence = round(1 - SHARE * (1 - once), 6)
    each = [{**overrides, INITS: count, CONFIDENCE: confidence} for count in LOOKS]
    return [Look(own, _params(path, experiment, own)) for own in each]


def _params(path: Path, experiment: str, overrides: Overrides) -> Params:
    """params.yaml with an experiment's overrides."""
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    for key, value in overrides.items():
        *sections, last = key.split(".")
        target = content
        for part in sections:
            target = target.get(part, {}) if isinstance(target, dict) else {}
        if not isinstance(target, dict) or last not in target:
            known = list(target) if isinstance(target, dict) else []
            raise UserError(f"{path}: experiments.{experiment}: no key {key}; {nearest(last, known)}")
        target[last] = value
    return validate(Params, content, f"{path}: experiments.{experiment}")
