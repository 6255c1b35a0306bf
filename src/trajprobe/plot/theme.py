"""The colours of the report, each with a fixed meaning in every figure and on the page.

Blue is the pretrained encoder, orange the same architecture at random initialisation, grey a control. Blue and orange
are from the palette of Okabe & Ito (Color Universal Design, 2008), which readers with any colour vision deficiency can
tell apart. There is a light and a dark theme, and the page shows the one that suits the reader's screen.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours by meaning, as #rrggbb. The page uses them as CSS variables of the same names."""

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
