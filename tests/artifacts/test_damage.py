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

from trajprobe.artifacts.analyses import Analyses, read_analyses, write_analyses
from trajprobe.artifacts.features import read_features, write_features
from trajprobe.artifacts.predictions import (
    Arm,
    ArmPredictions,
    Predictions,
    read_predictions,
    write_predictions,
)
from trajprobe.artifacts.trajectories import TrajectorySet, read_items, read_trajectories, write_trajectories
from trajprobe.core.errors import UserError

SAMPLE = 150  # bytes of each file
RNG = np.random.default_rng(0)


def trajectories(path: Path) -> None:
    count = 9
    write_trajectories(
        TrajectorySet(
            item_ids=[f"item{i}" for i in range(count)],
            labels=["left", "läuft", "right"] * 3,
            groups=[f"g{i // 2}" for i in range(count)],
            splits=["train" if i % 2 else "test" for i in range(count)],
            times=[np.arange(4.0)] * count,
            points=[RNG.normal(size=(4, 2)).astype(np.float32) for _ in range(count)],
            classes=["left", "läuft", "right"],
            source="mine",
            digest="d" * 64,
            y_axis="down",
            strokes=[np.array([0, 0, 1, 1], np.int32)] * count,
        ),
        path,
    )


def predictions(path: Path) -> None:
    shape, classes = (2, 8), ["a", "b"]
    arms = [
        ArmPredictions(
            Arm("tiny", arm, init, "mid", "mean"),
            fold=RNG.integers(0, 3, shape),
            predicted=RNG.integers(0, 2, shape),
            l2=np.full(shape, 0.1),
            probability=RNG.random((*shape, 2)).astype(np.float32),
            split_half_hits=RNG.integers(0, 4, (3, 2, 2)),
        )
        for arm, init in (("pretrained", 0), ("random", 0), ("random", 1))
    ]
    ids = [f"item{i}" for i in range(8)]
    counts = RNG.integers(0, 4, (3, 2, 2))
    own = {"card": {"summary": "tiny"}, "order": {}}
    write_predictions(
        path, Predictions(ids, ids, np.arange(8) % 2, classes, "e" * 64, (1e-4, 1e2), arms, own, counts)
    )


def features(path: Path) -> None:
    arrays = {"pretrained/mid/mean": RNG.normal(size=(9, 3)), "random/mid/mean": RNG.normal(size=(2, 9, 3))}
    write_features(path, arrays, {"items": "f" * 64, "layers": ["mid"], "provenance": {"sha256": "0" * 64}})


def analyses(path: Path) -> None:
    nothing: dict[str, Any] = {
        "label_efficiency": None,
        "description_length": None,
        "selectivity": None,
        "probes": [],
    }
    write_analyses(
        path, Analyses(encoder="tiny", n_classes=2, chance=0.5, seeds=3, confidence=0.95, **nothing)
    )


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
