"""The typed schema of YAML files: strict scalar types, the base class of a section, and the loader.

A mistake in a file becomes one line that names the file, the key, what was required and what was found.
"""

import difflib
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Tag, ValidationError

from trajprobe.core.errors import UserError

NAME = "^[a-z0-9_]+$"
COLOUR = "^#[0-9a-fA-F]{6}$"
SHA256 = "^[0-9a-f]{64}$"
ADDRESS = r"^https?://[^/@\s]+(/\S*)?$"  # without a name and password: cards are shared
PACKAGE = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"  # PEP 508; pip cannot take it for an option
TIME_UNIT = r"^(s|ms|us|ns|min|h|frames|(0*[1-9][0-9]*(\.[0-9]+)?|0+\.0*[1-9][0-9]*)fps)$"
GAPS = "^(refuse|interpolate(:[1-9][0-9]*)?|split|strokes)$"
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$"
VERSION = (  # PEP 440, in its canonical form
    r"^([0-9]+!)?[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?$"
)


def _as_float(value: Any) -> Any:
    # PyYAML follows YAML 1.1 and reads `1e-05`, which is how DVC writes a small float, as a string.
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
    """Return `values`; raise ValueError if a value occurs twice."""
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"each once, not {', '.join(repeated)} twice")
    return values


Number = Annotated[float, BeforeValidator(_as_float), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveInt = Annotated[int, Field(ge=1)]
Some = Annotated[int, Field(ge=1, le=1000)]  # of what each costs a fit or more
Draws = Annotated[int, Field(ge=100, le=100_000)]  # of a bootstrap, all in memory at once
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
Angle = Annotated[Number, Field(ge=-3600, le=3600)]  # degrees
AngleRange = Annotated[list[Angle], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
IntRange = Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_is_ordered)]
Name = Annotated[str, Field(pattern=NAME)]
Names = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1), AfterValidator(is_unique)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
YAxis = Literal["up", "down"]  # where y points, on the picture of a 2-D path
Address = Annotated[str, Field(pattern=ADDRESS)]
Colour = Annotated[str, Field(pattern=COLOUR)]


class Section(BaseModel):
    """A section of params.yaml or of a card: every key required unless it has a default, no other key allowed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True)
class Interval:
    """A number with both ends of its interval. Validated where it is a field of a `Section`."""

    __pydantic_config__: ClassVar = ConfigDict(strict=False)  # a strict dataclass is not read from a mapping

    value: Annotated[Number, Field(strict=True)]
    low: Annotated[Number, Field(strict=True)]
    high: Annotated[Number, Field(strict=True)]


Schema = TypeVar("Schema", bound=BaseModel)

CHOICE = "choice"  # type of an error whose own message states the remedy
PATTERNS = {
    NAME: "a name of lower-case letters, digits and underscores",
    COLOUR: "a colour such as #3b82f6",
    SHA256: "a SHA-256 of 64 hexadecimal digits in lower case",
    PACKAGE: "the name of a package",
    VERSION: "one version, such as 1.0.5",
    TIME_UNIT: "one of s, ms, us, ns, min, h, frames, or a rate of more than 0 such as 30fps",
    GAPS: "one of refuse, interpolate, interpolate:N (with N of 1 or more), split, strokes",
    FILE_NAME: "the name of a file beside the card, of letters, digits, and . _ + -",
    ADDRESS: "an address that begins with http:// or https:// and has no password (~/.netrc may have it)",
}
REQUIREMENTS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a section of keys and values",
    "model_type": "a section of keys and values",
    "dataclass_type": "a section of keys and values",
    "model_attributes_type": "a section of keys and values",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
}


def load(schema: type[Schema], path: Path | str) -> Schema:
    """Read the YAML file at `path` as a `schema`.

    Raises UserError if the file is missing, is not YAML, or does not fit the schema.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        content = yaml.safe_load(text)
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: lists or sections are nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or a whole number that cannot be one
        raise UserError(f"{path}: not valid YAML: {str(error).partition('; use sys.')[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys and values, got {_kind(content)}")
    return validate(schema, content, str(path))


