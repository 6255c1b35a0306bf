"""Family `transformers`: encoders from the Hugging Face Hub, each described by its card alone.

The weights folder contains config.json and the processor's configuration as published, and the encoder's tensors
under the names that the installed library gives them.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.errors import UserError
from trajprobe.encoders.preprocess import shown_frames
from trajprobe.encoders.protocol import WEIGHTS_FILE, FeatureMap
from trajprobe.encoders.random_arm import (
    FRAMES,
    batch_norms,
    estimated_statistics,
    evenly_spaced,
    keep_pretrained,
)
from trajprobe.encoders.transformers.model import HubModel, build, layer_names
from trajprobe.encoders.transformers.processor import Processor, read_processor

SCALE = "processor"  # the value of `input.scale` in cards of this family


class HubEncoder:
    """An `Encoder` around a transformers model. tubelet: frames that the model joins into one position in time."""

    def __init__(self, model: HubModel, processor: Processor, expected: Input, layers: Sequence[str]) -> None:
        self.model = model
        self.processor = processor
        self.input = expected
        self.layers = layers
        self.tubelet = model.tubelet

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """(B, T, H, W, 3) uint8 -> maps of `layers`: t = T for image models, T / tubelet for video models."""
        return self.model.layers(self._prepared(clips), layers)

    def calibrate(self, clips: torch.Tensor) -> None:
        """Set the batch-norm statistics, if the model has any, to those of the clips' frames."""
        if not batch_norms(self.model.module):
            return
        pictures = self._prepared(clips)
        if not self.model.video:
            pictures = pictures.flatten(0, 1)[:, None]
        rows = evenly_spaced(len(pictures), max(1, FRAMES // pictures.shape[1]))
        with estimated_statistics(self.model.module):
            self.model.layers(pictures[rows], ())

    def _prepared(self, clips: torch.Tensor) -> torch.Tensor:
        """(B, T, H, H, 3) uint8 -> (B, T', 3, size, size) float32, as the checkpoint's own processor makes them."""
        clips = shown_frames(clips, self.input)
        return self.processor(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])


def load(card: EncoderCard, folder: Path, device: torch.device) -> HubEncoder:
    """The pretrained encoder. Raises UserError if the card, the processor and the model do not fit together."""
    model = build(card, folder)
    model.module.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return _encoder(card, folder, model, device)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> HubEncoder:
    """The architecture at the library's own initialisation, or as `features.random` in the card says."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(card, folder)
    if card.features.random.keeps_pretrained:
        keep_pretrained(model.module, folder / WEIGHTS_FILE, card.features.random, seed)
    return _encoder(card, folder, model, device)


def _encoder(card: EncoderCard, folder: Path, model: HubModel, device: torch.device) -> HubEncoder:
    processor = read_processor(folder)
    check_input(card.input, model, processor)
    layers = layer_names(card, folder)
    model.module.to(device)
    return HubEncoder(model, processor, card.input, layers)


def check_input(expected: Input, model: HubModel, processor: Processor) -> None:
    """Raises UserError if the card's `input` is not what the model and the processor take."""
    if expected.scale != SCALE:
        raise UserError(
            f"card: input.scale: must be {SCALE!r} (the checkpoint's own) for the family transformers, got "
            f"{expected.scale!r}"
        )
    size = processor.size(expected.size)
    if size != expected.size:
        raise UserError(
            f"card: input.size: must be the size that the checkpoint's processor gives, {size} pixels, got "
            f"{expected.size}"
        )
    if model.frames is not None and expected.frames != model.frames:
        raise UserError(
            f"card: input.frames: must be what the model takes, {model.frames}, got {expected.frames}"
        )
    if model.video and (not isinstance(expected.frames, int) or expected.frames % model.tubelet):
        raise UserError(
            f"card: input.frames: must be a multiple of {model.tubelet} for this video model, got {expected.frames!r}"
        )
