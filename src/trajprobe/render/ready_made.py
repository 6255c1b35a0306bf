"""Ready-made clips instead of drawn paths: frames chosen evenly, each resized into a square.

Frame k of T shows the frame nearest to k / (T - 1) of the clip's duration, as a drawn clip would; a clip of one frame
shows the last. A frame keeps its proportions: it is resized until its longer side fits (by the mean of the area that a
pixel covers, or bilinearly if it grows), and the bars at its shorter side are black. So nothing is cut off, and a
square frame of the right size keeps its bytes. Of the params only `frames`, `size`, `noise` and `seed` apply.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from trajprobe.artifacts.trajectories import ReadyClips
from trajprobe.core.errors import UserError
from trajprobe.core.parallel import bounded_map, worker_count
from trajprobe.render.clutter import add_noise
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import NOISE
from trajprobe.videos.clip_array import ClipLayout
from trajprobe.videos.container import BadVideo
from trajprobe.videos.npy_stream import open_rows
from trajprobe.videos.video_archive import open_videos
from trajprobe.videos.video_file import read_video

Job = Callable[[], np.ndarray]  # makes the clip of one item


def frame_positions(frames: int, wanted: int) -> list[int]:
    """The `wanted` frames of a clip of so many `frames`, ascending; some are repeated if there are fewer."""
    if wanted == 1:
        return [frames - 1]
    steps = 2 * (wanted - 1)
    return [(2 * k * (frames - 1) + wanted - 1) // steps for k in range(wanted)]


def letterbox(frame: np.ndarray, size: int) -> np.ndarray:
    """A frame (H, W, 3) uint8 resized into (size, size, 3), in the middle between black bars."""
    height, width = frame.shape[:2]
    longer = max(height, width)
    new_height, new_width = (max(1, round(side * size / longer)) for side in (height, width))
    if (new_height, new_width) != (height, width):
        method = cv2.INTER_AREA if size < longer else cv2.INTER_LINEAR
        frame = cv2.resize(frame, (new_width, new_height), interpolation=method)
    picture = np.zeros((size, size, 3), np.uint8)
    top, left = (size - new_height) // 2, (size - new_width) // 2
    picture[top : top + new_height, left : left + new_width] = frame
    return picture


def ready_clips(
    clips: ReadyClips, folder: Path, render: RenderParams, workers: int | None = None
) -> Iterator[np.ndarray]:
    """The N clips in order, in batches (1, T, S, S, 3) uint8 with T = render.frames and S = render.size.

    folder: of the source, in which the files lie. workers: threads (None: one for each core); the bytes do not depend
    on them, and there are at most workers + 1 clips in memory. Raises UserError if a file is missing or damaged.
    """
    workers = worker_count(workers)

    def finish(job: tuple[int, Job]) -> np.ndarray:
        index, make = job
        clip = make()
        if render.noise > 0:
            clip = add_noise(clip, render.noise, np.random.default_rng([render.seed, index, NOISE]))
        return clip[None]

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the parallelism is over clips
    try:
        with TemporaryDirectory() as scratch:
            yield from bounded_map(finish, enumerate(_jobs(clips, folder, render, Path(scratch))), workers)
    finally:
        cv2.setNumThreads(before)


def _jobs(clips: ReadyClips, folder: Path, render: RenderParams, scratch: Path) -> Iterator[Job]:
    """The jobs of all items in order, from one file after the other."""
    split = [place.partition("/") for place in clips.places]
    items = [(file, place, frames) for (file, _, place), frames in zip(split, clips.frames, strict=True)]
    for file, own in groupby(items, key=lambda item: item[0]):
        path = folder / file
        if not path.is_file():
            raise UserError(
                f"{path}: is missing, and its clips were imported; `dvc pull {path}.dvc` fetches it"
            )
        places, frames = zip(*((place, frames) for _, place, frames in own), strict=True)
        if file in clips.scales:
            yield from _from_array(path, places, clips.scales[file], render)
        else:
            yield from _from_videos(path, places, frames, render, scratch)


def _from_array(path: Path, places: Sequence[str], scale: str, render: RenderParams) -> Iterator[Job]:
    name = places[0].rpartition("/")[0]
    rows = [int(place.rpartition("/")[2]) for place in places]
    with open_rows(path, name) as stream:
        layout = ClipLayout(stream.shape)
        positions = frame_positions(layout.frames, render.frames)
        for row in stream.rows(rows):

            def make(row: np.ndarray = row) -> np.ndarray:
                frames = layout.frames_of(row, positions, scale)
                return np.stack([letterbox(frame, render.size) for frame in frames])

            yield make


def _from_videos(
    path: Path, names: Sequence[str], frames: Sequence[int], render: RenderParams, scratch: Path
) -> Iterator[Job]:
    with open_videos(path) as archive:
        for number, (name, count) in enumerate(zip(names, frames, strict=True)):
            video = archive.unpack(name, scratch / str(number))

            def make(video: Path = video, name: str = name, count: int = count) -> np.ndarray:
                shown = read_video(video, frame_positions(count, render.frames))
                try:
                    return np.stack([letterbox(frame, render.size) for frame in shown])
                except BadVideo as reason:
                    raise UserError(f"{path}: {name}: {reason}") from None
                finally:
                    video.unlink()

            yield make


def describe_ready(clips: ReadyClips, render: RenderParams) -> str:
    """What was done to the clips, for the user."""
    short = sum(frames < render.frames for frames in clips.frames)
    repeated = f"; {short} clips have fewer frames, which are repeated" if short else ""
    return (
        f"ready-made clips: frames chosen evenly, resized, black bars beside them unless they are square{repeated}; "
        "of the section `render` only frames, size, noise and seed apply"
    )
