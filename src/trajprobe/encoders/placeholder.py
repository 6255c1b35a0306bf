"""Family `placeholder`: seeded noise instead of features. Every comparison must find no difference between its arms.

An earlier attempt reported the accuracy of such a stand-in as a result. The noise is drawn from a digest of the
clip's bytes and of the seed: it is the same in every run and in every batch, and carries no information about the
clip. The "pretrained" arm is one more draw, exchangeable with the random ones.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.schema import PositiveInt, Section, validate
from trajprobe.encoders.protocol import FeatureMap


class Architecture(Section):
    width: PositiveInt  # length of the noise vector


class Placeholder:
    """An `Encoder` with one layer, `noise`. salt: tells the arms apart."""

    layers: Sequence[str] = ("noise",)

    def __init__(self, width: int, salt: str) -> None:
        self.width = width
        self.salt = salt.encode()

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """One position with `width` standard normal channels per clip."""
        rows = []
        for clip in clips.cpu().numpy():
            digest = hashlib.sha256(self.salt + clip.tobytes()).digest()
            rows.append(np.random.default_rng(list(digest)).standard_normal(self.width, dtype=np.float32))
        noise = torch.from_numpy(np.stack(rows)).to(clips.device)
        return {layer: FeatureMap(noise[:, None, None, None]) for layer in layers}


def load(card: EncoderCard, folder: Path, device: torch.device) -> Placeholder:
    return Placeholder(_width(card), "pretrained")


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> Placeholder:
    return Placeholder(_width(card), f"random {seed}")


def _width(card: EncoderCard) -> int:
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture").width
