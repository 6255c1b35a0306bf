"""Contact sheets and animations: every picture stands where it should, read back by Pillow, the same bytes twice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from trajprobe.video.sheet import GUTTER, GUTTER_GREY, REST, contact_sheet, write_gif


@pytest.fixture
def clips(rng: np.random.Generator) -> np.ndarray:
    """Eight clips of four frames, each in one colour that tells clip and frame."""
    colours = np.zeros((8, 4, 1, 1, 3), np.uint8)
    colours[..., 0] = (30 * np.arange(8))[:, None, None, None]
    colours[..., 1] = (60 * np.arange(4))[None, :, None, None]
    return np.broadcast_to(colours, (8, 4, 10, 12, 3)).copy()


def test_rows_are_clips_and_columns_are_frames(clips: np.ndarray) -> None:
    sheet = contact_sheet(clips)
    assert sheet.shape == (8 * 10 + 7 * GUTTER, 4 * 12 + 3 * GUTTER, 3)
    for item in range(8):
        for frame in range(4):
            top, left = item * (10 + GUTTER), frame * (12 + GUTTER)
            np.testing.assert_array_equal(sheet[top : top + 10, left : left + 12], clips[item, frame])
    assert (sheet[10 : 10 + GUTTER] == GUTTER_GREY).all()


def test_an_animation_shows_all_clips_and_rests_at_the_end(tmp_path: Path, clips: np.ndarray) -> None:
    write_gif(tmp_path / "a.gif", clips, fps=4)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 0
        assert image.size == (6 * 12 + 5 * GUTTER, 2 * 10 + GUTTER)  # a second row for the last two
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")).astype(int))
            durations.append(frame.info["duration"])
    assert durations == [250, 250, 250, REST * 250]
    for number, frame in enumerate(frames):
        assert np.abs(frame[:10, :12] - clips[0, number]).max() <= 4
        assert np.abs(frame[10 + GUTTER :, 12 + GUTTER : 24 + GUTTER] - clips[7, number]).max() <= 4
        assert np.abs(frame[10 + GUTTER :, 24 + GUTTER :] - GUTTER_GREY).max() <= 4  # nothing there


def test_the_same_clips_give_the_same_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    clips = rng.integers(0, 255, (3, 5, 16, 16, 3), np.uint8)
    for name in ("a", "b"):
        write_gif(tmp_path / name, clips, fps=8)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with Image.open(tmp_path / "a") as image:
        assert image.n_frames == 5
        assert image.size == (3 * 16 + 2 * GUTTER, 16)


def test_noise_is_shown_as_well_by_the_colours_of_a_sample(tmp_path: Path, rng: np.random.Generator) -> None:
    clips = rng.integers(0, 256, (1, 4, 128, 128, 3), np.uint8)
    write_gif(tmp_path / "a.gif", clips, fps=4)
    whole = Image.fromarray(np.concatenate(clips[0])).quantize(256, method=Image.Quantize.MEDIANCUT)
    with Image.open(tmp_path / "a.gif") as image:
        for number, frame in enumerate(ImageSequence.Iterator(image)):
            best = Image.fromarray(clips[0, number]).quantize(palette=whole, dither=Image.Dither.NONE)
            found, least = (
                np.abs(np.asarray(each.convert("RGB"), int) - clips[0, number]).mean()
                for each in (frame, best)
            )
            assert found < 1.05 * least


def test_a_still_is_an_animation_of_one_frame(tmp_path: Path, clips: np.ndarray) -> None:
    write_gif(tmp_path / "a.gif", clips[:1, :1], fps=4)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == 1