def validate(schema: type[Schema], content: dict[str, Any], where: str) -> Schema:
    """Check `content` against `schema`; `where` opens the message of the UserError."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise UserError(_explain(error, schema, where)) from None


def nearest(name: str, known: list[str]) -> str:
    """A clause that suggests the known names closest to `name`, or lists them all."""
    close = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"


def _explain(error: ValidationError, schema: type[BaseModel], where: str) -> str:
    first, *others = sorted(error.errors(), key=_rank)
    location, section = _locate(schema, first["loc"])
    key = ".".join(map(str, location))
    place = f"{key}: " if key else ""  # without a key, the error concerns the whole file
    got = f", got {_short(first['input'])} ({_kind(first['input'])})" if key else ""
    if first["type"] == "extra_forbidden":
        siblings = list(getattr(section, "model_fields", {}))
        message = f"unknown key {key}; {nearest(str(location[-1]), siblings)}"
    elif first["type"] == "missing":
        message = f"{key} is missing"
    elif first["type"] == CHOICE:
        message = f"{place}{first['msg']}{got}"
    else:
        choices = [first, *(other for other in others if _rank(other) == _rank(first))]
        choices = [choice for choice in choices if _locate(schema, choice["loc"])[0] == location]
        required = " or ".join(dict.fromkeys(map(_requirement, choices)))
        message = f"{place}required {required}{got}"
    more = {tuple(_locate(schema, other["loc"])[0]) for other in others} - {tuple(location)}
    return f"{where}: {message}" + (f"; {len(more)} more to fix" if more else "")


def _locate(schema: Any, places: Sequence[int | str]) -> tuple[list[int | str], Any]:
    """The keys in the path of an error, and the section class (or None) that contains the last of them.

    For a value of several possible types pydantic inserts the name of a type into the path; it is not a key.
    """
    location: list[int | str] = []
    section = None
    for place in places:
        branches = _branches(schema)
        if len(branches) > 1:
            schema = branches.get(place)
            continue
        if place == "[key]":  # the error concerns the preceding key itself
            continue
        location.append(place)
        section = schema = next(iter(branches.values()))
        if hasattr(schema, "model_fields"):
            field = schema.model_fields.get(place)
            schema = field and field.annotation
        else:  # list[...] or dict[str, ...]
            schema = next(reversed(get_args(schema)), None)
    return location, section


def _branches(schema: Any) -> dict[Any, Any]:
    """The types that a value may have, keyed by the names that pydantic gives them."""
    tag = None
    while get_origin(schema) is Annotated:
        schema, *notes = get_args(schema)
        tag = next((note.tag for note in notes if isinstance(note, Tag)), tag)
    if get_origin(schema) in (Union, UnionType):
        members = [_branches(member) for member in get_args(schema) if member is not NoneType]
        return {name: branch for member in members for name, branch in member.items()}
    return {tag or (schema.__name__ if isinstance(schema, type) else schema): schema}


def _rank(error: Any) -> int:
    # An unknown key is usually the reason why another one is missing, so it comes first. In a choice of types ("a
    # number or a range"), an error about the value says more than an error about its type.
    kinds = ("extra_forbidden", "missing")
    return kinds.index(error["type"]) if error["type"] in kinds else 2 + error["type"].endswith("_type")


def _requirement(error: Any) -> str:
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
    if kind == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_type" and not isinstance(error["input"], list | dict | NoneType):
        return "text (put it in quotes)"
    phrase = REQUIREMENTS.get(kind)
    return phrase.format(**context) if phrase else error["msg"].removeprefix("Input should be ")


def _short(value: Any) -> str:
    text = reprlib.repr(value) if isinstance(value, list | dict) else repr(value)  # aliases can be a bomb
    return text if len(text) <= 80 else f"{text[:77]}..."


def _kind(value: Any) -> str:
    names = {
        bool: "true/false",
        int: "whole number",
        float: "number",
        str: "text",
        list: "list",
        dict: "section",
    }
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
