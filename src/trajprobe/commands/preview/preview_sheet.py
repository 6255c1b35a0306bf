"""The pictures of a preview: one sheet of all classes, and an animation of each class.

The sheet has a block for each class: its name, and a row of frames for each of a few items. With many classes the
blocks stand side by side.
"""

import math
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajprobe.core.files import atomic
from trajprobe.plot.clip_pictures import Pixels, contact_sheet, fitted, pace, slug, thinned, write_gif

ROWS = 3  # items of a class on the sheet
FRAMES = 8  # of a clip on the sheet, at most
GIF_FRAMES = 32  # of a clip in an animation, at most
MARGIN, GAP = 16, 22  # pixels around the sheet, and between its blocks
TEXT, SMALL = 17, 13  # pixels, height of the letters
WIDEST = 2200  # pixels: more blocks side by side would not be seen at once
INK, PALE, PAPER = "#111827", "#6b7280", "#ffffff"


def write_sheet(
    path: Path, clips: Mapping[str, Pixels], counts: Mapping[str, int], title: str, remark: str
) -> None:
    """Write the sheet as PNG. clips: class -> (k, T, h, w, 3). counts: items of each class. remark: below the title."""
    blocks = [_block(name, own, counts[name]) for name, own in clips.items()]
    width, height = (max(block.size[axis] for block in blocks) for axis in (0, 1))
    columns = _columns(len(blocks), width, height)
    rows = math.ceil(len(blocks) / columns)
    top = MARGIN + 2 * TEXT + SMALL + GAP // 2
    across = max(columns * (width + GAP) - GAP, *(_width(text) for text in (title, remark)))
    sheet = Image.new("RGB", (across + 2 * MARGIN, top + rows * (height + GAP) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, _font(TEXT, bold=True))
    draw.text((MARGIN, MARGIN + TEXT + 8), remark, PALE, _font(SMALL))
    for number, block in enumerate(blocks):
        row, column = number % rows, number // rows  # down, then across
        sheet.paste(block, (MARGIN + column * (width + GAP), top + row * (height + GAP)))
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG")


def write_animations(folder: Path, stem: str, clips: Mapping[str, Pixels]) -> list[Path]:
    """Write `<stem>-<number>-<class>.gif` for every class, and remove those of an earlier preview of `stem`."""
    written = []
    for number, (name, own) in enumerate(clips.items(), 1):
        digits = len(str(len(clips)))
        path = folder / f"{stem}-{number:0{digits}d}-{slug(name)}".rstrip("-")
        moving = thinned(fitted(own), GIF_FRAMES)
        written.append(path.with_name(f"{path.name}.gif"))
        write_gif(written[-1], moving, fps=pace(moving.shape[1]))
    for old in folder.glob(f"{stem}-[0-9]*.gif"):
        if old not in written:
            old.unlink()
    return written


def _block(name: str, clips: Pixels, count: int) -> Image.Image:
    """The picture of one class."""
    picked = np.linspace(0, len(clips) - 1, min(ROWS, len(clips))).round().astype(int)
    frames = contact_sheet(thinned(fitted(clips[picked]), FRAMES))
    heading = TEXT + 8
    words = f"{count:,} items"
    width = max(frames.shape[1], _width(f"{name}  {words}"))
    block = Image.new("RGB", (width, heading + frames.shape[0]), PAPER)
    draw = ImageDraw.Draw(block)
    draw.text((0, 0), name, INK, _font(TEXT, bold=True))
    beside = _font(TEXT, bold=True).getlength(name) + 12
    draw.text((beside, TEXT - SMALL), words, PALE, _font(SMALL))
    block.paste(Image.fromarray(frames), (0, heading))
    return block


def _columns(blocks: int, width: int, height: int) -> int:
    """Blocks side by side, such that the sheet is about as high as it is wide, and no wider than WIDEST."""
    square = round(math.sqrt(blocks * (height + GAP) / (width + GAP)))
    return max(1, min(square, WIDEST // (width + GAP), blocks))


def _width(text: str) -> int:
    return math.ceil(_font(TEXT, bold=True).getlength(text))


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib and has most alphabets; found without importing matplotlib."""
    spec = find_spec("matplotlib")
    assert spec is not None  # a dependency of the project
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "mpl-data/fonts/ttf"
    return ImageFont.truetype(str(fonts / f"DejaVuSans{'-Bold' if bold else ''}.ttf"), size)
