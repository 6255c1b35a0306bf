"""HTML templates on base.html: they escape whatever they are given, and write numbers as the figures do."""

from dataclasses import asdict
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from trajprobe.report.style import DARK, LIGHT
from trajprobe.report.words import bare, counted, p_value, percent, points


def template(name: str, *folders: Path) -> Template:
    """The template of this name, here or in `folders`, with the colours and the words that all of them use."""
    templates = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(percent=percent, points=points, bare=bare, p_value=p_value, counted=counted)
    templates.globals.update(light=_colours(asdict(LIGHT)), dark=_colours(asdict(DARK)))
    return templates.get_template(name)


def _colours(theme: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in theme.items() if name != "name"}
