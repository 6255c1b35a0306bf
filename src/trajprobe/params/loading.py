"""Reading YAML into the typed schema, with every mistake told in one line that names the key."""

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from trajprobe.errors import UserError
from trajprobe.params.types import COLOUR, NAME, SHA256

Schema = TypeVar("Schema", bound=BaseModel)

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
    location = _location(first)
    key = ".".join(map(str, location))
    if first["type"] == "extra_forbidden":
        message = f"unknown key {key}; {nearest(str(location[-1]), _siblings(schema, location))}"
    elif first["type"] == "missing":
        message = f"{key} is missing"
    else:
        message = (
            f"{key}: required {_requirement(first)}, got {_short(first['input'])} ({_kind(first['input'])})"
        )
    more = {tuple(_location(other)) for other in others} - {tuple(location)}
    return f"{where}: {message}" + (f"; {len(more)} more to mend" if more else "")


def _location(error: Any) -> list[Any]:
    """The path of keys; the names that pydantic gives to the branches of a union (`list[...]`) are left out."""
    return [part for part in error["loc"] if not (isinstance(part, str) and re.search(r"[\[(]", part))]


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
    phrase = REQUIREMENTS.get(kind)
    return phrase.format(**context) if phrase else error["msg"].removeprefix("Input should be ")


def _section(schema: Any, location: list[Any]) -> Any:
    """The schema class that holds the last part of `location`, or None where a union hides it."""
    for part in location[:-1]:
        field = getattr(schema, "model_fields", {}).get(part)
        if field is None:
            return None
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        schema = next((item for item in candidates if hasattr(item, "model_fields")), None)
    return schema


def _siblings(schema: Any, location: list[Any]) -> list[str]:
    return list(getattr(_section(schema, location), "model_fields", {}))


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
