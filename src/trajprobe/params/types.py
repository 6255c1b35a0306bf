"""Building blocks of the schema: strict scalars, and the base class of every section."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NAME = "^[a-z0-9_]+$"
COLOUR = "^#[0-9a-fA-F]{6}$"
SHA256 = "^[0-9a-f]{64}$"


def _as_float(value: Any) -> Any:
    # YAML 1.1 as PyYAML reads it takes `1e-05` (which is how DVC writes a small float) for a string.
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value.strip()):
        return float(value)
    return value


def _is_ordered(pair: list[float]) -> list[float]:
    if pair[0] > pair[1]:
        raise ValueError("a low end that does not exceed the high end")
    return pair


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def is_unique(values: list[str]) -> list[str]:
    """Refuse a list that names something twice."""
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"each once, not {', '.join(repeated)} twice")
    return values


Number = Annotated[float, BeforeValidator(_as_float), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
Some = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
IntRange = Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
Name = Annotated[str, Field(pattern=NAME)]
Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(is_unique)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
YAxis = Literal["up", "down"]  # where y points, on the picture of a 2-D path
Colour = Annotated[str, Field(pattern=COLOUR)]


class Section(BaseModel):
    """A section of params.yaml or of a card: every key required unless it has a default, no other key allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
