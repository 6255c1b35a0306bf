"""HTML templates on base.html: they escape what they are given and format numbers as the figures do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from trajprobe.artifacts.formatting import (
    bare,
    counted,
    p_equals,
    p_value,
    percent,
    points,
    points_range,
    prefixed,
    signed,
)
from trajprobe.core.schema import Interval
from trajprobe.plot.theme import DARK, LIGHT

MARGIN = 0.06  # of the scale's length, left free at both ends


def template(name: str, *folders: Path) -> Template:
    """The template `name` from this folder or from `folders`, with the colours and filters that all templates share."""
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=percent,
        points=points,
        bare=bare,
        p_value=p_value,
        prefixed=prefixed,
        p_equals=p_equals,
        counted=counted,
        signed=signed,
        decimal=_decimal,
        decimal_range=lambda interval: f"{_decimal(interval.low)} to {_decimal(interval.high)}",
        points_range=lambda interval: points_range(interval.low, interval.high),
        percent_range=lambda interval: f"{100 * interval.low:.1f} to {percent(interval.high)}",
        breakable=lambda text: Markup("_<wbr>").join(map(escape, text.split("_"))),
    )
    environment.globals.update(light=_colours(asdict(LIGHT)), dark=_colours(asdict(DARK)))
    return environment.get_template(name)


def _unbroken(value: Any) -> Any:
    """Text in which no line ends between a number and its percent sign."""
    return value.replace(" %", "\N{NO-BREAK SPACE}%") if isinstance(value, str) else value


def _decimal(value: float) -> str:
    return signed(value).lstrip("+")


def _colours(theme: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in theme.items() if name != "name"}


@dataclass(frozen=True)
class IntervalStrip:
    """One interval that the page itself draws, against zero and the rope. Positions in percent of the strip's width."""

    zero: float
    rope_low: float
    rope_width: float
    low: float
    width: float
    value: float


def interval_strips(gains: Sequence[Interval], rope: float) -> list[IntervalStrip]:
    """A strip for each gain, all on one scale that contains every interval and the band ±`rope` (a fraction)."""
    left = min([-2 * rope, *(gain.low for gain in gains)])
    right = max([2 * rope, *(gain.high for gain in gains)])
    margin = MARGIN * (right - left)

    def at(value: float) -> float:
        return round(100 * (value - left + margin) / (right - left + 2 * margin), 2)

    return [
        IntervalStrip(
            zero=at(0),
            rope_low=at(-rope),
            rope_width=round(at(rope) - at(-rope), 2),
            low=at(gain.low),
            width=round(at(gain.high) - at(gain.low), 2),
            value=at(gain.value),
        )
        for gain in gains
    ]
