"""What the encoder was shown: clips as animations, and as contact sheets for paper and for eyes that want to rest.

For each class they are the first in the order of the trajectories, so nobody picked them. Two more strips hold the
clips on which the pretrained and the random arm differ most, one for each direction. Large clips are made smaller
for the page, small ones get larger pixels, and long ones are thinned out evenly, first and last frame kept.
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

from trajprobe.report.outcomes import Outcomes
from trajprobe.video.sheet import ACROSS, contact_sheet, write_gif
from trajprobe.video.store import Clips

SIDE = 128  # pixels of a clip on the page, at most
SHEET_FRAMES = 8
GIF_FRAMES = 32
SECONDS = 2.0  # that an animation lasts, about
CLEAR = 0.5  # how much more often one arm must be right than the other for a clip to be shown
SLUG = 40  # letters of a label in a file's name, at most


@dataclass(frozen=True)
class ClipStrip:
    """A row of clips on the page: what it shows, its animation and its sheet (file names), their size in pixels.

    captions: for each clip its class and a remark; empty where the title says it all.
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
    """Write `clips-<number>-<label>.png` and `.gif` for every class into `folder`; one strip for each, in order.

    labels: the label of each clip, length N.
    """
    strips = []
    for number, name in enumerate(classes, 1):
        own = [index for index, label in enumerate(labels) if label == name]
        shown = own[:per_class]
        if shown:
            stem = f"clips-{number:0{len(str(len(classes)))}d}-{slug(name)}".rstrip("-")
            picked = np.concatenate([clips[index : index + 1] for index in shown])
            strips.append(_write(picked, name, len(own), [], folder, stem))
    return strips


def write_telling_clips(
    clips: Clips, item_ids: Sequence[str], outcomes: Outcomes, folder: Path
) -> list[ClipStrip]:
    """Clips that one arm nearly always gets right and the other mostly wrong, the clearest first.

    item_ids: of all N clips. At most one strip for each direction, none where no clip differs by half.
    """
    index = {item: position for position, item in enumerate(item_ids)}
    ahead = outcomes.right_pretrained - outcomes.right_random
    strips = []
    for sign, stem, title in (
        (1, "right-with-pretraining", "Right with pretraining, wrong without"),
        (-1, "wrong-with-pretraining", "Wrong with pretraining, right without"),
    ):
        order = np.argsort(-sign * ahead, kind="stable")
        telling = [int(item) for item in order if sign * ahead[item] >= CLEAR]
        mistaken = outcomes.mistaken_random if sign > 0 else outcomes.mistaken_pretrained
        shown = telling[:ACROSS]
        if shown:
            picked = [index[outcomes.item_ids[item]] for item in shown]
            captions = [
                (outcomes.classes[outcomes.codes[item]], f"taken for {outcomes.classes[mistaken[item]]}")
                for item in shown
            ]
            own = np.concatenate([clips[position : position + 1] for position in picked])
            strips.append(_write(own, title, len(telling), captions, folder, f"clips-{stem}"))
    return strips


def slug(label: str) -> str:
    """A label as part of a file's name: lower-case ASCII letters, digits and dashes, perhaps empty.

    Different labels may have the same slug; a number in front tells their files apart.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:SLUG].rstrip("-")


def _write(
    clips: NDArray[np.uint8], title: str, items: int, captions: list[tuple[str, str]], folder: Path, stem: str
) -> ClipStrip:
    gif, sheet = folder / f"{stem}.gif", folder / f"{stem}.png"
    clips = _fitted(clips)
    moving = _thinned(clips, GIF_FRAMES)
    write_gif(gif, moving, fps=min(max(moving.shape[1] / SECONDS, 3.0), 15.0))
    Image.fromarray(contact_sheet(_thinned(clips, SHEET_FRAMES))).save(sheet)
    with Image.open(gif) as animation, Image.open(sheet) as still:
        return ClipStrip(title, items, len(clips), captions, gif.name, animation.size, sheet.name, still.size)


def _thinned(clips: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    """(n, at most `frames`, H, W, 3): frames evenly spaced, first and last among them."""
    count = clips.shape[1]
    return clips if count <= frames else clips[:, np.linspace(0, count - 1, frames).round().astype(int)]


def _fitted(clips: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, T, H, W, 3) with sides of at most SIDE pixels: averaged over areas, or each pixel a whole square."""
    count, frames, height, width, _ = clips.shape
    scale = SIDE / max(height, width)
    if scale >= 1:
        return clips.repeat(int(scale), axis=2).repeat(int(scale), axis=3)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in clips.reshape(-1, height, width, 3)]
    return np.stack(small).reshape(count, frames, size[1], size[0], 3)
