"""Running a frozen encoder over all clips, arm after arm, shard after shard.

An arm is the encoder with one set of weights: pretrained, or one random initialisation. One model and one shard of
clips are in memory at a time, whatever the number of clips. A model is built only when a shard is missing from the
cache, so a repeated run costs the reading of the clips.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from trajprobe import files
from trajprobe.encoders.protocol import Calibrated, Encoder
from trajprobe.errors import UserError
from trajprobe.features.cache import ShardCache, shard_key
from trajprobe.features.pooling import pool
from trajprobe.params.loading import nearest
from trajprobe.progress import Advance

SHARD = 64  # clips: what a killed run loses at most
CALIBRATION = 64  # clips, evenly spaced, on which a random arm may estimate its statistics


class Clips(Protocol):
    """Stored clips, uint8 (N, T, H, W, 3), read a slice at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice) -> np.ndarray: ...


@dataclass(frozen=True)
class Arm:
    """identity: JSON that tells this arm's features from those of any other. build: the encoder, ready to run."""

    name: str
    identity: Mapping[str, Any]
    build: Callable[[], Encoder]


@dataclass(frozen=True)
class Settings:
    """What is taken, and how. identity: JSON of what decides the features of all arms alike."""

    layers: Sequence[str]
    poolings: Sequence[str]
    identity: Mapping[str, Any]
    device: torch.device
    batch: int


def chosen(wanted: Sequence[str], by_card: Sequence[str]) -> list[str]:
    """The layers or poolings in effect: `card` in params.yaml stands for what the encoder's card says."""
    names = [name for item in wanted for name in (by_card if item == "card" else [item])]
    return list(dict.fromkeys(names))


def extract(
    clips: Clips, arms: Sequence[Arm], settings: Settings, cache: ShardCache, advance: Advance
) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
    """Yield (index of the arm, first row, {"<layer>/<pooling>": float32 (n, D)}) for every arm and shard, in order.

    advance: told how many clips are done. Raises UserError for a layer that the encoder does not have, and for
    features that are not finite.
    """
    digests = [clips_digest(clips[start : start + SHARD]) for start in range(0, clips.shape[0], SHARD)]
    for index, arm in enumerate(arms):
        encoder: Encoder | None = None
        for number, digest in enumerate(digests):
            start = number * SHARD
            key = shard_key({**settings.identity, **arm.identity, "clips": digest})
            arrays = cache.get(key)
            if arrays is None:
                encoder = encoder or built(arm, settings.layers)
                arrays = encode(encoder, clips[start : start + SHARD], settings, arm.name, advance)
                cache.put(key, arrays)
            else:
                advance(min(SHARD, clips.shape[0] - start), arm.name)
            yield index, start, arrays


def calibrated(build: Callable[[], Encoder], clips: Clips, device: torch.device) -> Callable[[], Encoder]:
    """`build`, followed by the estimation of statistics for the encoders that need it."""

    def ready() -> Encoder:
        encoder = build()
        if isinstance(encoder, Calibrated):
            encoder.calibrate(torch.from_numpy(some_clips(clips, CALIBRATION)).to(device))
        return encoder

    return ready


def some_clips(clips: Clips, most: int) -> np.ndarray:
    """(n, T, H, W, 3) uint8: at most `most` clips, evenly spaced over all."""
    count = min(most, clips.shape[0])
    rows = [index * clips.shape[0] // count for index in range(count)]
    return np.concatenate([clips[row : row + 1] for row in rows])


def clips_digest(clips: np.ndarray) -> str:
    """SHA-256 of the shape and the bytes of uint8 clips."""
    return hashlib.sha256(repr(clips.shape).encode() + np.ascontiguousarray(clips).tobytes()).hexdigest()


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files of a weights folder, its provenance aside."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json")
    listing = "\n".join(f"{path.relative_to(folder).as_posix()} {files.sha256(path)}" for path in paths)
    return hashlib.sha256(listing.encode()).hexdigest()


def code_digest() -> str:
    """SHA-256 of the source of all encoders and of pooling.

    A version number would have to be raised by hand and would be forgotten; a comment that costs an extraction is
    the cheaper mistake.
    """
    here = Path(__file__).parent
    return source_digest(*sorted((here.parent / "encoders").glob("*.py")), here / "pooling.py")


def source_digest(*paths: Path) -> str:
    """SHA-256 of the content of source files, in this order."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def built(arm: Arm, layers: Sequence[str]) -> Encoder:
    """The arm's encoder, held to have `layers`. Raises UserError with the nearest names where it does not."""
    encoder = arm.build()
    for layer in layers:
        if layer not in encoder.layers:
            raise UserError(f"features.layer: no layer {layer!r}; {nearest(layer, list(encoder.layers))}")
    return encoder


def encode(
    encoder: Encoder, clips: np.ndarray, settings: Settings, arm: str, advance: Advance
) -> dict[str, np.ndarray]:
    """{"<layer>/<pooling>": float32 (n, D)} for uint8 clips (n, T, H, W, 3). Raises UserError where not finite."""
    parts: dict[str, list[np.ndarray]] = {}
    with torch.inference_mode():
        for start in range(0, len(clips), settings.batch):
            batch = torch.from_numpy(np.ascontiguousarray(clips[start : start + settings.batch]))
            maps = encoder.encode(batch.to(settings.device), settings.layers)
            for layer in settings.layers:
                for pooling in settings.poolings:
                    vectors = pool(pooling, maps[layer]).float().cpu().numpy()
                    parts.setdefault(f"{layer}/{pooling}", []).append(vectors)
            advance(len(batch), arm)
    arrays = {name: np.concatenate(vectors) for name, vectors in parts.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(
                f"{name}: the {arm} encoder gave NaN or infinite features; its weights are not sound"
            )
    return arrays
