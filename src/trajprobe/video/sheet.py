"""Clips for the eye: a contact sheet, and an animated GIF that loops."""

from pathlib import Path

import numpy as np
from PIL import Image

from trajprobe.files import atomic

GUTTER = 2  # pixels between pictures
GUTTER_GREY = 160
ACROSS = 6  # clips in a row of an animation
MANY = 2**14  # colours, from which the palette is found from a sample of the pixels
SAMPLE = 7  # one pixel in so many: it cuts the time by ten, and the pixels' mean error stays what it was
REST = 4  # frames that the last one stays before the loop begins again


def contact_sheet(clips: np.ndarray) -> np.ndarray:
    """(H', W', 3) uint8 picture of clips (n, T, H, W, 3) uint8: a row for each clip, a column for each frame."""
    return _tile(clips)


def write_gif(path: Path | str, clips: np.ndarray, fps: float) -> None:
    """Write clips (n, T, H, W, 3) uint8 as one looping GIF, side by side, `fps` frames a second.

    All frames share one palette, so nothing flickers; the same clips give the same bytes.
    """
    rows = [clips[start : start + ACROSS] for start in range(0, len(clips), ACROSS)]
    missing = len(rows) > 1 and ACROSS - len(rows[-1])
    if missing:
        rows[-1] = np.concatenate([rows[-1], np.full_like(clips[:1], GUTTER_GREY).repeat(missing, axis=0)])
    frames = [_tile(np.stack(rows)[:, :, frame]) for frame in range(clips.shape[1])]
    palette = _palette(np.concatenate(frames))
    pictures = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames
    ]
    duration = 1000 / fps
    with atomic(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=[round(duration)] * (len(pictures) - 1) + [round(REST * duration)],
            loop=0,
            optimize=False,
        )


def _palette(pixels: np.ndarray) -> Image.Image:
    """256 colours for (H, W, 3) uint8 pixels. Only noise has colours by the thousand, and a sample has them as well."""
    picture = Image.fromarray(pixels)
    if picture.getcolors(MANY) is None:
        picture = Image.fromarray(np.ascontiguousarray(pixels.reshape(1, -1, 3)[:, ::SAMPLE]))
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT)


def _tile(pictures: np.ndarray) -> np.ndarray:
    """Pictures (rows, columns, H, W, 3) side by side, with gutters between them."""
    rows, columns, height, width, _ = pictures.shape
    sheet = np.full(
        (rows * (height + GUTTER) - GUTTER, columns * (width + GUTTER) - GUTTER, 3), GUTTER_GREY, np.uint8
    )
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GUTTER), column * (width + GUTTER)
            sheet[top : top + height, left : left + width] = pictures[row, column]
    return sheet
