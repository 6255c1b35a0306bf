"""Example clips: looping animations for the screen, and contact sheets for print and for readers who reduce motion.

For each class the first clips in the order of the trajectories are shown, without any selection. Two more strips hold
the clips on which the pretrained and the random arm differ most, one for each direction. Large clips are reduced,
pixels of small clips are enlarged, and of long clips evenly spaced frames are kept, the first and the last among them.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trajprobe.artifacts.clips import Clips
from trajprobe.core.files import atomic
from trajprobe.plot.outcomes import Outcomes

SIDE = 128  # pixels of a clip on the page, at most
SHEET_FRAMES = 8
GIF_FRAMES = 32
SECONDS = 2.0  # approximate duration of an animation
CLEAR = 0.5  # a clip is shown if one arm is correct more often than the other by at least this fraction
SLUG = 40  # characters of a label in a file name, at most
GUTTER = 2  # pixels between pictures
GUTTER_GREY = 160
ACROSS = 6  # clips in a row of an animation
MANY = 2**14  # a picture with more colours gets a palette from a sample of its pixels
SAMPLE = 7  # every seventh pixel: ten times faster, with the same mean error
REST = 4  # the last frame lasts as long as this many frames

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ClipStrip:
    """A row of clips on the page: its title, its animation and its sheet (file names), and their sizes in pixels.

    items: clips to which the title applies; shown: how many of them are in the strip. captions: for each clip its class
    and a remark, or empty.
    """

    title: str
    items: int
    shown: int
    captions: list[tuple[str, str]]
    gif: str
    gif_size: tuple[int, int]
    sheet: str
    sheet_size: tuple[int, int]


def write_class_clips(
    clips: Clips, labels: Sequence[str], classes: Sequence[str], per_class: int, folder: Path
) -> list[ClipStrip]:
    """Write `clips-<number>-<label>.png` and `.gif` for every class with clips into `folder`; a strip for each.

    labels: the label of each clip, length N.
    """
    strips = []
    for number, name in enumerate(classes, 1):
        own = [index for index, label in enumerate(labels) if label == name]
        if own:
            stem = f"clips-{number:0{len(str(len(classes)))}d}-{slug(name)}".rstrip("-")
            strips.append(_write(_picked(clips, own[:per_class]), name, len(own), [], folder, stem))
    return strips


def write_disagreements(
    clips: Clips, item_ids: Sequence[str], outcomes: Outcomes, folder: Path
) -> list[ClipStrip]:
    """Write the clips that one arm classifies correctly far more often than the other, largest difference first.

    item_ids: of all N clips. At most one strip for each direction; none if no clip differs by CLEAR.
    """
    index = {item: position for position, item in enumerate(item_ids)}
    difference = outcomes.pretrained.correct - outcomes.random.correct
    strips = []
    for sign, wrong, stem, title in (
        (1, outcomes.random, "right-with-pretraining", "Correct with pretraining, wrong without"),
        (-1, outcomes.pretrained, "wrong-with-pretraining", "Wrong with pretraining, correct without"),
    ):
        order = np.argsort(-sign * difference, kind="stable")
        found = [int(item) for item in order if sign * difference[item] >= CLEAR]
        shown = found[:ACROSS]
        if shown:
            true, predicted = wrong.y, wrong.mistaken
            captions = [
                (outcomes.classes[true[item]], f"predicted {outcomes.classes[predicted[item]]}")
                for item in shown
            ]
            own = _picked(clips, [index[outcomes.item_ids[item]] for item in shown])
            strips.append(_write(own, title, len(found), captions, folder, f"clips-{stem}"))
    return strips


def slug(label: str) -> str:
    """A label as part of a file name: lower-case ASCII letters, digits and dashes, possibly empty.

    Different labels can have the same slug; callers put a number in front.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:SLUG].rstrip("-")


def _picked(clips: Clips, indices: Sequence[int]) -> Pixels:
    return np.concatenate([clips[index : index + 1] for index in indices])


def _write(
    clips: Pixels, title: str, items: int, captions: list[tuple[str, str]], folder: Path, stem: str
) -> ClipStrip:
    gif, sheet = folder / f"{stem}.gif", folder / f"{stem}.png"
    clips = _fitted(clips)
    moving = _thinned(clips, GIF_FRAMES)
    write_gif(gif, moving, fps=min(max(moving.shape[1] / SECONDS, 3.0), 15.0))
    Image.fromarray(contact_sheet(_thinned(clips, SHEET_FRAMES))).save(sheet)
    with Image.open(gif) as animation, Image.open(sheet) as still:
        return ClipStrip(title, items, len(clips), captions, gif.name, animation.size, sheet.name, still.size)


def _thinned(clips: Pixels, frames: int) -> Pixels:
    """(n, at most `frames`, H, W, 3): evenly spaced frames, the first and the last among them."""
    count = clips.shape[1]
    return clips if count <= frames else clips[:, np.linspace(0, count - 1, frames).round().astype(int)]


def _fitted(clips: Pixels) -> Pixels:
    """(n, T, H, W, 3) with sides of at most SIDE pixels: reduced by area averaging, or enlarged by whole factors."""
    count, frames, height, width, _ = clips.shape
    scale = SIDE / max(height, width)
    if scale >= 1:
        return clips.repeat(int(scale), axis=2).repeat(int(scale), axis=3)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in clips.reshape(-1, height, width, 3)]
    return np.stack(small).reshape(count, frames, size[1], size[0], 3)


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
