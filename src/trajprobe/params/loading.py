"""Reading YAML into the typed schema, with every mistake told in one line that names the key."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Tag, ValidationError

from trajprobe.errors import UserError
from trajprobe.params.types import COLOUR, NAME, SHA256

Schema = TypeVar("Schema", bound=BaseModel)

CHOICE = "choice"  # the type of an error whose message says by itself what to give
PATTERNS = {
    NAME: "a name of lower-case letters, digits and underscores",
    COLOUR: "a colour such as #3b82f6",
    SHA256: "a SHA-256 of 64 hexadecimal digits in lower case",
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

    Raises UserError, one line naming file, key, what was required and what was found, where the file is missing,
    is not YAML, or does not fit the schema.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected keys and values, got {_kind(content)}")
    return validate(schema, content, str(path))


def validate(schema: type[Schema], content: dict[str, Any], where: str) -> Schema:
    """Check `content` against `schema`; `where` opens the error message. Raises UserError as `load` does."""
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
    place = f"{key}: " if key else ""  # without one, of the file as a whole
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
    return f"{where}: {message}" + (f"; {len(more)} more to mend" if more else "")


def _locate(schema: Any, places: Sequence[int | str]) -> tuple[list[int | str], Any]:
    """The path of keys in an error's `places`, and the section class (or None) that holds the last of them.

    Where a value may be of several types, pydantic puts the name of one into the path, which is no key of the file.
    """
    location: list[int | str] = []
    section = None
    for place in places:
        branches = _branches(schema)
        if len(branches) > 1:
            schema = branches.get(place)
            continue
        if place == "[key]":  # what is wrong is the key before
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
    """The types that a value may have, by the names that pydantic gives them."""
    tag = None
    while get_origin(schema) is Annotated:
        schema, *notes = get_args(schema)
        tag = next((note.tag for note in notes if isinstance(note, Tag)), tag)
    if get_origin(schema) in (Union, UnionType):
        members = [_branches(member) for member in get_args(schema) if member is not NoneType]
        return {name: branch for member in members for name, branch in member.items()}
    return {tag or (schema.__name__ if isinstance(schema, type) else schema): schema}


def _rank(error: Any) -> int:
    # An unknown key is usually why another is missing, so it is told first. In a choice of types ("a number or a
    # range"), the branch that the value was closest to says more than the branch whose type it never had.
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
    text = repr(value)
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
