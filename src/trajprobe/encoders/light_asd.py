"""Family `light_asd`: the visual encoder of Light-ASD, trained to see which of the faces in a film is speaking.

Liao et al., "A light weight model for active speaker detection", CVPR 2023; names of tensors are those of
github.com/Junhua-Liao/Light-ASD. Three blocks, each the sum of two paths: a convolution over space, then one over time,
with kernels of 3 or of 5, batch norm and ReLU after each; a 1 x 1 x 1 convolution follows. Frames are grey, 112 x 112
pixels. The model's embedding of a frame is the maximum over space of the last block.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import max_pool3d, relu

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.schema import Section, validate
from trajprobe.encoders.preprocess import prepare
from trajprobe.encoders.protocol import WEIGHTS_FILE, FeatureMap, tensor_shapes
from trajprobe.encoders.random_arm import (
    FRAMES,
    estimated_statistics,
    evenly_spaced,
    initialise_he_normal,
    keep_pretrained,
)

KERNELS = (3, 5)
WIDTHS = (32, 64, 128)
LAYERS = ("block1", "block2", "block3", "embedding")
UNUSED = ("audioEncoder.", "model.", "lossAV.", "lossV.")  # the audio encoder and the classifiers
MEAN, DEVIATION = 0.4161, 0.1688  # of grey levels on the scale 0 to 1, from the original code
GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601, as OpenCV converts colours to grey


class LightASDArchitecture(Section):
    """One size was published: there is nothing to choose."""


class TwoPathBlock(nn.Module):
    """The sum of the paths with kernels 3 and 5, mixed by a convolution of 1 x 1 x 1."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        for kernel in KERNELS:
            half = kernel // 2
            space = nn.Conv3d(
                inputs, outputs, (1, kernel, kernel), (1, stride, stride), (0, half, half), bias=False
            )
            time = nn.Conv3d(outputs, outputs, (kernel, 1, 1), padding=(half, 0, 0), bias=False)
            for name, conv in (("s", space), ("t", time)):
                self.add_module(f"{name}_{kernel}", conv)
                self.add_module(f"bn_{name}_{kernel}", nn.BatchNorm3d(outputs, eps=1e-3))
        self.last = nn.Conv3d(outputs, outputs, 1, bias=False)
        self.bn_last = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow, wide = (self._step(self._step(x, f"s_{kernel}"), f"t_{kernel}") for kernel in KERNELS)
        return self._step(narrow + wide, "last")

    def _step(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return relu(self.get_submodule(f"bn_{name}")(self.get_submodule(name)(x)))


class VisualEncoder(nn.Module):
    """Clips (B, 1, T, 112, 112) float32 -> the layers, (B, C, T, h, w)."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = TwoPathBlock(1, WIDTHS[0], stride=2)
        self.block2 = TwoPathBlock(WIDTHS[0], WIDTHS[1], stride=1)
        self.block3 = TwoPathBlock(WIDTHS[1], WIDTHS[2], stride=1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        first = self._halved(self.block1(x))
        second = self._halved(self.block2(first))
        third = self.block3(second)
        return dict(zip(LAYERS, (first, second, third, third.amax(dim=(3, 4), keepdim=True)), strict=True))

    @staticmethod
    def _halved(x: torch.Tensor) -> torch.Tensor:
        return max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


class LightASD:
    """An `Encoder`: `block1` and `block2` after their pooling, `block3`, and `embedding`, one vector for each frame."""

    layers: Sequence[str] = LAYERS

    def __init__(self, model: VisualEncoder, expected: Input) -> None:
        self.model = model.eval().requires_grad_(False)
        self.input = expected

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """(B, T, H, H, 3) uint8 -> maps with t = T: 32 channels at 28 x 28 (`block1`) to 128 at 14 x 14 (`block3`)."""
        maps = self.model(self._prepared(clips))
        return {layer: FeatureMap(maps[layer].permute(0, 2, 3, 4, 1)) for layer in layers}

    def calibrate(self, clips: torch.Tensor) -> None:
        """Set the batch-norm statistics to those of the clips, of at most FRAMES frames."""
        some = clips[evenly_spaced(len(clips), max(1, FRAMES // clips.shape[1]))]
        with estimated_statistics(self.model):
            self.model(self._prepared(some))

    def _prepared(self, clips: torch.Tensor) -> torch.Tensor:
        luma = torch.tensor(GREY, device=clips.device)[:, None, None]
        grey = (prepare(clips, self.input) * luma).sum(dim=2)
        return ((grey - 0.4161) / 0.1688)[
            :, None
        ]  # mean and deviation of the training faces, from the original code


def build_visual_encoder(card: EncoderCard) -> VisualEncoder:
    """The published architecture. Raises UserError if the card's `architecture` asks for another one."""
    validate(LightASDArchitecture, card.architecture, f"card of {card.name}: architecture")
    return VisualEncoder()


def expected_tensors(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the encoder's tensors, as published; nothing is allocated."""
    with torch.device("meta"):
        return tensor_shapes(build_visual_encoder(card))


def load(card: EncoderCard, folder: Path, device: torch.device) -> LightASD:
    """The pretrained encoder; `fetch` has checked names and shapes of the tensors."""
    model = build_visual_encoder(card)
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return LightASD(model.to(device), card.input)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> LightASD:
    """As published: He-normal convolutions, batch norm at 1 and 0; call `calibrate` before use."""
    model = build_visual_encoder(card)
    initialise_he_normal(model, seed)
    if card.features.random.keeps_pretrained:
        keep_pretrained(model, folder / WEIGHTS_FILE, card.features.random, seed)
    return LightASD(model.to(device), card.input)
