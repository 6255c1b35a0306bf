"""Family `stem`: the first convolution of Open-MAGVIT2 alone, a shortcut that an earlier attempt took for the encoder.

First convolution, ReLU, average over the whole clip, then a fixed random projection to 512 numbers. It stays as a row
for comparison: of the published checkpoint it uses 10,368 of 144.9 million encoder parameters.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.schema import PositiveInt, Section, Seed, validate
from trajprobe.encoders.open_magvit2.encoder import FILE, fill, model_input
from trajprobe.encoders.open_magvit2.network import CausalConv3d
from trajprobe.encoders.protocol import FeatureMap, tensor_shapes

UNUSED = ("",)  # all tensors of the published encoder but its first


class StemArchitecture(Section):
    """channels: of the first convolution; projected: length of the vector; seed: of the projection, in every arm."""

    channels: PositiveInt
    projected: PositiveInt
    seed: Seed


class Stem(torch.nn.Module):
    """The only layer is `stem`."""

    layers: Sequence[str] = ("stem",)

    def __init__(self, architecture: StemArchitecture, expected: Input) -> None:
        super().__init__()
        self.conv_in = CausalConv3d(3, architecture.channels, 3)
        generator = torch.Generator().manual_seed(architecture.seed)
        shape = (architecture.channels, architecture.projected)
        projection = torch.randn(shape, generator=generator, device="cpu")
        # Scaled to keep lengths (Johnson & Lindenstrauss). Not persistent: the weights do not hold it.
        self.register_buffer("projection", projection / architecture.projected**0.5, persistent=False)
        self.expected = expected

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """One position with `projected` channels per clip."""
        x = self.conv_in(model_input(clips, self.expected)).relu().mean(dim=(2, 3, 4))
        return {layer: FeatureMap((x @ self.projection)[:, None, None, None]) for layer in layers}


def expected_tensors(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Name and shape of the convolution's tensor; nothing is allocated."""
    with torch.device("meta"):
        return tensor_shapes(Stem(architecture(card), card.input))


def load(card: EncoderCard, folder: Path, device: torch.device) -> Stem:
    """The stem with the weights in `folder`. Raises UserError if they are not those of the card's architecture."""
    stem = Stem(architecture(card), card.input)
    fill(stem, folder / FILE)
    return _frozen(stem, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> Stem:
    """Torch's default initialisation of the convolution; the projection is that of every arm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stem = Stem(architecture(card), card.input)
    return _frozen(stem, device)


def architecture(card: EncoderCard) -> StemArchitecture:
    """The card's `architecture`. Raises UserError if it is not one."""
    return validate(StemArchitecture, card.architecture, f"card of {card.name}: architecture")


def _frozen(stem: Stem, device: torch.device) -> Stem:
    return stem.to(device).eval().requires_grad_(False)
