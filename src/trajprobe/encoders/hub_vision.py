"""The family `transformers`: encoders from the Hugging Face Hub, each described by its card alone.

The folder that `fetch` made holds config.json and the processor's configuration as published, and in
encoder.safetensors the encoder's tensors under the names that the installed library gives them.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from trajprobe.encoders.hub_model import HubModel, build, layer_names
from trajprobe.encoders.hub_processor import Processor, read_processor
from trajprobe.encoders.norm_statistics import FRAMES, estimating, evenly, norms
from trajprobe.encoders.preprocess import frame_indices
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.encoders.random_arm import keep_pretrained
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, Input

WEIGHTS = "encoder.safetensors"
SCALE = "processor"  # what `input.scale` says in cards of this family
ANY = 2  # frames of the clip that shapes are found with, where a picture model takes any number


class HubEncoder:
    """An `Encoder` around a transformers model. tubelet: frames that go into one position in time."""

    def __init__(self, model: HubModel, processor: Processor, expected: Input, layers: Sequence[str]) -> None:
        self.model = model
        self.processor = processor
        self.input = expected
        self.layers = layers
        self.tubelet = model.tubelet

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """(B, T, H, W, 3) uint8 -> maps of `layers`: t = T for picture models, T over the tubelet for video models."""
        return self.model.layers(self._prepared(clips), layers)

    def calibrate(self, clips: torch.Tensor) -> None:
        """Set the batch-norm statistics, where the model has any, to those of the clips' frames."""
        if not norms(self.model.module):
            return
        pictures = self._prepared(clips)
        if not self.model.video:
            pictures = pictures.flatten(0, 1)[:, None]
        with estimating(self.model.module):
            self.model.layers(evenly(pictures, max(1, FRAMES // pictures.shape[1])), ())

    def _prepared(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, H, W, 3) uint8 -> (B, T', 3, size, size) float32, as the checkpoint's own processor makes them."""
        _, _, height, width, _ = clips.shape
        if height != width:
            raise UserError(
                f"clips must be square, got {width} x {height} pixels; render them with one `render.size`"
            )
        clips = clips[:, frame_indices(clips.shape[1], self.input)]
        return self.processor(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def load(card: EncoderCard, folder: Path, device: torch.device) -> HubEncoder:
    """The pretrained encoder. Raises UserError where the card, the processor and the model do not fit together."""
    model = build(card, folder)
    model.module.load_state_dict(load_file(folder / WEIGHTS))
    return _encoder(card, folder, model, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> HubEncoder:
    """The architecture's own initialisation as the library publishes it, or what the card's features.random says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(card, folder)
    if card.features.random.keeps_pretrained:
        keep_pretrained(model.module, folder / WEIGHTS, card.features.random, seed)
    return _encoder(card, folder, model, device)


def _encoder(card: EncoderCard, folder: Path, model: HubModel, device: torch.device) -> HubEncoder:
    processor = read_processor(folder)
    check_input(card.input, model, processor)
    frames = card.input.frames if isinstance(card.input.frames, int) else ANY
    layers = layer_names(card, folder, frames, card.input.size)
    model.module.to(device)
    return HubEncoder(model, processor, card.input, layers)


def check_input(expected: Input, model: HubModel, processor: Processor) -> None:
    """Raise UserError where the card's `input` is not what model and processor take."""
    if expected.scale != SCALE:
        raise UserError(
            f"card: input.scale: must be {SCALE!r} (the checkpoint's own) for the family transformers, got "
            f"{expected.scale!r}"
        )
    size = processor.size(expected.size)
    if size != expected.size:
        raise UserError(
            f"card: input.size: the checkpoint's processor gives {size} pixels, got {expected.size}"
        )
    if model.frames is not None and expected.frames != model.frames:
        raise UserError(f"card: input.frames: the model takes {model.frames}, got {expected.frames}")
    if model.video and (not isinstance(expected.frames, int) or expected.frames % model.tubelet):
        raise UserError(
            f"card: input.frames: must be a multiple of {model.tubelet} for this video model, got {expected.frames!r}"
        )
