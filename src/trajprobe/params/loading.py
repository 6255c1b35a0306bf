"""Reading YAML into the typed schema, with every mistake told in one line that names the key."""

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from trajprobe.errors import UserError

Schema = TypeVar("Schema", bound=BaseModel)


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
    # An unknown key is usually the cause of a missing one, so it is told first.
    first, *others = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    location = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    key = ".".join(str(part) for part in location)
    if first["type"] == "extra_forbidden":
        message = f"unknown key {key}; {nearest(str(location[-1]), _siblings(schema, location))}"
    elif first["type"] == "missing":
        message = f"{key} is missing; required: {_required(schema, location)}"
    else:
        problem = first["msg"].removeprefix("Value error, ").replace("Input should", "should")
        message = f"{key}: {problem}, got {first['input']!r} ({_kind(first['input'])})"
    more = f" (and {len(others)} more)" if others else ""
    return f"{where}: {message}{more}"


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


def _required(schema: Any, location: list[Any]) -> str:
    field = getattr(_section(schema, location), "model_fields", {}).get(location[-1])
    return (field.description or "see params.yaml") if field is not None else "see the documentation"


def _kind(value: Any) -> str:
    names = {bool: "true/false", int: "whole number", float: "number", str: "text", list: "list", dict: "section"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
