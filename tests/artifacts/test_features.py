"""The features file against the safetensors package as an independent reader; the same bytes for the same content."""

import errno
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from trajprobe.artifacts.features import (
    create_features,
    is_blind,
    is_confounded,
    read_features,
    write_features,
)
from trajprobe.core.errors import UserError

METADATA = {"items": "ab" * 32, "layers": ["mid", "latent"], "seeds": [0, 1], "card": {"name": "tiny"}}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "random/mid/mean": rng.standard_normal((2, 5, 3)).astype(np.float32),
        "pretrained/mid/mean": rng.standard_normal((5, 3)).astype(np.float32),
        "pretrained/latent/mean": rng.standard_normal((5, 1)),
    }


def test_safetensors_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "features" / "tiny.safetensors"
    write_features(path, arrays(), METADATA)
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["trajprobe"]) == METADATA
        for name, array in arrays().items():
            assert file.get_tensor(name).dtype == np.float32
            np.testing.assert_array_equal(file.get_tensor(name), array.astype(np.float32))
    features = read_features(path)
    assert features.metadata == METADATA
    assert list(features.arrays) == sorted(arrays())
    np.testing.assert_array_equal(features.arrays["random/mid/mean"], arrays()["random/mid/mean"])


def test_the_order_of_arrays_and_keys_does_not_change_a_byte(tmp_path: Path) -> None:
    write_features(tmp_path / "one", arrays(), METADATA)
    write_features(tmp_path / "two", dict(reversed(arrays().items())), dict(reversed(METADATA.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@given(st.integers(1, 30), st.integers(1, 7), st.integers(1, 4))
def test_filling_by_pieces_gives_the_same_file(rows: int, piece: int, inits: int) -> None:
    values = np.random.default_rng(rows).standard_normal((inits, rows, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        whole, pieces = Path(folder) / "whole", Path(folder) / "pieces"
        write_features(whole, {"random/a/b": values}, {})
        with create_features(pieces, {"random/a/b": values.shape}, {}) as put:
            for init in reversed(range(inits)):
                for start in range(0, rows, piece):
                    put("random/a/b", init * rows + start, values[init, start : start + piece])
        assert pieces.read_bytes() == whole.read_bytes()


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "features"
    write_features(path, arrays(), METADATA)
    before = path.read_bytes()
    with pytest.raises(OSError, match="full"), create_features(path, {"a": (2, 2)}, {}) as put:
        put("a", 0, np.zeros((1, 2)))
        raise OSError(errno.ENOSPC, "the disk is full")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["features"]


def test_nan_in_the_metadata_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_features(tmp_path / "features", arrays(), {"score": float("nan")})


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_missing_or_damaged_file_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "features"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"(is damaged|is missing).*`dvc repro` makes it again"):
        read_features(path)


def test_arms_that_are_insensitive_to_order() -> None:
    bag, sequence = {"shuffled": 0.0009, "static": 0.5}, {"shuffled": 0.0011, "static": 0.0}
    assert is_blind(bag)
    assert not is_blind(sequence)
    assert is_confounded(pretrained=sequence, random=bag)
    for pretrained, random in ((bag, bag), (sequence, sequence), (bag, sequence)):
        assert not is_confounded(pretrained, random)
