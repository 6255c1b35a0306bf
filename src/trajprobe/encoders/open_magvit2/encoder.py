"""Family `open_magvit2`: the Open-MAGVIT2 video encoder at any width, published or made by `trajprobe pretrain`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.encoders.open_magvit2.network import Architecture, Magvit2Encoder, bits
from trajprobe.encoders.preprocess import prepare
from trajprobe.encoders.protocol import FeatureMap, tensor_shapes

FILE = "encoder.safetensors"  # in the weights folder; tensors have upstream's names without `encoder.`
UNUSED: tuple[str, ...] = ()  # prefixes of tensors in the published encoder that this one does without


class OpenMagvit2:
    """layers: `down.<i>`, `mid` (the input of the final norm), `latent`, and `codes`.

    `codes` holds, for each latent channel, its bit (0 or 1) and whether that bit differs from the one in the latent
    frame before (0 in the first). Averaged over a clip these are the histogram of bits and the rate of transitions.
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
    """The card's `architecture`. Raises UserError if it is not one."""
    return validate(Architecture, card.architecture, f"card of {card.name}: architecture")


def expected_tensors(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Names (as published, without their `encoder.`) and shapes of the encoder's tensors; nothing is allocated."""
    with torch.device("meta"):
        return tensor_shapes(Magvit2Encoder(architecture(card)))


def load(card: EncoderCard, folder: Path, device: torch.device) -> OpenMagvit2:
    """The encoder with the weights in `folder`. Raises UserError if they are not those of the card's architecture."""
    model = Magvit2Encoder(architecture(card))
    fill(model, folder / FILE)
    return OpenMagvit2(model, card.input, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> OpenMagvit2:
    """Torch's default initialisation of its layers, as upstream; from `seed` alone, the same on any device."""
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
            f"({', '.join(wrong[:3])}, ...); delete {file.parent} and fetch the weights again"
        )
    model.load_state_dict(found)
