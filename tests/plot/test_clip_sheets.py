"""Example clips: which ones are shown, their sheets and animations read back by Pillow, and their file names.

Most clips are flat grey with the item's number as their value, so that a picture identifies its item.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from trajprobe.artifacts.clips import Clips, open_clips, write_clips
from trajprobe.plot.clip_pictures import GUTTER, GUTTER_GREY, REST, contact_sheet, slug, write_gif
from trajprobe.plot.clip_sheets import write_class_clips, write_disagreements
from trajprobe.plot.outcomes import Outcomes, Votes


def stored(folder: Path, items: int, frames: int = 3, side: int = 128) -> Clips:
    values = np.arange(items, dtype=np.uint8)[:, None, None, None, None] * 8
    clips = np.broadcast_to(values, (items, frames, side, side, 3)).copy()
    write_clips(folder / "videos.zarr", clips.shape, [clips], items="", drawn={})
    return open_clips(folder / "videos.zarr")


def shown(folder: Path, sheet: str, rows: int) -> list[int]:
    """The item in each row of a sheet."""
    with Image.open(folder / sheet) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    height = (pixels.shape[0] + 2) // rows
    return [int(pixels[row * height + height // 2, 5, 0]) // 8 for row in range(rows)]


def test_the_first_clips_of_each_class_are_shown(tmp_path: Path) -> None:
    labels = ["b", "a", "b", "b", "a", "b"]
    strips = write_class_clips(stored(tmp_path, 6), labels, ["a", "b", "unseen"], 3, tmp_path)
    assert [(s.title, s.items, s.shown) for s in strips] == [("a", 2, 2), ("b", 4, 3)]
    assert [s.gif for s in strips] == ["clips-1-a.gif", "clips-2-b.gif"]
    assert [shown(tmp_path, s.sheet, s.shown) for s in strips] == [[1, 4], [0, 2, 3]]
    for strip in strips:
        for name, size in ((strip.gif, strip.gif_size), (strip.sheet, strip.sheet_size)):
            with Image.open(tmp_path / name) as picture:
                assert picture.size == size
    with Image.open(tmp_path / strips[0].gif) as animation:
        assert animation.n_frames == 1 or animation.n_frames == 3  # equal frames may be merged


@pytest.mark.parametrize(("side", "expected"), [(16, 128), (50, 100), (128, 128), (224, 128)])
def test_clips_are_fitted_to_the_page(side: int, expected: int, tmp_path: Path) -> None:
    (strip,) = write_class_clips(stored(tmp_path, 2, side=side), ["a", "a"], ["a"], 2, tmp_path)
    assert strip.gif_size == (2 * expected + 2, expected)
    assert shown(tmp_path, strip.sheet, 2) == [0, 1]


def test_long_clips_are_thinned_out_evenly(tmp_path: Path) -> None:
    frames = 64
    clips = np.zeros((1, frames, 128, 128, 3), np.uint8)
    clips[0] = (np.arange(frames, dtype=np.uint8) * 4)[:, None, None, None]
    write_clips(tmp_path / "videos.zarr", clips.shape, [clips], items="", drawn={})
    (strip,) = write_class_clips(open_clips(tmp_path / "videos.zarr"), ["a"], ["a"], 1, tmp_path)
    with Image.open(tmp_path / strip.sheet) as sheet:
        columns = np.asarray(sheet)[5, 5::130, 0] // 4
    assert list(columns) == [0, 9, 18, 27, 36, 45, 54, 63]
    with Image.open(tmp_path / strip.gif) as animation:
        assert animation.n_frames == 32


def outcomes(pretrained: list[int], random: list[int]) -> Outcomes:
    """Items of the classes x, y, x, …, and how often of ten each arm predicts the right one."""
    y = np.arange(len(pretrained)) % 2

    def votes(correct: list[int]) -> Votes:
        counts = np.empty((len(y), 2), np.int64)
        counts[np.arange(len(y)), y] = correct
        counts[np.arange(len(y)), 1 - y] = 10 - np.array(correct)
        return Votes(y, counts)

    ids = [f"i{number}" for number in range(len(y))]
    return Outcomes(["x", "y"], ids, votes(pretrained), votes(random), inits=2, folds=2, repeats=1)


def test_the_clearest_differences_are_shown_in_both_directions(tmp_path: Path) -> None:
    seen = outcomes([10, 10, 0, 10, 10], [5, 0, 10, 9, 2])
    ids = ["other", *seen.item_ids]  # the first clip was never held out
    better, worse = write_disagreements(stored(tmp_path, 6), ids, seen, tmp_path)
    assert shown(tmp_path, better.sheet, better.shown) == [2, 5, 1]
    assert better.captions == [("y", "predicted x"), ("x", "predicted y"), ("x", "predicted y")]
    assert shown(tmp_path, worse.sheet, worse.shown) == [3]
    assert (better.items, worse.items) == (3, 1)


def test_arms_that_agree_have_no_strips(tmp_path: Path) -> None:
    seen = outcomes([10, 6], [6, 2])
    assert write_disagreements(stored(tmp_path, 2), seen.item_ids, seen, tmp_path) == []


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Curved Swing", "curved-swing"),
        ("../../etc", "etc"),
        ("Zürich é", "zurich-e"),
        ("軌跡", ""),
        ("a" * 99, "a" * 40),
    ],
)
def test_labels_make_harmless_file_names(label: str, name: str) -> None:
    assert slug(label) == name


def test_labels_with_one_slug_have_different_files(tmp_path: Path) -> None:
    classes = ["軌", "跡", "a b", "a-b"]
    strips = write_class_clips(stored(tmp_path, 4, side=16), classes, classes, 1, tmp_path)
    assert [s.sheet for s in strips] == ["clips-1.png", "clips-2.png", "clips-3-a-b.png", "clips-4-a-b.png"]


@pytest.fixture
def clips() -> np.ndarray:
    """Eight clips of four frames, each of one colour that identifies clip and frame."""
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


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 255, (3, 5, 16, 16, 3), np.uint8)
    for name in ("a", "b"):
        write_gif(tmp_path / name, clips, fps=8)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with Image.open(tmp_path / "a") as image:
        assert image.n_frames == 5
        assert image.size == (3 * 16 + 2 * GUTTER, 16)


def test_noise_is_shown_as_well_by_the_colours_of_a_sample(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 256, (1, 4, 128, 128, 3), np.uint8)
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
