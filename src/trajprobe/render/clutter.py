"""What makes a clip harder: distractors beneath the path, and pixel noise.

Distractors are small shapes in muted colours. A static one stays in place, a moving one goes straight at constant speed
and bounces off the border, a transient one is visible for up to half of the frames. Everything is drawn from the item's
own generator, so a clip does not depend on the other items.
"""

import colorsys
from collections.abc import Callable

import numpy as np

from trajprobe.render.params import RenderParams
from trajprobe.render.raster import disc, rgb, stamp

RADII = (0.03, 0.07)  # of distractors, as fractions of the frame's side
TRAVEL = (0.4, 1.0)  # the distance that a moving one covers during the clip, likewise
MUTED = 0.5  # the fraction of the background in a distractor's colour
NOISE_MEAN = 127.5  # grey levels, of a clip of noise alone
NOISE_SD = 64.0  # likewise; a twentieth of the values are clipped at 0 or 255

# Outlines in pixels about the origin, and the value of each: 255 adds to the shape, 0 cuts out of it.
Stencil = tuple[list[np.ndarray], list[int]]


def draw_backgrounds(
    render: RenderParams, rng: np.random.Generator, picture: np.ndarray | None = None
) -> np.ndarray:
    """(T, S, S, 3) uint8: the background and the distractors of each frame. Read-only if nothing moves.

    picture: (S, S, 3) uint8 beneath the distractors; None for the colour `render.background`.
    """
    if picture is None:
        ground = rgb(render.background)
        row = np.tile(ground, (render.size, 1))
        still = np.full((render.size, *row.shape), row)
    else:
        ground = picture.mean(axis=(0, 1))
        still = picture.copy()
    clutter = render.clutter
    for _ in range(clutter.static):
        stamp_distractor, place = _distractor(render, rng, ground)
        stamp_distractor(still, place)
    shape = (render.frames, *still.shape)
    if not clutter.moving and not clutter.transient:
        return np.broadcast_to(still, shape)
    frames = np.broadcast_to(still, shape).copy()
    for _ in range(clutter.moving):
        stamp_distractor, place = _distractor(render, rng, ground)
        heading, distance = rng.uniform(0, 2 * np.pi), rng.uniform(*TRAVEL)
        step = distance * np.array([np.cos(heading), np.sin(heading)])
        for frame, elapsed in zip(frames, np.linspace(0, 1, render.frames), strict=True):
            stamp_distractor(frame, 1 - np.abs(1 - (place + elapsed * step) % 2))  # a triangle wave bounces
    for _ in range(clutter.transient):
        stamp_distractor, place = _distractor(render, rng, ground)
        length = rng.integers(1, max(1, render.frames // 2), endpoint=True)
        first = rng.integers(0, render.frames - length, endpoint=True)
        for frame in frames[first : first + length]:
            stamp_distractor(frame, place)
    return frames


def add_noise(clip: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """`clip` (T, H, W, 3) uint8 plus Gaussian noise of `sd` grey levels in every value, rounded and clipped."""
    noisy = rng.standard_normal(clip.shape, dtype=np.float32)
    noisy *= np.float32(sd)
    noisy += clip
    return np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy).astype(np.uint8)


def noise_clip(render: RenderParams, rng: np.random.Generator) -> np.ndarray:
    """(T, S, S, 3) uint8 of Gaussian noise alone, with NOISE_MEAN and NOISE_SD."""
    shape = (render.frames, render.size, render.size, 3)
    return add_noise(np.broadcast_to(np.float32(NOISE_MEAN), shape), NOISE_SD, rng)


def _distractor(
    render: RenderParams, rng: np.random.Generator, ground: np.ndarray
) -> tuple[Callable[[np.ndarray, np.ndarray], None], np.ndarray]:
    """A random distractor: the function that draws it into a picture around a place, and its first place.

    ground: (3,) the colour, or the mean colour, of the background. Places are (2,) fractions of the frame's side.
    """
    name = render.clutter.shapes[rng.integers(len(render.clutter.shapes))]
    outlines, values = _stencil(name, rng.uniform(*RADII) * render.size)
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    outlines = [outline @ rotation for outline in outlines]
    hue, saturation, value = rng.uniform((0, 0.3, 0.45), (1, 0.7, 0.8))
    vivid = 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))
    colour = np.rint(MUTED * ground + (1 - MUTED) * vivid).astype(np.uint8)

    def stamp_at(picture: np.ndarray, place: np.ndarray) -> None:
        stamp(picture, [outline + place * render.size for outline in outlines], values, colour)

    return stamp_at, rng.uniform(0, 1, 2)


def _stencil(name: str, radius: float) -> Stencil:
    """A shape inside a disc of `radius` pixels about the origin."""
    if name == "circle":
        return [disc(radius)], [255]
    if name == "ring":
        return [disc(radius), disc(0.55 * radius)], [255, 0]
    if name == "square":
        return [_polygon(radius, 4)], [255]
    if name == "triangle":
        return [_polygon(radius, 3)], [255]
    bar = radius * np.array([[-0.95, -0.3], [0.95, -0.3], [0.95, 0.3], [-0.95, 0.3]])
    return [bar, bar[:, ::-1]], [255, 255]


def _polygon(radius: float, corners: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(corners) / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
