"""Family `stem`: the first convolution of Open-MAGVIT2 alone, the shortcut that an earlier attempt took for it.

First convolution, ReLU, average over the whole clip, then a fixed random projection to 512 numbers. It is kept as a
row to compare with: it reads the published checkpoint and uses 10,368 of its 144.9 million encoder parameters.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from trajprobe.encoders.magvit2_model import CausalConv3d
from trajprobe.encoders.open_magvit2 import FILE, fill, model_input
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.params.encoder_card import EncoderCard, Input
from trajprobe.params.loading import validate
from trajprobe.params.types import Section, Seed, Some


class Architecture(Section):
    channels: Some  # of the first convolution
    projected: Some  # length of the vector
    seed: Seed  # of the projection, which is the same for every arm


class Stem(torch.nn.Module):
    layers: Sequence[str] = ("stem",)

    def __init__(self, architecture: Architecture, expected: Input) -> None:
        super().__init__()
        self.conv_in = CausalConv3d(3, architecture.channels, 3)
        generator = torch.Generator().manual_seed(architecture.seed)
        shape = (architecture.channels, architecture.projected)
        projection = torch.randn(shape, generator=generator, device="cpu")
        # Scaled to keep lengths (Johnson & Lindenstrauss). Not persistent: no part of the weights.
        self.register_buffer("projection", projection / architecture.projected**0.5, persistent=False)
        self.expected = expected

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """One position with `projected` channels per clip."""
        x = self.conv_in(model_input(clips, self.expected)).relu().mean(dim=(2, 3, 4))
        return {layer: FeatureMap((x @ self.projection)[:, None, None, None]) for layer in layers}


def load(card: EncoderCard, folder: Path, device: torch.device) -> Stem:
    stem = Stem(architecture(card), card.input)
    fill(stem, folder / FILE)
    return _frozen(stem, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> Stem:
    """torch's default initialisation of the convolution; the projection stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stem = Stem(architecture(card), card.input)
    return _frozen(stem, device)


def architecture(card: EncoderCard) -> Architecture:
    """The card's `architecture`, checked."""
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture")


def _frozen(stem: Stem, device: torch.device) -> Stem:
    return stem.to(device).eval().requires_grad_(False)
