"""Family `transnetv2`: the convolutional trunk of TransNet V2, trained to find shot changes in video.

Souček & Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection", arXiv
2008.04838; names of tensors are those of the published PyTorch weights. Three stacks of two dilated blocks each. A
block applies four separable convolutions side by side (3 x 3 over space, then 3 over time with dilations 1, 2, 4 and
8) and one batch norm to their concatenation. A stack adds the activations of its two blocks and halves the
resolution. Frames are 27 x 48 pixels; a clip may have any number of them, and a position sees 31 frames per block.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import avg_pool3d, relu

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.schema import PositiveInt, Section, validate
from trajprobe.encoders.preprocess import prepare
from trajprobe.encoders.protocol import WEIGHTS_FILE, FeatureMap, tensor_shapes
from trajprobe.encoders.random_arm import FRAMES, estimated_statistics, evenly_spaced, keep_pretrained

DILATIONS = (1, 2, 4, 8)
UNUSED = (
    "frame_sim_layer.",
    "color_hist_layer.",
    "fc1.",
    "cls_layer1.",
    "cls_layer2.",
)  # the classifier of frames


class TransNetArchitecture(Section):
    filters: PositiveInt  # of each separable convolution in the first stack; each stack has twice those of the last
    stacks: PositiveInt


class SeparableConv(nn.Module):
    """A convolution over space, then a dilated one over time; no bias, no activation between them."""

    def __init__(self, inputs: int, filters: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(inputs, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False),
            nn.Conv3d(
                2 * filters,
                filters,
                (3, 1, 1),
                dilation=(dilation, 1, 1),
                padding=(dilation, 0, 0),
                bias=False,
            ),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class DilatedBlock(nn.Module):
    """The separable convolutions of all dilations, concatenated, batch norm, ReLU."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        for dilation in DILATIONS:
            self.add_module(f"Conv3D_{dilation}", SeparableConv(inputs, filters, dilation))
        self.bn = nn.BatchNorm3d(len(DILATIONS) * filters, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [self.get_submodule(f"Conv3D_{dilation}")(x) for dilation in DILATIONS]
        return relu(self.bn(torch.cat(parts, dim=1)))


class DilatedStack(nn.Module):
    """Two blocks, the second with a shortcut around it, then average pooling over 2 x 2 pixels."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        outputs = len(DILATIONS) * filters
        self.DDCNN = nn.ModuleList([DilatedBlock(inputs, filters), DilatedBlock(outputs, filters)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.DDCNN[0](x)
        return avg_pool3d(first + self.DDCNN[1](first), (1, 2, 2))


class TransNetTrunk(nn.Module):
    """Clips (B, 3, T, 27, 48) float32 in [0, 1] -> the output of every stack, (B, C, T, h, w)."""

    def __init__(self, architecture: TransNetArchitecture) -> None:
        super().__init__()
        filters = [architecture.filters * 2**index for index in range(architecture.stacks)]
        inputs = [3, *(len(DILATIONS) * count for count in filters[:-1])]
        self.SDDCNN = nn.ModuleList(DilatedStack(*pair) for pair in zip(inputs, filters, strict=True))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stack in self.SDDCNN:
            x = stack(x)
            maps.append(x)
        return maps


class TransNetV2:
    """An `Encoder` with the layers `block.0`, `block.1`, ...: the stacks after their pooling."""

    def __init__(self, trunk: TransNetTrunk, expected: Input) -> None:
        self.trunk = trunk.eval().requires_grad_(False)
        self.input = expected
        self.layers: Sequence[str] = tuple(f"block.{index}" for index in range(len(trunk.SDDCNN)))

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """(B, T, H, H, 3) uint8 -> maps with t = T: 64 channels at 13 x 24 (`block.0`) to 256 at 3 x 6 (`block.2`)."""
        maps = dict(zip(self.layers, self.trunk(self._prepared(clips)), strict=True))
        return {layer: FeatureMap(maps[layer].permute(0, 2, 3, 4, 1)) for layer in layers}

    def calibrate(self, clips: torch.Tensor) -> None:
        """Set the batch-norm statistics to those of the clips, of at most FRAMES frames."""
        some = clips[evenly_spaced(len(clips), max(1, FRAMES // clips.shape[1]))]
        with estimated_statistics(self.trunk):
            self.trunk(self._prepared(some))

    def _prepared(self, clips: torch.Tensor) -> torch.Tensor:
        return prepare(clips, self.input).permute(0, 2, 1, 3, 4)


def build_trunk(card: EncoderCard) -> TransNetTrunk:
    """The architecture of `card` at torch's default initialisation, which is also the published one's."""
    where = f"card of {card.name}: architecture"
    return TransNetTrunk(validate(TransNetArchitecture, card.architecture, where))


def expected_tensors(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the trunk's tensors, as published; nothing is allocated."""
    with torch.device("meta"):
        return tensor_shapes(build_trunk(card))


def load(card: EncoderCard, folder: Path, device: torch.device) -> TransNetV2:
    """The pretrained trunk; `fetch` has checked names and shapes of the tensors."""
    trunk = build_trunk(card)
    trunk.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return TransNetV2(trunk.to(device), card.input)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> TransNetV2:
    """torch's default initialisation; call `calibrate` before use."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = build_trunk(card)
    if card.features.random.keeps_pretrained:
        keep_pretrained(trunk, folder / WEIGHTS_FILE, card.features.random, seed)
    return TransNetV2(trunk.to(device), card.input)
