"""Clips in an array: every order of axes gives the same frames, every scale the same levels; and rows of a file that
need not fit into memory, against `numpy.load`."""

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest

from trajprobe.core.errors import UserError
from trajprobe.videos import npy_stream
from trajprobe.videos.clip_array import ClipLayout, axis_order, find_scale, to_bytes
from trajprobe.videos.npy_stream import open_rows

RNG = np.random.default_rng(0)
CLIPS = RNG.integers(0, 256, (4, 5, 6, 7, 3), dtype=np.uint8)  # N, T, H, W, 3


def shown(array: np.ndarray, scale: str = "bytes") -> np.ndarray:
    layout = ClipLayout(array.shape)
    return np.array([list(layout.frames_of(clip, range(layout.frames), scale)) for clip in array])


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (0, 4, 1, 2, 3), (0, 1, 4, 2, 3)])
def test_the_axes_are_found(order: tuple[int, ...]) -> None:
    array = CLIPS.transpose(order)
    layout = ClipLayout(array.shape)
    assert (layout.count, layout.frames, layout.height, layout.width, layout.channels) == (4, 5, 6, 7, 3)
    np.testing.assert_array_equal(shown(array), CLIPS)


def test_grey_clips_have_equal_channels() -> None:
    grey = CLIPS[..., 0]
    for array in (grey, grey[..., None], grey[:, None], grey[:, :, None]):
        np.testing.assert_array_equal(shown(array), np.repeat(grey[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((4, 3, 3, 6, 7), r"either \(N, 3, T, H, W\) or \(N, T, 3, H, W\)"),
        ((4, 6, 7, 3), r"images \(N, H, W, C\)"),
        ((4, 5, 6, 7, 4), r"no order of axes"),
        ((4, 5, 6), r"no order of axes"),
    ],
)
def test_an_order_that_is_not_certain_is_refused(shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        axis_order(shape)


def test_the_order_with_frames_to_show_wins() -> None:
    assert axis_order((4, 1, 3, 6, 7)) == "NCTHW"  # three grey frames, not one in colour
    assert axis_order((4, 3, 6, 7, 3)) == "NTHWC"  # no picture is three pixels wide


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_give_the_levels_that_they_were_made_of(dtype: type) -> None:
    levels = np.arange(256, dtype=np.uint8)
    unit, signed = (levels / 255).astype(dtype), (levels / 127.5 - 1).astype(dtype)
    for values, scale in ((unit, "unit"), (signed, "signed")):
        assert find_scale(values.dtype, float(values.min()), float(values.max()), "here") == scale
        np.testing.assert_array_equal(to_bytes(values, scale), levels)
    np.testing.assert_array_equal(to_bytes(np.array([-0.0005, 1.0005]), "unit"), [0, 255])


@pytest.mark.parametrize(
    ("dtype", "low", "high", "found"),
    [
        ("float32", 0, 255, r"got float32 from 0 to 255; save them as uint8"),
        ("float32", -2.1, 2.6, r"got float32 from -2.1 to 2.6; scale them"),
        ("int64", 0, 1, r"got int64 from 0 to 1; scale them"),
        ("float64", -0.01, 1.02, r"from -0.01 to 1.02"),
    ],
)
def test_any_other_range_is_refused_as_found(dtype: str, low: float, high: float, found: str) -> None:
    with pytest.raises(UserError, match=f"^here: must be uint8, or floats .*{found}"):
        find_scale(np.dtype(dtype), low, high, "here")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed, np.save])
def test_rows_are_those_that_numpy_loads(save: object, tmp_path: Path) -> None:
    path = tmp_path / ("a.npy" if save is np.save else "a.npz")
    if save is np.save:
        np.save(path, CLIPS)
    else:
        save(path, other=np.zeros(3), videos=CLIPS)  # type: ignore[operator]
    for wanted in itertools.chain([[0, 1, 2, 3]], itertools.combinations(range(4), 2)):
        with open_rows(path, "videos") as stream:
            assert stream.shape == CLIPS.shape
            np.testing.assert_array_equal(list(stream.rows(wanted)), CLIPS[list(wanted)])


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, videos=np.zeros((50, 8, 32, 32, 3), np.uint8))
    monkeypatch.setattr(npy_stream, "BOMB", 10_000)
    with pytest.raises(
        UserError, match=r"a.npz: videos: unpacks from \d+ to \d+ bytes; refused, .* numpy.savez"
    ):
        open_rows(path, "videos").__enter__()


def test_a_header_that_declares_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 99, 640, 480, 3), }"
    with zipfile.ZipFile(path, "w") as archive:
        length = len(header) + 1
        archive.writestr(
            "videos.npy", b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + header + b"\n" + b"x" * 9
        )
    with pytest.raises(UserError, match=r"a.npz: videos: shape .* needs 91238400000000 bytes, got 9"):
        open_rows(path, "videos").__enter__()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.asfortranarray(CLIPS), r"Fortran order.* numpy.ascontiguousarray"),
        (CLIPS.astype(object), r"must be numbers, got object"),
        (CLIPS[:0], r"must be numbers, got uint8 of shape \(0, "),
        (CLIPS, r"a clip of it takes 630 bytes, at most 100 are read"),
    ],
)
def test_an_array_that_cannot_be_read_by_rows_is_refused(
    array: np.ndarray, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", videos=array)
    monkeypatch.setattr(npy_stream, "MOST_ROW_BYTES", 100)
    with pytest.raises(UserError, match=reason):
        open_rows(tmp_path / "a.npz", "videos").__enter__()


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, videos=np.repeat(CLIPS, 100, axis=0))
    whole = bytearray(path.read_bytes())
    at = len(whole) * 9 // 10
    whole[at : at + 20] = bytes(20)
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"a.npz: videos: is damaged"), open_rows(path, "videos") as stream:
        list(stream.rows(range(400)))
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"a.npz: cannot be read"):
        open_rows(path, "videos").__enter__()
