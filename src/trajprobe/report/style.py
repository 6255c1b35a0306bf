"""How every figure of the report looks: one set of colours with fixed meaning, one typography, reproducible bytes.

A colour always means the same thing, here and on the page: blue is the pretrained encoder, orange the same
architecture at random, grey a control, a dashed line chance. Blue and orange come from the palette of Okabe and Ito
(2008), which people with any colour blindness can tell apart; markers differ in shape as well. Each figure is drawn
twice, on a light and on a dark surface, and the page shows the one that suits its reader's screen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

DPI = 200
PIXELS_PER_INCH = 100  # of the page (CSS pixels), so that a 10 inch figure is as wide as the text
WIDTH = 10.4  # inches: the full width of the page
ELLIPSIS = "…"


@dataclass(frozen=True)
class Theme:
    """Colours by meaning, as #rrggbb; the page takes them over as CSS variables of the same names."""

    name: str
    surface: str
    raised: str
    ink: str
    muted: str
    line: str
    pretrained: str
    random: str
    control: str
    chance: str
    rope: str

    def sequential(self, end: str) -> LinearSegmentedColormap:
        """A colour map from nearly the bare surface (0) to the colour `end` (1)."""
        return LinearSegmentedColormap.from_list(f"{self.name}-{end}", [self.raised, end])


LIGHT = Theme(
    name="light",
    surface="#ffffff",
    raised="#f6f7f9",
    ink="#1c2128",
    muted="#5f6875",
    line="#dfe3e8",
    pretrained="#0072b2",
    random="#d55e00",
    control="#6b7480",
    chance="#8b939e",
    rope="#e9ecf0",
)
DARK = Theme(
    name="dark",
    surface="#12161c",
    raised="#1a2028",
    ink="#e6e9ed",
    muted="#9aa4b1",
    line="#2c343e",
    pretrained="#56b4e9",
    random="#f0a04b",
    control="#a3acb8",
    chance="#7f8a97",
    rope="#252c35",
)
THEMES = (LIGHT, DARK)


@dataclass(frozen=True)
class Picture:
    """A figure on disk: its file, that of its dark twin, and its size on the page in CSS pixels."""

    light: str
    dark: str
    width: int
    height: int


@contextmanager
def drawing(theme: Theme) -> Iterator[None]:
    """Draw in the house style, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings(theme))  # type: ignore[arg-type]
        yield


def save(draw: Callable[[Theme], Figure], path: Path) -> Picture:
    """Write what `draw` makes to `path` (a .png) on the light surface, and on the dark one beside it."""
    dark = path.with_name(f"{path.stem}-dark{path.suffix}")
    for theme, target in zip(THEMES, (path, dark), strict=True):
        with drawing(theme):
            figure = draw(theme)
            # Without this matplotlib's version stands in the file, and the bytes change with it.
            figure.savefig(target, metadata={"Software": None})
    width, height = figure.get_size_inches() * PIXELS_PER_INCH
    return Picture(path.name, dark.name, round(width), round(height))


def legible(paint: tuple[float, ...], theme: Theme) -> str:
    """The theme's ink or surface colour, whichever contrasts more with `paint` (RGB or RGBA in 0…1; WCAG 2.1)."""

    def luminance(colour: Any) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    def contrast(text: str) -> float:
        dark, light = sorted((luminance(text), luminance(paint)))
        return (light + 0.05) / (dark + 0.05)

    return max((theme.ink, theme.surface), key=contrast)


def short(labels: list[str], width: int, noun: str = "class") -> list[str]:
    """Labels for an axis: at most `width` characters each, drawable in the figures' font, and still distinct.

    A long one loses its middle, since names of classes and encoders mostly differ at their ends. Those whose script
    the font lacks, or that would become equal, are told by `noun` and their number in `labels`, from 1.
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
        taken |= clashes  # a label that reads like one of the numbers


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
        "text.parse_math": False,  # a label may hold a dollar sign
        "xtick.color": theme.line,
        "ytick.color": theme.line,
        "xtick.labelcolor": theme.muted,
        "ytick.labelcolor": theme.ink,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }
