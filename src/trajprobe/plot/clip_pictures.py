"""Clips as pictures: sheets of their frames, and looping animations. It needs neither an artifact nor a result.

Large clips are reduced, pixels of small clips are enlarged, and of long clips evenly spaced frames are kept, the first
and the last among them.
"""

import re
import unicodedata
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trajprobe.core.files import atomic

SIDE = 128  # pixels of a clip on the page, at most
SECONDS = 2.0  # approximate duration of an animation
SLUG = 40  # characters of a label in a file name, at most
GUTTER = 2  # pixels between pictures
GUTTER_GREY = 160
ACROSS = 6  # clips in a row of an animation
MANY = 2**14  # a picture with more colours gets a palette from a sample of its pixels
SAMPLE = 7  # every seventh pixel: ten times faster, with the same mean error
REST = 4  # the last frame lasts as long as this many frames

Pixels = NDArray[np.uint8]


def slug(label: str) -> str:
    """A label as part of a file name: lower-case ASCII letters, digits and dashes, possibly empty.

    Different labels can have the same slug; callers put a number in front.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:SLUG].rstrip("-")


def thinned(clips: Pixels, frames: int) -> Pixels:
    """(n, at most `frames`, H, W, 3): evenly spaced frames, the first and the last among them."""
    count = clips.shape[1]
    return clips if count <= frames else clips[:, np.linspace(0, count - 1, frames).round().astype(int)]


def fitted(clips: Pixels) -> Pixels:
    """(n, T, H, W, 3) with sides of at most SIDE pixels: reduced by area averaging, or enlarged by whole factors."""
    count, frames, height, width, _ = clips.shape
    scale = SIDE / max(height, width)
    if scale >= 1:
        return clips.repeat(int(scale), axis=2).repeat(int(scale), axis=3)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in clips.reshape(-1, height, width, 3)]
    return np.stack(small).reshape(count, frames, size[1], size[0], 3)


def pace(frames: int) -> float:
    """Frames per second of an animation of so many frames: it lasts about SECONDS, within 3 to 15 frames a second."""
    return min(max(frames / SECONDS, 3.0), 15.0)


def contact_sheet(clips: Pixels) -> Pixels:
    """One picture (H', W', 3) of clips (n, T, H, W, 3): a row for each clip, a column for each frame."""
    rows, columns, height, width, _ = clips.shape
    sheet = np.full(
        (rows * (height + GUTTER) - GUTTER, columns * (width + GUTTER) - GUTTER, 3), GUTTER_GREY, np.uint8
    )
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GUTTER), column * (width + GUTTER)
            sheet[top : top + height, left : left + width] = clips[row, column]
    return sheet


def write_gif(path: Path, clips: Pixels, fps: float) -> None:
    """Write clips (n, T, H, W, 3) side by side as one looping GIF with `fps` frames per second.

    All frames share one palette, so nothing flickers. The same clips give the same bytes.
    """
    rows = [clips[start : start + ACROSS] for start in range(0, len(clips), ACROSS)]
    missing = len(rows) > 1 and ACROSS - len(rows[-1])
    if missing:
        rows[-1] = np.concatenate([rows[-1], np.full_like(clips[:1], GUTTER_GREY).repeat(missing, axis=0)])
    frames = [contact_sheet(np.stack(rows)[:, :, frame]) for frame in range(clips.shape[1])]
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


def _palette(pixels: Pixels) -> Image.Image:
    """256 colours for (H, W, 3) pixels. Noise has thousands of colours, and a sample represents them as well."""
    picture = Image.fromarray(pixels)
    if picture.getcolors(MANY) is None:
        picture = Image.fromarray(np.ascontiguousarray(pixels.reshape(1, -1, 3)[:, ::SAMPLE]))
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT)
