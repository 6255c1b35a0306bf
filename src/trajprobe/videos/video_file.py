"""Frames of one untrusted video file, decoded by the FFmpeg that comes with OpenCV.

Frames are counted by decoding them: what a header says of their number can be an estimate, or a lie.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from cv2.utils import logging

from trajprobe.videos.container import BadVideo, check_container

MOST_PIXELS = 2**26  # in a frame; 8192 x 8192
MOST_RATE = 1000.0  # frames per second beyond which a header is not believed


@dataclass(frozen=True)
class VideoFacts:
    """What a video has: decoded frames, frames per second (None if the file does not say), pixels."""

    frames: int
    rate: float | None
    width: int
    height: int


def inspect_video(path: Path) -> VideoFacts:
    """Decode the whole file, and say what is in it. Raises BadVideo if it is no video, damaged, or too large."""
    with _opened(path) as capture:
        rate = capture.get(cv2.CAP_PROP_FPS)
        declared = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        frames = 0
        height = width = 0
        while capture.grab():
            if frames == 0:
                height, width = _retrieved(capture).shape[:2]
            frames += 1
    if not frames:
        raise BadVideo("has no frame that can be decoded")
    if declared > 2 * frames + 1:
        raise BadVideo(f"declares {declared:.0f} frames, of which {frames} can be decoded")
    return VideoFacts(frames, rate if 0 < rate <= MOST_RATE else None, width, height)


def read_video(path: Path, positions: Sequence[int]) -> Iterator[np.ndarray]:
    """The frames at `positions`, ascending and perhaps repeated, each (H, W, 3) uint8 RGB.

    Raises BadVideo as `inspect_video` does, and if the video ends before.
    """
    with _opened(path) as capture:
        at = -1
        picture = np.empty(0, np.uint8)
        for position in positions:
            while at < position:
                if not capture.grab():
                    raise BadVideo(f"ends after {at + 1} frames")
                at += 1
                if at == position:
                    picture = _retrieved(capture)
            yield picture


def _retrieved(capture: cv2.VideoCapture) -> np.ndarray:
    decoded, picture = capture.retrieve()
    if not decoded:
        raise BadVideo("has a frame that cannot be decoded")
    return np.ascontiguousarray(picture[:, :, ::-1])


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """While it lasts, neither OpenCV nor its FFmpeg writes lines of its own about a file that cannot be read."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when FFmpeg is first used
    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    check_container(path)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise BadVideo("cannot be decoded: it is damaged, or its codec is unknown")
        width, height = (capture.get(side) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if not (width >= 1 and height >= 1 and width * height <= MOST_PIXELS):
            raise BadVideo(
                f"declares frames of {width:.0f} x {height:.0f} pixels; at most {MOST_PIXELS} are decoded"
            )
        yield capture
    except cv2.error as error:
        raise BadVideo(f"cannot be decoded ({' '.join(str(error).split())})") from None
    finally:
        capture.release()
