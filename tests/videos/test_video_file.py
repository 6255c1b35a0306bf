"""One video file. Lossless containers give the frames that were written, a lossy one frames close to them; what is no
video, is cut off, or lies in its header is one clause, and takes neither memory nor time."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from made_videos import disc_clip, write_video
from trajprobe.videos.container import BadVideo, check_container
from trajprobe.videos.video_archive import quiet_decoder
from trajprobe.videos.video_file import VideoFacts, inspect_video, read_video

CLIP = disc_clip("right", frames=7)
CODEC_ERROR = 6.0  # grey levels on average, of MPEG-4 and VP9 at their default quality


@pytest.fixture(autouse=True)
def quiet() -> None:
    with quiet_decoder():
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"


@pytest.mark.parametrize("ending", [".avi", ".mkv", ".gif"])
def test_a_lossless_video_gives_the_frames_that_were_written(ending: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{ending}", CLIP)
    assert inspect_video(path) == VideoFacts(7, 12.5, 32, 24)
    np.testing.assert_array_equal(list(read_video(path, range(7))), CLIP)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".webm"])
def test_a_lossy_video_gives_frames_close_to_those(ending: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"a{ending}", CLIP)
    assert inspect_video(path) == VideoFacts(7, 12.5, 32, 24)
    errors = np.abs(np.array(list(read_video(path, range(7))), float) - CLIP).mean(axis=(1, 2, 3))
    assert errors.max() < CODEC_ERROR
    # Each frame is nearest to its own: none is missing or repeated.
    shown = np.array(list(read_video(path, range(7))), float)
    assert [int(np.abs(CLIP - frame).mean(axis=(1, 2, 3)).argmin()) for frame in shown] == list(range(7))


def test_frames_are_chosen_and_repeated(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", CLIP)
    chosen = [0, 0, 3, 3, 6]
    np.testing.assert_array_equal(list(read_video(path, chosen)), CLIP[chosen])
    with pytest.raises(BadVideo, match=r"ends after 7 frames"):
        list(read_video(path, [2, 7]))


@pytest.mark.parametrize("ending", [".avi", ".mkv", ".gif", ".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_file_is_refused_whatever_could_be_decoded(
    ending: str, kept: float, tmp_path: Path
) -> None:
    path = write_video(tmp_path / f"a{ending}", CLIP)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(BadVideo, match=r"^is truncated: \d+ bytes, of at least \d+$"):
        inspect_video(path)
    path.write_bytes(whole)
    check_container(path)


def _avi_frames(whole: bytearray) -> None:
    """10^9 frames in both headers that count them."""
    main, stream = whole.index(b"avih") + 8, whole.index(b"strh") + 8
    whole[main + 16 : main + 20] = whole[stream + 32 : stream + 36] = struct.pack("<I", 10**9)


def _mp4_samples(whole: bytearray) -> None:
    table = whole.index(b"stsz") + 8
    whole[table : table + 8] = struct.pack(">II", 1, 10**9)


def _gif_size(whole: bytearray) -> None:
    whole[6:10] = struct.pack("<HH", 65535, 65535)


def _gif_size_that_ffmpeg_takes(whole: bytearray) -> None:
    whole[6:10] = struct.pack("<HH", 16000, 16000)


@pytest.mark.parametrize(
    ("ending", "lie", "reason"),
    [
        (".avi", _avi_frames, r"declares 1000000000 frames, of which 7 can be decoded"),
        (".mp4", _mp4_samples, r"."),
        (".gif", _gif_size, r"declares frames of 0 x 0 pixels"),
        (".gif", _gif_size_that_ffmpeg_takes, r"declares frames of 16000 x 16000 pixels; at most 67108864"),
    ],
)
def test_a_header_that_lies_is_one_clause(
    ending: str, lie: Callable[[bytearray], None], reason: str, tmp_path: Path
) -> None:
    path = write_video(tmp_path / f"a{ending}", CLIP)
    whole = bytearray(path.read_bytes())
    lie(whole)
    path.write_bytes(whole)
    with pytest.raises(BadVideo, match=reason) as caught:
        inspect_video(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello\n" * 100, r"is no video \(it begins with hello"),
        (b"#EXTM3U\n#EXTINF:10,\na.avi\n#EXT-X-ENDLIST\n", r"is no video"),  # would open another file
        (b"", r"is no video"),
        (b"\x1b[31m" + b"x" * 20, r"begins with \\x1b\[31m"),  # no escape reaches the terminal
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\2moov", r"has a broken box at byte 16"),
        (b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x10mdat" + b"\0" * 8, r"cannot be decoded"),
        (b"\x1a\x45\xdf\xa3\0", r"has a broken element"),
        (b"RIFF\x04\0\0\0AVI ", r"cannot be decoded"),
    ],
)
def test_what_is_no_video_is_one_clause(content: bytes, reason: str, tmp_path: Path) -> None:
    write_video(tmp_path / "a.avi", CLIP)
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(BadVideo, match=reason):
        inspect_video(path)
