"""data/analyses/<encoder>.json: what the headline representation of an encoder gives besides accuracy.

The stage builds these objects and the figures read them. An analysis that was switched off is null in the file and
None here; the page then does not mention it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from trajprobe.core.errors import UserError
from trajprobe.core.files import write_json
from trajprobe.core.schema import Interval, NonNegativeInt, Number, PositiveInt, Section, validate

DIGEST = "sha256"  # key of the digest of all other keys
DIGITS = 6  # after the point: rounding in the last bit of a sum changes no byte of the file


class LabelsSaved(Section):
    """The random arm needs `random_labels` a class to be as accurate as the pretrained one with `labels`.

    None is more than the largest budget; a number equal to the smallest budget is that or fewer. low is never None:
    beyond the largest budget it is that budget, which is then the least that the random arm needs.
    """

    labels: PositiveInt
    random_labels: Number | None
    low: Number
    high: Number | None


class LabelEfficiency(Section):
    """Accuracy with few labelled groups per class. labels: the budgets, ascending; each curve has a point for each."""

    labels: list[PositiveInt] = Field(min_length=1)
    draws: PositiveInt
    pretrained: list[Interval]
    random: list[Interval]
    gain: list[Interval]
    labels_saved: list[LabelsSaved]

    @model_validator(mode="after")
    def _has_a_point_for_each_budget(self) -> "LabelEfficiency":
        lengths = {len(curve) for curve in (self.pretrained, self.random, self.gain)}
        if lengths != {len(self.labels)} or [saved.labels for saved in self.labels_saved] != self.labels:
            raise ValueError("curves and labels_saved with one entry for each of its labels")
        return self


class DescriptionLength(Section):
    """Bits per label of the online code, averaged over `draws` orders. uniform: of a code that uses no features."""

    uniform: Number
    draws: PositiveInt
    pretrained: Number
    random: Number
    random_low_seed: Number
    random_high_seed: Number
    saving: Interval


class ArmSelectivity(Section):
    """Accuracy of an arm on true labels, on shuffled ones, and the difference."""

    true: Number
    shuffled: Number
    selectivity: Number


class Selectivity(Section):
    """The selectivity of both arms, and the difference between them."""

    pretrained: ArmSelectivity
    random: ArmSelectivity
    difference: Interval


class OtherProbe(Section):
    """Accuracy of both arms with another classifier than the linear probe."""

    probe: str
    pretrained: Number
    random: Number
    gain: Interval


class AttributeGain(Section):
    """How well an attribute of the paths is read from the features: R^2 of both arms, and the difference between them.

    single_frame: R^2 of the pixels of the middle frame, without an encoder.
    """

    attribute: str
    pretrained: Interval
    random: Interval
    gain: Interval
    single_frame: Interval


class PlantedGain(Section):
    """An initialisation with a planted signal against the others as they are: what `compare` would say of its gain.

    planted: what the signal adds to its own accuracy. gain: with its confidence interval; prediction: the same gain
    with the prediction interval over one other initialisation.
    """

    planted: Number
    gain: Interval
    prediction: Interval


class Injection(Section):
    """A signal planted into each initialisation in turn. size: what it adds to their accuracies on average."""

    size: Number
    plantings: list[PlantedGain] = Field(min_length=1)

    @property
    def found(self) -> int:
        """In how many plantings both intervals lie above zero, as the verdict `helps` requires."""
        return sum(min(each.gain.low, each.prediction.low) > 0 for each in self.plantings)

    @property
    def covered(self) -> int:
        """In how many plantings the prediction interval contains the size."""
        return sum(each.prediction.low <= self.size <= each.prediction.high for each in self.plantings)


class Analyses(Section):
    """All analyses of one encoder, at its headline layer and pooling.

    n_classes: 0 if labels are numbers to predict. chance: accuracy of naming the most frequent class always. seeds:
    random arms. confidence: of every interval.
    """

    encoder: str
    n_classes: NonNegativeInt
    chance: Number
    seeds: PositiveInt
    confidence: Number
    label_efficiency: LabelEfficiency | None
    description_length: DescriptionLength | None
    selectivity: Selectivity | None
    probes: list[OtherProbe]
    attributes: list[AttributeGain] | None
    injection: Injection | None


def write_analyses(path: Path, analyses: Analyses) -> None:
    """Write JSON in which every number has at most DIGITS digits after the point."""
    content = _rounded(analyses.model_dump())
    write_json(path, {**content, DIGEST: _digest(content)})


def read_analyses(path: Path, encoder: str) -> Analyses:
    """Read what `write_analyses` wrote. Raises UserError if the file is missing, broken, or of another encoder."""
    remedy = f"run `dvc repro analyse@{encoder}`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.pop(DIGEST, None) != _digest(content):
            raise ValueError("its content is not what was written")
    except (OSError, ValueError, RecursionError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise UserError(f"{path}: {reason}; {remedy}") from None
    if content.get("encoder") != encoder:
        raise UserError(f"{path}: does not hold the analyses of {encoder}; {remedy}")
    try:
        return validate(Analyses, content, str(path))
    except UserError as error:
        raise UserError(f"{error}; {remedy}") from None


def _digest(content: Any) -> str:
    """SHA-256 of the content, however it is spaced."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return round(value, DIGITS) if isinstance(value, float) else value
