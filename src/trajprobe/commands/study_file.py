"""The schema of studies/<name>.yaml: a question, and the experiments whose comparison answers it."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import Name, Section, load, nearest, validate
from trajprobe.params import Params, check_cards

Overrides = dict[str, Any]  # dotted key of params.yaml -> value


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
        check_cards(params_of(path, study, experiment), f"{path}: experiments.{experiment}", study.before)
    return study


def params_of(path: Path, study: Study, experiment: str) -> Params:
    """params.yaml with one experiment's overrides. path: of the study. Raises UserError as `load_study` does."""
    content = yaml.safe_load(paths.PARAMS.read_text(encoding="utf-8"))
    for key, value in study.overrides(experiment).items():
        *sections, last = key.split(".")
        target = content
        for part in sections:
            target = target.get(part, {}) if isinstance(target, dict) else {}
        if not isinstance(target, dict) or last not in target:
            known = list(target) if isinstance(target, dict) else []
            raise UserError(f"{path}: experiments.{experiment}: no key {key}; {nearest(last, known)}")
        target[last] = value
    return validate(Params, content, f"{path}: experiments.{experiment}")
