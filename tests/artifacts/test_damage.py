"""A damaged artifact is refused in one line or holds what was written; nothing else is ever returned.

Held by flipping bits: a sample of all bytes, and all of the structures that name, describe or delimit the rest.
"""

import warnings
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_artifacts import analyses, features, predictions, trajectories
from trajprobe.artifacts.analyses import read_analyses
from trajprobe.artifacts.clips import open_clips, write_clips
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.trajectories import read_items, read_trajectories
from trajprobe.core.errors import UserError

SAMPLE = 150  # bytes of each file


CASES: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "trajectories.parquet": (trajectories, read_trajectories),
    "items.parquet": (trajectories, read_items),
    "predictions.parquet": (predictions, read_predictions),
    "features.safetensors": (features, read_features),
    "tiny.json": (analyses, lambda path: read_analyses(path, "tiny")),
}


def plain(value: Any) -> Any:
    """Comparable with ==, arrays by type, shape and bytes."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("name", CASES)
def test_any_flipped_byte_is_refused_or_changes_nothing(name: str, tmp_path: Path) -> None:
    write, read = CASES[name]
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    content = plain(read(path))
    places = np.random.default_rng(1).choice(len(whole), min(SAMPLE, len(whole)), replace=False)
    refused: list[str] = []
    for place in [*range(12), *map(int, places), *range(len(whole) - 12, len(whole))]:
        for bit in (1, 128):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(damaged)
            try:
                with warnings.catch_warnings(action="ignore"):
                    found = plain(read(path))
            except UserError as error:
                refused.append(str(error))
            else:
                assert found == content, (place, bit)
    assert len(refused) > SAMPLE
    assert all(str(path) in message and "dvc repro" in message and len(message) < 600 for message in refused)


@pytest.mark.parametrize("name", CASES)
def test_a_file_cut_anywhere_is_refused(name: str, tmp_path: Path) -> None:
    write, read = CASES[name]
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    for length in {0, 1, 7, 8, 9, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 2}:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match="damaged"):
            read(path)
    path.unlink()
    with pytest.raises(UserError, match="is missing"):
        read(path)


def test_any_flipped_byte_of_the_clips_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    """Of zarr.json every byte: all of it has a digest."""
    path = tmp_path / "videos.zarr"
    clips = np.zeros((3, 2, 8, 8, 3), np.uint8)
    clips[:, :, 2:5, 3:6] = np.random.default_rng(0).integers(0, 255, (3, 2, 3, 3, 3))
    write_clips(path, clips.shape, [clips], items="ab" * 32, drawn={"content": "motion"})
    draws, refused = np.random.default_rng(1), list[str]()
    metadata, shard = path / "zarr.json", path / "c/0/0/0/0/0"
    for file in (metadata, shard):
        whole = file.read_bytes()
        places = draws.choice(len(whole), SAMPLE, replace=False) if file == shard else range(len(whole))
        for place in map(int, places):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << int(draws.integers(8))
            file.write_bytes(damaged)
            try:
                with warnings.catch_warnings(action="ignore"):
                    np.testing.assert_array_equal(open_clips(path)[:], clips)
            except UserError as error:
                refused.append(str(error))
            else:
                assert file == shard, place
        file.write_bytes(whole)
    assert len(refused) > metadata.stat().st_size + SAMPLE / 2
    assert all("dvc repro" in message for message in refused)
