"""Strips of clips: which ones are shown, how they are fitted, and what their files are called.

Clips are flat grey with the item's number as their value, so that a picture tells which item it shows.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trajprobe.report.clips import slug, write_class_clips, write_telling_clips
from trajprobe.report.outcomes import Outcomes
from trajprobe.video.store import Clips, open_clips, write_clips


def stored(folder: Path, items: int, frames: int = 3, side: int = 128) -> Clips:
    values = np.arange(items, dtype=np.uint8)[:, None, None, None, None] * 8
    clips = np.broadcast_to(values, (items, frames, side, side, 3)).copy()
    write_clips(folder / "videos.zarr", clips.shape, [clips])
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
    write_clips(tmp_path / "videos.zarr", clips.shape, [clips])
    (strip,) = write_class_clips(open_clips(tmp_path / "videos.zarr"), ["a"], ["a"], 1, tmp_path)
    with Image.open(tmp_path / strip.sheet) as sheet:
        columns = np.asarray(sheet)[5, 5::130, 0] // 4
    assert list(columns) == [0, 9, 18, 27, 36, 45, 54, 63]
    with Image.open(tmp_path / strip.gif) as animation:
        assert animation.n_frames == 32


def telling(right: list[float], without: list[float]) -> Outcomes:
    count = len(right)
    return Outcomes(
        encoder="e",
        classes=["x", "y"],
        item_ids=[f"i{n}" for n in range(count)],
        codes=np.arange(count) % 2,
        pretrained=np.eye(2),
        random=np.eye(2),
        right_pretrained=np.array(right),
        right_random=np.array(without),
        mistaken_pretrained=1 - np.arange(count) % 2,
        mistaken_random=1 - np.arange(count) % 2,
        inits=2,
        folds=2,
        repeats=1,
    )


def test_the_clearest_differences_are_shown_in_both_directions(tmp_path: Path) -> None:
    seen = telling([1, 1, 0, 1, 1], [0.5, 0, 1, 0.9, 0.2])
    ids = ["other", *seen.item_ids]  # the first clip was never held out
    better, worse = write_telling_clips(stored(tmp_path, 6), ids, seen, tmp_path)
    assert shown(tmp_path, better.sheet, better.shown) == [2, 5, 1]
    assert better.captions == [("y", "taken for x"), ("x", "taken for y"), ("x", "taken for y")]
    assert shown(tmp_path, worse.sheet, worse.shown) == [3]
    assert (better.items, worse.items) == (3, 1)


def test_arms_that_agree_have_no_telling_clips(tmp_path: Path) -> None:
    seen = telling([1, 0.6], [0.6, 0.2])
    assert write_telling_clips(stored(tmp_path, 2), seen.item_ids, seen, tmp_path) == []


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


def test_labels_with_one_slug_keep_apart(tmp_path: Path) -> None:
    classes = ["軌", "跡", "a b", "a-b"]
    strips = write_class_clips(stored(tmp_path, 4, side=16), classes, classes, 1, tmp_path)
    assert [s.sheet for s in strips] == ["clips-1.png", "clips-2.png", "clips-3-a-b.png", "clips-4-a-b.png"]
