"""The arms of an encoder, what identifies their features, and running them over all clips.

An arm is the encoder with one set of weights: pretrained, or one random initialisation. A shard is what one arm gives
for a run of consecutive clips. Shards are kept in a cache, under a key made of three parts: the identity of the
settings, that of the arm (both JSON), and the digest of the clips. Everything that decides a feature is in one of
them, but for the batch size, which changes the last digits only.

One model is in memory at a time, and a bounded number of clips, whatever their number. A model is built only if a shard
is missing from the cache, so a repeated run costs the reading of the clips.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trajprobe.artifacts.clips import Clips
from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.progress import Advance
from trajprobe.core.schema import nearest
from trajprobe.encoders.protocol import Calibrated, Encoder
from trajprobe.encoders.random_arm import evenly_spaced
from trajprobe.encoders.registry import code_digest, family
from trajprobe.extract import passes, pooling
from trajprobe.extract.params import ExtractParams, Precision
from trajprobe.extract.passes import arithmetic, batched, in_float32
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.extract.work_units import Arrays, ShardReader, WorkUnit, work_units

SHARD = 64  # clips: the most that a killed run loses
CALIBRATION = 64  # clips, evenly spaced, on which a random arm may estimate its statistics


@dataclass
class ExtractSettings:
    """What is taken from all arms alike, and how.

    layers, poolings: the first of each is the headline's. batch: clips in one pass through the encoder; 8 of 128
    pixels take about 3 GB with the largest encoder. It alone changes, where memory is short.
    """

    layers: Sequence[str]
    poolings: Sequence[str]
    identity: Mapping[str, Any]
    device: torch.device
    batch: int
    precision: Precision = "float32"

    @property
    def representations(self) -> list[str]:
        """The names "<layer>/<pooling>" of what is extracted."""
        return [f"{layer}/{pooling}" for layer in self.layers for pooling in self.poolings]


@dataclass(frozen=True)
class EncoderArm:
    """build: makes the encoder, ready to run on the device."""

    name: str
    identity: Mapping[str, Any]
    build: Callable[[], Encoder]


# Yields each of the units, in order, with its arrays: as stored, or computed from its clips.
Engine = Callable[
    [Iterable[WorkUnit], Sequence[EncoderArm], ExtractSettings, Advance], Iterator[tuple[WorkUnit, Arrays]]
]


def extract_settings(
    params: ExtractParams, card: EncoderCard, device: torch.device, batch: int
) -> ExtractSettings:
    """The settings for the encoder of `card`. Raises UserError for a pooling that does not exist."""
    layers = chosen(params.layer, card.features.layer)
    poolings = chosen(params.pooling, card.features.pooling)
    for name in poolings:
        pooling.check_pooling(name)
    code = [code_digest(card.family), files.sha256(pooling.__file__)]
    if params.precision != "float32":
        code.append(files.sha256(passes.__file__))
    libraries = [np.__version__, torch.__version__]
    if card.family == "transformers":
        libraries.append(version("transformers"))
    identity = {
        "family": card.family,
        "architecture": card.architecture,
        "preprocessing": card.input.model_dump(),
        "layers": layers,
        "poolings": poolings,
        "precision": params.precision,
        "code": code,
        "libraries": libraries,
        "device": device.type,
    }
    return ExtractSettings(layers, poolings, identity, device, batch, params.precision)


def chosen(wanted: Sequence[str], by_card: Sequence[str]) -> list[str]:
    """The layers or poolings in effect, each once: `card` in params.yaml stands for those of the encoder's card."""
    names = [name for item in wanted for name in (by_card if item == "card" else [item])]
    return list(dict.fromkeys(names))


def encoder_arms(
    card: EncoderCard, folder: Path, weights: str, seeds: Sequence[int], clips: Clips, device: torch.device
) -> list[EncoderArm]:
    """The pretrained arm, then a random arm for each of `seeds`.

    folder: the weights, as `fetch` left them. weights: the digest of its files.
    """
    module = family(card.family)
    folder = folder.absolute()  # workers may run in another one
    arms = [EncoderArm("pretrained", {"weights": weights}, partial(module.load, card, folder, device))]
    # Only a built encoder shows whether it is calibrated; the clips for it are always part of the key.
    sample = sample_clips(clips, CALIBRATION) if seeds else np.empty((0, *clips.shape[1:]), np.uint8)
    calibration = clips_digest(sample)
    for seed in seeds:
        identity = {
            "seed": seed,
            "calibration": calibration,
            "random": card.features.random.model_dump(),
            "folder": weights,  # it may hold the architecture, and what the random arm keeps of the pretraining
        }
        build = partial(module.initialise, card, folder, seed, device)
        arms.append(EncoderArm(f"random {seed}", identity, calibrated(build, sample, device)))
    return arms


