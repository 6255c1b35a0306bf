"""data/analyses/<encoder>.json as the figures and the page need it: what was asked beyond accuracy.

An analysis that was switched off is null in the file and None here; the page then says nothing of it.
"""

import json
from pathlib import Path

from pydantic import ConfigDict, Field, model_validator

from trajprobe.errors import UserError
from trajprobe.params.loading import validate
from trajprobe.params.types import Number, Section, Some


class Part(Section):
    """A part of the file. What a later version may add to it is left alone."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class Measured(Part):
    """A number with the ends of its interval."""

    value: Number
    low: Number
    high: Number


class Curve(Part):
    """A number for each budget of labels, with the ends of its intervals."""

    value: list[Number]
    low: list[Number]
    high: list[Number]


class Worth(Part):
    """The random arm needs `random_labels` a class to do what the pretrained one does with `labels`.

    None is more than the largest budget; a number equal to the smallest budget is that or fewer.
    """

    labels: Some
    random_labels: Number | None
    low: Number
    high: Number | None


class LabelEfficiency(Part):
    """Accuracy with few labelled groups per class: `labels` are the budgets, ascending."""

    labels: list[Some] = Field(min_length=1)
    draws: Some
    pretrained: Curve
    random: Curve
    gain: Curve
    worth: list[Worth]

    @model_validator(mode="after")
    def _is_whole(self) -> "LabelEfficiency":
        count = len(self.labels)
        curves = (self.pretrained, self.random, self.gain)
        lengths = {len(ends) for curve in curves for ends in (curve.value, curve.low, curve.high)}
        if lengths != {count} or [worth.labels for worth in self.worth] != self.labels:
            raise ValueError("curves and worth with one entry for each of its labels")
        return self


class DescriptionLength(Part):
    """Bits per label of the online code; uniform: of a code that knows nothing."""

    uniform: Number
    draws: Some
    pretrained: Number
    random: Number
    random_low_seed: Number
    random_high_seed: Number
    saving: Measured


class Selective(Part):
    """Accuracy on true labels, on shuffled ones, and their difference."""

    true: Number
    shuffled: Number
    selectivity: Number


class Selectivity(Part):
    pretrained: Selective
    random: Selective
    difference: Measured


class OtherProbe(Part):
    """Accuracy with another classifier than the linear probe."""

    probe: str
    pretrained: Number
    random: Number
    gain: Measured


class Analyses(Part):
    """All that one encoder's file tells, of its headline layer and pooling. confidence: of every interval."""

    encoder: str
    confidence: Number
    label_efficiency: LabelEfficiency | None
    description_length: DescriptionLength | None
    selectivity: Selectivity | None
    probes: list[OtherProbe]


def read_analyses(path: Path, encoder: str) -> Analyses:
    """Raises UserError where the file is missing, broken, or of another encoder."""
    mend = f"run `dvc repro analyse@{encoder}`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; {mend}") from None
    if not isinstance(content, dict) or content.get("encoder") != encoder:
        raise UserError(f"{path}: does not hold the analyses of {encoder}; {mend}")
    try:
        return validate(Analyses, content, str(path))
    except UserError as error:
        raise UserError(f"{error}; {mend}") from None
