"""The first of `encoders` at its headline layer and pooling, as alternatives that contain an encoder use it.

Everything is that of the stage `extract`: the weights, the seeds of random arms, and the shards in its cache, so that
features which that stage has made are not made again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajprobe.artifacts.clips import Clips
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.artifacts.weights import load_record
from trajprobe.baseline.task import Task
from trajprobe.core import paths
from trajprobe.core.progress import progress
from trajprobe.encoders.registry import resolve_device
from trajprobe.extract.extraction import (
    EncoderArm,
    ExtractSettings,
    chosen,
    encoder_arms,
    extract_settings,
    extract_shards,
)
from trajprobe.extract.shard_cache import ShardCache


@dataclass(frozen=True)
class FrozenEncoder:
    """The encoder of a task. settings: with the headline layer and pooling alone. weights: the digest of its files."""

    card: EncoderCard
    settings: ExtractSettings
    weights: str
    parameters: int

    @property
    def place(self) -> tuple[str, str]:
        """The headline layer and pooling."""
        return self.settings.layers[0], self.settings.poolings[0]

    @property
    def metadata(self) -> dict[str, Any]:
        """What a file of predictions says of the encoder."""
        layer, pooling = self.place
        return {
            "encoder": self.card.name,
            "layer": layer,
            "pooling": pooling,
            "card": self.card.model_dump(),
        }

    def arms(self, seeds: Sequence[int], clips: Clips) -> list[EncoderArm]:
        """The pretrained arm, then a random arm for each of `seeds`."""
        folder = paths.weights(self.card.name)
        return encoder_arms(self.card, folder, self.weights, seeds, clips, self.settings.device)

    def features(self, task: Task, arms: Sequence[EncoderArm], clips: Clips) -> list[np.ndarray]:
        """(N, D) float32 features of each arm; raises UserError as the stage `extract` does."""
        cache = ShardCache(paths.finished_work("features"))
        name = "/".join(self.place)
        parts: list[list[np.ndarray]] = [[] for _ in arms]
        description = f"baseline {task.name}: {self.card.name} on {self.settings.device}"
        with progress(description, len(arms) * clips.shape[0], "clips") as advance:
            for index, _, arrays in extract_shards(clips, arms, self.settings, cache, advance):
                parts[index].append(arrays[name])
        cache.prune()
        return [np.concatenate(each) for each in parts]


def frozen_encoder(task: Task) -> FrozenEncoder:
    """The encoder of `task`. Raises UserError if its card or weights are missing or do not fit together."""
    card = load_encoder_card(task.encoder)
    record, weights = load_record(card)
    headline: Mapping[str, Any] = {
        "layer": chosen(task.extract.layer, card.features.layer)[:1],
        "pooling": chosen(task.extract.pooling, card.features.pooling)[:1],
    }
    params = task.extract.model_copy(update=headline)
    settings = extract_settings(params, card, resolve_device(task.device), task.batch)
    return FrozenEncoder(card, settings, weights, int(record.get("parameters") or 0))