def calibrated(
    build: Callable[[], Encoder], clips: np.ndarray, device: torch.device
) -> Callable[[], Encoder]:
    """`build`, followed by the estimation of statistics on `clips` for the encoders that need it."""

    def ready() -> Encoder:
        encoder = build()
        if isinstance(encoder, Calibrated):
            encoder.calibrate(torch.tensor(clips, device=device))
        return encoder

    return ready


def extract_shards(
    clips: Clips,
    arms: Sequence[EncoderArm],
    settings: ExtractSettings,
    cache: ShardCache,
    advance: Advance,
    engine: Engine | None = None,
) -> Iterator[tuple[int, int, Arrays]]:
    """Yield (index of the arm, first row, arrays) for every arm and shard, in order.

    advance: called with the number of clips that are done. engine: computes what the cache lacks; by default
    `encode_in_turn`. Raises UserError for a layer that the encoder does not have, for features that are not finite, and
    for shards of different widths.
    """
    reader = ShardReader(clips, SHARD)
    digests = [clips_digest(reader.read(number)) for number in range(len(reader))]
    identities = [{**settings.identity, **arm.identity} for arm in arms]
    units = work_units(identities, digests, settings.representations, reader, cache)
    widths: dict[str, int] = {}
    for unit, arrays in (engine or encode_in_turn)(units, arms, settings, advance):
        for name, array in arrays.items():
            if array.shape[1] != widths.setdefault(name, array.shape[1]):
                raise UserError(
                    f"{cache.place}: shards of {name} have {widths[name]} numbers and {array.shape[1]}; one of them is "
                    "forged: remove all by `trajprobe cache prune --limit 0`"
                )
        if unit.stored is None:
            cache.put(unit.key, arrays)
        yield unit.arm, unit.start, arrays


def encode_in_turn(
    units: Iterable[WorkUnit], arms: Sequence[EncoderArm], settings: ExtractSettings, advance: Advance
) -> Iterator[tuple[WorkUnit, Arrays]]:
    """An `Engine`: one after the other in this process. A model is built if a shard needs it, and let go after it."""
    encoder: Encoder | None = None
    index = -1
    for unit in units:
        arm = arms[unit.arm]
        if unit.arm != index:
            encoder, index = None, unit.arm
        if unit.clips is None:
            advance(unit.count, arm.name)
            yield unit, unit.stored or {}
        else:
            encoder = encoder or build_encoder(arm, settings.layers)
            yield unit, encode(encoder, unit.clips, settings, arm.name, advance)


def build_encoder(arm: EncoderArm, layers: Sequence[str]) -> Encoder:
    """The arm's encoder. Raises UserError, with the nearest names, unless it has all of `layers`."""
    encoder = arm.build()
    for layer in layers:
        if layer not in encoder.layers:
            raise UserError(f"extract.layer: no layer {layer!r}; {nearest(layer, list(encoder.layers))}")
    return encoder


def encode(
    encoder: Encoder, clips: np.ndarray, settings: ExtractSettings, arm: str, advance: Advance
) -> Arrays:
    """The arrays of uint8 clips (n, T, H, W, 3).

    arm: its name, for messages. Raises UserError if a feature is not finite.
    """

    def pooled(batch: torch.Tensor) -> Arrays:
        with torch.inference_mode():
            with arithmetic(settings.precision, settings.device):
                maps = in_float32(encoder.encode(batch, settings.layers))
            return {
                f"{layer}/{name}": pooling.pool(name, maps[layer]).float().cpu().numpy()
                for layer in settings.layers
                for name in settings.poolings
            }

    parts: list[Arrays] = []
    for count, vectors in batched(pooled, clips, settings):
        parts.append(vectors)
        advance(count, arm)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in settings.representations}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise UserError(
                f"{name}: the features of the arm {arm!r} contain NaN or infinity; fetch its weights again, or take "
                "another layer"
            )
    return arrays


def sample_clips(clips: Clips, most: int) -> np.ndarray:
    """(n, T, H, W, 3) uint8: at most `most` clips, evenly spaced over all."""
    return np.concatenate([clips[row : row + 1] for row in evenly_spaced(clips.shape[0], most)])


def clips_digest(clips: np.ndarray) -> str:
    """SHA-256 of the shape and the bytes of uint8 clips."""
    return hashlib.sha256(repr(clips.shape).encode() + np.ascontiguousarray(clips).tobytes()).hexdigest()
