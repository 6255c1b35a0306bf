"""Family `open_magvit2`: the Open-MAGVIT2 video encoder at any width, published or pretrained by a card's recipe."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trajprobe.encoders.magvit2_model import Architecture, Magvit2Encoder, bits
from trajprobe.encoders.preprocess import prepare
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, Input
from trajprobe.params.loading import validate

FILE = "encoder.safetensors"  # in the weights folder; names are upstream's without their `encoder.`


class OpenMagvit2:
    """layers: `down.<i>`, `mid` (what the final norm reads), `latent`, and `codes`.

    `codes` holds, for each latent channel, its bit (0 or 1) and whether that bit differs from the one a latent frame
    before (0 in the first). Averaged over a clip these are the histogram of bits and the rate of transitions.
    """

    def __init__(self, model: Magvit2Encoder, expected: Input, device: torch.device) -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        self.expected = expected
        self.layers: Sequence[str] = (
            *(f"down.{i}" for i in range(len(model.down))),
            "mid",
            "latent",
            "codes",
        )

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        if len(clips) == 1:
            # On a CPU torch sums a lone clip in another order, a thousandth away. Beside itself it is like any other.
            twice = self.encode(clips.expand(2, -1, -1, -1, -1), layers)
            return {layer: FeatureMap(found.grid[:1]) for layer, found in twice.items()}
        wanted = [*layers, "latent"] if "codes" in layers else list(layers)
        maps = self.model.maps(model_input(clips, self.expected), wanted)
        if "codes" in layers:
            ones = bits(maps["latent"]).float()
            flips = torch.zeros_like(ones)
            flips[:, :, 1:] = ones.diff(dim=2).abs()
            maps["codes"] = torch.cat([ones, flips], dim=1)
        return {layer: FeatureMap(maps[layer].permute(0, 2, 3, 4, 1)) for layer in layers}


def model_input(clips: torch.Tensor, expected: Input) -> torch.Tensor:
    """(B, T, H, W, 3) uint8 -> (B, 3, T', size, size) float32 in channels-last order. Raises as `prepare` does."""
    videos = prepare(clips, expected).permute(0, 2, 1, 3, 4)
    return videos.contiguous(memory_format=torch.channels_last_3d)


def architecture(card: EncoderCard) -> Architecture:
    """The card's `architecture`, checked."""
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture")


def load(card: EncoderCard, folder: Path, device: torch.device) -> OpenMagvit2:
    model = Magvit2Encoder(architecture(card))
    fill(model, folder / FILE)
    return OpenMagvit2(model, card.input, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> OpenMagvit2:
    """Upstream starts from the default initialisation of torch's layers, and so does this; the same on any device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Magvit2Encoder(architecture(card))
    return OpenMagvit2(model, card.input, device)


def fill(model: torch.nn.Module, file: Path) -> None:
    """Load the tensors of `file` into `model`. Raises UserError unless names and shapes are exactly the model's."""
    try:
        found = load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be read ({error}); fetch the weights again") from None
    wanted = model.state_dict()
    wrong = sorted(
        {*wanted, *found} - {n for n in wanted.keys() & found.keys() if wanted[n].shape == found[n].shape}
    )
    if wrong:
        raise UserError(
            f"{file}: {len(wrong)} tensors are missing, unexpected or misshapen for the card's architecture "
            f"({', '.join(wrong[:3])}, ...); fetch the weights again"
        )
    model.load_state_dict(found)
