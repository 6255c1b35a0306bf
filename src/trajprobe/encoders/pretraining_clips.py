"""What the embedded default is pretrained on: clips of every synthetic family, unlabelled, seen and drawn in many ways.

They depend on the recipe's seed alone and on nothing in params.yaml, so one pretraining serves every study. Items
are counted from a number that no study reaches, so that none of them is ever probed, whatever its seed.
"""

import numpy as np

from trajprobe.params.study import Camera, Clutter, Render, Synthesis
from trajprobe.trajectories.families import FAMILIES
from trajprobe.trajectories.synthesis import sample_item
from trajprobe.video.rendering import render_clip

FIRST = 2**40  # index of the first clip
SIZE = 128  # pixels; as large as the default study draws, then averaged down alike


def pretraining_clips(seed: int, start: int, count: int, frames: int) -> np.ndarray:
    """Clips `start` to `start + count` of the endless sequence of `seed`: (count, frames, SIZE, SIZE, 3) uint8."""
    return np.stack([_clip(seed, FIRST + index, frames) for index in range(start, start + count)])


def _clip(seed: int, index: int, frames: int) -> np.ndarray:
    rng = np.random.default_rng([seed, index])
    names = sorted(FAMILIES)
    family = FAMILIES[names[rng.integers(len(names))]]
    synthesis = Synthesis(
        families=names,
        per_class=2,
        points=[32, 64],
        speed=[0.5, 1.5],
        noise=rng.uniform(0.0, 0.04),
        orientation="random",
        seed=seed,
    )
    times, points = sample_item(family, index, synthesis)
    return render_clip(points, times, _look(rng, seed, frames), index)


def _look(rng: np.random.Generator, seed: int, frames: int) -> Render:
    """How one clip is drawn: any view, trail, thickness, and colours; bright on dark three times out of four."""
    dark = rng.random() < 0.75
    ink, paper = ((60, 256), (0, 50)) if dark else ((0, 160), (215, 256))
    return Render(
        frames=frames,
        size=SIZE,
        content="trajectories",
        view="3d",
        camera=Camera(azimuth=[-180.0, 180.0], elevation=[-80.0, 80.0], projection="orthographic"),
        margin=rng.uniform(0.05, 0.2),
        trail=("whole", "whole", "fading", "none")[rng.integers(4)],
        line_width=rng.uniform(1.5, 3.0),
        marker_radius=rng.uniform(2.5, 5.5),
        line_colour=_colour(rng, ink),
        marker_colour=_colour(rng, ink),
        background=_colour(rng, paper),
        clutter=Clutter(static=0, moving=0, transient=0, shapes=["circle"]),
        noise=0.0,
        seed=seed,
    )


def _colour(rng: np.random.Generator, levels: tuple[int, int]) -> str:
    red, green, blue = rng.integers(*levels, size=3)
    return f"#{red:02x}{green:02x}{blue:02x}"
