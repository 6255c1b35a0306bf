"""One video per item, packed into a .zip: .mp4, .mov, .avi, .gif, .webm and the like.

Every video is decoded once, which counts its frames. The id of an item is the file's path without its ending; its label
is the last folder above the file, a part of the file's name, or in a second file.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from trajprobe.artifacts.source_card import VideosCard
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.core.parallel import bounded_map, worker_count
from trajprobe.core.progress import progress
from trajprobe.trajectories.sources.item_files import EPOCH, has_item_files, label_from_names, pack
from trajprobe.trajectories.sources.parsed import NO_PATH, ItemClip, Raw
from trajprobe.videos.container import ENDINGS, BadVideo
from trajprobe.videos.video_archive import VideoArchive, is_video, open_videos, pack_videos, video_id
from trajprobe.videos.video_file import VideoFacts, inspect_video


def pack_folder(folder: Path, archive: Path, labels: Path | None, form: str | None) -> None:
    """Pack the videos of a folder and its sub-folders, or its tables or JSON files; equal folders give equal bytes.

    labels: a file of labels, which may lie among them. form: `videos` or `files` if both are there. Raises UserError if
    there is neither, or both and no `form`.
    """
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    videos = sorted(name for name in names if is_video(name))
    if videos and form is None and has_item_files(folder, labels):
        raise UserError(
            f"{folder}: contains {len(videos)} videos, and tables or JSON files; choose by --format videos or "
            "--format files, or name the table of the labels by --labels"
        )
    if form == "videos" and not videos:
        raise UserError(f"{folder}: contains no {', '.join(ENDINGS)} files")
    if videos and form != "files":
        pack_videos(folder, videos, archive, EPOCH)
    else:
        pack(folder, archive, labels)


def read_video_files(path: Path, card: VideosCard) -> Raw:
    """The items, in the order of their paths; a video that cannot be used is a defect of its item.

    Raises UserError if the .zip cannot be read, contains no video, or leads out of its folder.
    """
    clips: list[ItemClip] = []
    facts: list[VideoFacts] = []
    defects: dict[int, str] = {}
    with open_videos(path) as archive, TemporaryDirectory() as scratch:
        if not archive.names:
            raise UserError(f"{path}: contains no {', '.join(ENDINGS)} files, one for each item")
        names = archive.names
        with progress("decode", len(names), "videos") as advance:
            found = bounded_map(_inspect, _unpacked(archive, Path(scratch)), worker_count())
            for index, (name, (digest, result)) in enumerate(zip(names, found, strict=True)):
                if isinstance(result, VideoFacts) and result.frames < 2:
                    result = "has a single frame, of at least 2"
                if isinstance(result, str):
                    defects[index] = f"the video {result}"
                    result = VideoFacts(0, None, 0, 0)
                clips.append(ItemClip(name, result.frames, digest))
                facts.append(result)
                advance()
    raw = Raw(
        [],
        [NO_PATH] * len(names),
        times=[np.arange(each.frames) / (each.rate or 1 / card.time_step) for each in facts],
        item_ids=[video_id(name) for name in names],
        defects=defects,
        notes=_describe([each for each in facts if each.frames], card),
        clips=clips,
    )
    if card.label_file is None:
        label_from_names(raw, names, card.label_from, path)
    return raw


def _unpacked(archive: VideoArchive, scratch: Path) -> Iterator[Path]:
    for number, name in enumerate(archive.names):
        yield archive.unpack(name, scratch / str(number))


def _inspect(video: Path) -> tuple[str, VideoFacts | str]:
    """The digest of the file, which is removed, and what is in it, or what is wrong."""
    try:
        return sha256(video), inspect_video(video)
    except BadVideo as reason:
        return sha256(video), str(reason)
    finally:
        video.unlink()


def _describe(facts: Sequence[VideoFacts], card: VideosCard) -> list[str]:
    if not facts:
        return []
    sizes = Counter((each.width, each.height) for each in facts)
    listed = ", ".join(f"{width} x {height}" for (width, height), _ in sizes.most_common(3))
    notes = [f"clips: frames of {listed}{' and other sizes' if len(sizes) > 3 else ''} pixels"]
    rates = sorted({round(each.rate, 3) for each in facts if each.rate})
    without = sum(each.rate is None for each in facts)
    if rates:
        ends = f"{rates[0]:g}" if len(rates) == 1 else f"{rates[0]:g} to {rates[-1]:g}"
        notes.append(f"time: {ends} frames per second, as the files say, taken as constant")
    if without:
        notes.append(f"time: {without} videos do not say their rate; frames {card.time_step:g} s apart")
    return notes
