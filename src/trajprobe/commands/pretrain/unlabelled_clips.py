"""Unlabelled clips to pretrain on: paths of every synthetic family, seen from anywhere and drawn in many ways.

They depend on a seed alone and on nothing in params.yaml, so that one pretraining serves every study. Their items are
numbered from FIRST upwards, which no study reaches: none of them is ever probed, whatever the study's seed.
"""

import numpy as np

from trajprobe.render.params import CameraParams, ClutterParams, RenderParams
from trajprobe.render.rendering import render_clip
from trajprobe.trajectories.params import SynthesisParams
from trajprobe.trajectories.synthetic.families import FAMILIES
from trajprobe.trajectories.synthetic.sampling import sample_item

FIRST = 2**40  # number of the first item
HELD_OUT = 2**32  # position in the sequence of the first clip that measures the reconstruction error
SIZE = 128  # pixels; as large as the default study draws, then averaged down in the same way


def pretraining_clips(seed: int, start: int, count: int, frames: int) -> np.ndarray:
    """Clips `start` to `start + count` of the endless sequence of `seed`: (count, frames, SIZE, SIZE, 3) uint8.

    Training reads from 0 upwards, the held-out clips begin at HELD_OUT.
    """
    return np.stack([_clip(seed, FIRST + index, frames) for index in range(start, start + count)])


def _clip(seed: int, index: int, frames: int) -> np.ndarray:
    rng = np.random.default_rng([seed, index])
    names = sorted(FAMILIES)
    family = FAMILIES[names[rng.integers(len(names))]]
    synthesis = SynthesisParams(
        families=names,
        per_class=2,
        points=[32, 64],
        speed=[0.5, 1.5],
        noise=rng.uniform(0.0, 0.04),
        orientation="random",
        seed=seed,
    )
    times, points = sample_item(family, index, synthesis)
    return render_clip(points, times, _appearance(rng, seed, frames), index)


def _appearance(rng: np.random.Generator, seed: int, frames: int) -> RenderParams:
    """How one clip is drawn: any view, trail, thickness and colours; bright on dark three times out of four."""
    dark = rng.random() < 0.75
    foreground, background = ((60, 256), (0, 50)) if dark else ((0, 160), (215, 256))
    return RenderParams(
        frames=frames,
        size=SIZE,
        content="trajectories",
        view="3d",
        camera=CameraParams(azimuth=[-180.0, 180.0], elevation=[-80.0, 80.0], projection="orthographic"),
        margin=rng.uniform(0.05, 0.2),
        trail=("whole", "whole", "fading", "none")[rng.integers(4)],
        line_width=rng.uniform(1.5, 3.0),
        marker_radius=rng.uniform(2.5, 5.5),
        line_colour=_colour(rng, foreground),
        marker_colour=_colour(rng, foreground),
        background=_colour(rng, background),
        clutter=ClutterParams(static=0, moving=0, transient=0, shapes=["circle"]),
        noise=0.0,
        seed=seed,
    )


def _colour(rng: np.random.Generator, levels: tuple[int, int]) -> str:
    red, green, blue = rng.integers(*levels, size=3)
    return f"#{red:02x}{green:02x}{blue:02x}"
