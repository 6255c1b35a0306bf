"""A file written piece by piece is one that the safetensors package reads, the same bytes for the same content."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from trajprobe.core.tensor_file import create_tensor_file

ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.arange(4, dtype=np.float16),
    "scalar": np.array(2.5),
    "empty": np.zeros((0, 3), np.float32),
    "counts": np.array([1, -2, 3], np.int64),
    "mask": np.array([True, False]),
}


def write(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> bytes:
    layout = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    with create_tensor_file(path, layout, metadata) as put:
        for name, array in arrays.items():
            put(name, 0, array)
    return path.read_bytes()


def test_the_package_reads_what_was_written(tmp_path: Path) -> None:
    written = write(tmp_path / "some", ARRAYS)
    found = load_file(tmp_path / "some")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert write(tmp_path / "again", dict(reversed(ARRAYS.items()))) == written
    halves = {name: ARRAYS[name] for name in "ab"}  # the package's own layout
    save_file(halves, tmp_path / "theirs")
    assert write(tmp_path / "ours", halves) == (tmp_path / "theirs").read_bytes()


def test_metadata_stands_in_the_header(tmp_path: Path) -> None:
    written = write(tmp_path / "file", {"a": ARRAYS["b"]}, {"key": "value"})
    length = int.from_bytes(written[:8], "little")
    assert written[8:].startswith(
        b'{"__metadata__":{"key":"value"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    )
    assert (8 + length) % 8 == 0


@given(st.integers(1, 40), st.integers(1, 9))
def test_pieces_in_any_order_give_the_same_file(count: int, piece: int) -> None:
    values = np.random.default_rng(count).standard_normal(count)  # float64, stored as float32
    with tempfile.TemporaryDirectory() as folder:
        whole = write(Path(folder) / "whole", {"a": values.astype(np.float32)})
        with create_tensor_file(Path(folder) / "pieces", {"a": ("float32", (count,))}) as put:
            for start in reversed(range(0, count, piece)):
                put("a", start, values[start : start + piece])
        assert (Path(folder) / "pieces").read_bytes() == whole


def test_a_gap_or_a_value_outside_is_a_defect_and_leaves_no_file(tmp_path: Path) -> None:
    layout = {"a": ("float32", (2, 2)), "b": ("float32", (3,))}
    for start, size, message in (
        (0, 3, "4 values were not written"),
        (2, 3, "3 values from 2 on, but it has 4"),
    ):
        with (
            pytest.raises(ValueError, match=message),
            create_tensor_file(tmp_path / "file", layout) as put,
        ):
            put("a", start, np.zeros(size))
    assert not list(tmp_path.iterdir())
