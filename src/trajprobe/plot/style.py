"""The look of the report's figures: one typography, axes placed in inches, reproducible bytes.

The mark of an arm is the same in every figure: pretrained is a disc, random a smaller dot, square or bar, chance a
dashed line. Each figure is drawn in the light and in the dark theme.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trajprobe.artifacts.formatting import ACCURACY, Scale
from trajprobe.core.schema import Interval
from trajprobe.plot.theme import THEMES, Theme

DPI = 200
PIXELS_PER_INCH = 100  # CSS pixels of the page: a figure of WIDTH inches is as wide as the text
WIDTH = 10.4  # inches: the full width of the page
ELLIPSIS = "…"
DASH = (0, (4, 3))
KEY_BELOW = 0.12  # inches between the upper edge of a figure and its key


@dataclass(frozen=True)
class Picture:
    """A figure on disk: its file, the file of its dark version, and its size on the page in CSS pixels."""

    light: str
    dark: str
    width: int
    height: int


@contextmanager
def drawing(theme: Theme) -> Iterator[None]:
    """Draw in the report's style, independent of the user's matplotlibrc."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings(theme))  # type: ignore[arg-type]
        yield


def save(draw: Callable[[Theme], Figure], path: Path) -> Picture:
    """Write the figure from `draw` to `path` (a .png) in the light theme, and beside it in the dark theme."""
    dark = path.with_name(f"{path.stem}-dark{path.suffix}")
    for theme, target in zip(THEMES, (path, dark), strict=True):
        with drawing(theme):
            figure = draw(theme)
            # Otherwise the file names matplotlib's version, and the bytes change with it.
            figure.savefig(target, metadata={"Software": None})
    width, height = figure.get_size_inches() * PIXELS_PER_INCH
    return Picture(path.name, dark.name, round(width), round(height))


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, **settings: Any) -> Axes:
    """Axes with position and size in inches. settings: properties of the axes, such as their limits."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up), **settings)


def label_width(labels: Sequence[str]) -> float:
    """Inches left of a panel for the labels of its lines."""
    return max(1.25, 0.35 + 0.084 * max(map(len, labels)))


def whisker(axes: Axes, estimate: Interval, line: float, colour: str, marker: str, **look: Any) -> None:
    """An estimate with its interval at the height `line`. look: of the mark."""
    axes.plot([estimate.low, estimate.high], [line, line], color=colour, linewidth=2, gid="interval")
    axes.plot([estimate.value], [line], marker, color=colour, gid="estimate", **look)


def in_percent(axis: Axis, scale: Scale = ACCURACY) -> None:
    """Tick labels of fractions as percentages, without the % sign, which is part of the axis label; or as the scale."""
    axis.set_major_formatter(lambda value, _: f"{round(scale.factor * value, 6):g}")


def in_points(axis: Axis, scale: Scale = ACCURACY) -> None:
    """Tick labels of differences of fractions, as signed percentage points, or as the scale."""
    axis.set_major_formatter(
        lambda value, _: f"{round(scale.factor * value, 6):+g}".replace("-", "−") if value else "0"
    )


def chance_look(theme: Theme) -> dict[str, Any]:
    """The look of the chance line."""
    return {"color": theme.chance, "linestyle": DASH, "linewidth": 1.2}


def pretrained_mark(theme: Theme) -> Line2D:
    return mark("pretrained, with interval", color=theme.pretrained, marker="o", markersize=8, linewidth=2)


def chance_mark(chance: float, theme: Theme, scale: Scale = ACCURACY) -> Line2D:
    return mark(f"chance, {scale.value(chance)}", **chance_look(theme))


def rope_mark(rope: float, theme: Theme, scale: Scale = ACCURACY) -> Patch:
    """The key's entry for the band of gains within ±`rope` (a fraction)."""
    return Patch(facecolor=theme.rope, label=f"too small to matter, {scale.region(rope)}")


def mark(label: str, **look: Any) -> Line2D:
    """An entry of a figure's key."""
    return Line2D([], [], label=label, **{"markeredgewidth": 0, **look})


def key_above(figure: Figure, handles: Sequence[Any], left: float, theme: Theme) -> None:
    """The key of all panels, in one line above them, starting at `left` inches."""
    across, up = figure.get_size_inches()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left / across, 1 - KEY_BELOW / up),
        ncols=len(handles),
        labelcolor=theme.muted,
        borderaxespad=0,
        borderpad=0,
        columnspacing=2,
    )


def legible(paint: tuple[float, ...], theme: Theme) -> str:
    """The theme's ink or surface colour, whichever contrasts more with `paint` (RGB or RGBA in 0 to 1; WCAG 2.1)."""

    def luminance(colour: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(text: str) -> float:
        dark, light = sorted((luminance(text), luminance(paint)))
        return (light + 0.05) / (dark + 0.05)

    return max((theme.ink, theme.surface), key=contrast)


def short(labels: list[str], width: int, noun: str = "class") -> list[str]:
    """Labels for an axis: at most `width` characters each, drawable in the figures' font, and distinct.

    A long label loses its middle, because names of classes and encoders mostly differ at their ends. Labels in a script
    that the font lacks, and labels that would become equal, become `noun` and their position in `labels`, from 1.
    """
    drawable = _drawable()
    clipped = []
    for label in labels:
        letters = [letter if ord(letter) in drawable else "?" for letter in " ".join(label.split())]
        foreign = letters.count("?") - label.count("?")
        text = "".join(letters) if 2 * foreign <= len(letters) else ""
        if len(text) > width:
            head = (width - 1) // 2
            text = text[:head] + ELLIPSIS + text[len(text) - (width - 1 - head) :]
        clipped.append(text)
    taken = {text for text in clipped if clipped.count(text) > 1} | {""}
    while True:
        shown = [f"{noun} #{i}" if text in taken else text for i, text in enumerate(clipped, 1)]
        clashes = {text for text in shown if shown.count(text) > 1} - taken
        if not clashes:
            return shown
        taken |= clashes  # a label that equals one of the numbered names


@cache
def _drawable() -> frozenset[int]:
    font: Any = FT2Font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


def _settings(theme: Theme) -> dict[str, Any]:
    return {
        "figure.dpi": DPI,
        "savefig.dpi": DPI,
        "figure.facecolor": theme.surface,
        "savefig.facecolor": theme.surface,
        "axes.facecolor": theme.surface,
        "axes.edgecolor": theme.line,
        "axes.labelcolor": theme.muted,
        "axes.labelsize": 9,
        "axes.labelpad": 8,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlecolor": theme.ink,
        "axes.titlepad": 12,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.linewidth": 0.8,
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "grid.color": theme.line,
        "grid.linewidth": 0.8,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.solid_capstyle": "butt",
        "text.color": theme.ink,
        "text.parse_math": False,  # a label may contain a dollar sign
        "xtick.color": theme.line,
        "ytick.color": theme.line,
        "xtick.labelcolor": theme.muted,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
