"""An encoder that sees nothing: seeded noise, whatever it is shown. Every comparison must call it "no difference".

An earlier attempt reported the accuracy of such a stand-in as a result. The noise is drawn from the digest of a
clip's bytes and the seed, so it is the same in every run and for every batch, and says nothing about the clip; the
"pretrained" arm is one more draw, exchangeable with the random ones.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from trajprobe.encoders.protocol import FeatureMap
from trajprobe.params.encoder_card import EncoderCard
from trajprobe.params.loading import validate
from trajprobe.params.types import Section, Some


class Architecture(Section):
    width: Some  # length of the noise vector


class Placeholder:
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
