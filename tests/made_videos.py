"""Small videos of two classes for tests: a bright disc that moves across, to the right or down, on a dark ground."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

FOURCC = {".avi": "FFV1", ".mkv": "FFV1", ".mp4": "mp4v", ".mov": "mp4v", ".webm": "VP90"}


def disc_clip(label: str, seed: int = 0, frames: int = 6, height: int = 24, width: int = 32) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB; label: `right` or `down`. seed: of the place and the colour."""
    rng = np.random.default_rng(seed)
    clip = np.zeros((frames, height, width, 3), np.uint8)
    start, end = 4.0, (width if label == "right" else height) - 5.0
    across = rng.uniform(6, (height if label == "right" else width) - 6)
    for frame, along in zip(clip, np.linspace(start, end, frames), strict=True):
        x, y = (along, across) if label == "right" else (across, along)
        cv2.circle(frame, (round(x), round(y)), 3, (249 - seed, 115, 22), -1)
    return clip


def write_video(path: Path, clip: np.ndarray, rate: float = 12.5) -> Path:
    """Write (T, H, W, 3) uint8 RGB; .avi and .mkv are lossless, and so is .gif for up to 256 colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        pictures = [Image.fromarray(frame).quantize(256) for frame in clip]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=round(1000 / rate), loop=0)
        return path
    height, width = clip.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*FOURCC[path.suffix]), rate, (width, height))
    assert writer.isOpened()
    for frame in clip:
        writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
    writer.release()
    return path


def write_folder(folder: Path, count: int = 12, ending: str = ".avi") -> list[np.ndarray]:
    """`count` videos in the sub-folders `down` and `right`; returns the clips in the order of their names."""
    clips = {}
    for index in range(count):
        label = ("right", "down")[index % 2]
        name = f"{label}/{index:03d}{ending}"
        clips[name] = disc_clip(label, index)
        write_video(folder / name, clips[name])
    return [clips[name] for name in sorted(clips)]
