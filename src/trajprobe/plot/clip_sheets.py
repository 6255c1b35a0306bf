"""Example clips: looping animations for the screen, and contact sheets for print and for readers who reduce motion.

For each class the first clips in the order of the trajectories are shown, without any selection. Two more strips hold
the clips on which the pretrained and the random arm differ most, one for each direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trajprobe.artifacts.clips import Clips
from trajprobe.plot.clip_pictures import (
    ACROSS,
    Pixels,
    contact_sheet,
    fitted,
    pace,
    slug,
    thinned,
    write_gif,
)
from trajprobe.plot.outcomes import Outcomes

SHEET_FRAMES = 8
GIF_FRAMES = 32
CLEAR = 0.5  # a clip is shown if one arm is correct more often than the other by at least this fraction


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


def _picked(clips: Clips, indices: Sequence[int]) -> Pixels:
    return np.concatenate([clips[index : index + 1] for index in indices])


def _write(
    clips: Pixels, title: str, items: int, captions: list[tuple[str, str]], folder: Path, stem: str
) -> ClipStrip:
    gif, sheet = folder / f"{stem}.gif", folder / f"{stem}.png"
    clips = fitted(clips)
    moving = thinned(clips, GIF_FRAMES)
    write_gif(gif, moving, fps=pace(moving.shape[1]))
    Image.fromarray(contact_sheet(thinned(clips, SHEET_FRAMES))).save(sheet)
    with Image.open(gif) as animation, Image.open(sheet) as still:
        return ClipStrip(title, items, len(clips), captions, gif.name, animation.size, sheet.name, still.size)
