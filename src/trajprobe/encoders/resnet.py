"""Family `resnet`: the CIFAR ResNets, small published image encoders, applied to each frame separately.

The network of He et al. 2016 (https://arxiv.org/abs/1512.03385, section 4.2) as trained by
https://github.com/akamaster/pytorch_resnet_cifar10: three groups of residual blocks with 16, 32 and 64 channels, each
group at half the resolution of the one before. The shortcut of a block that changes the shape has no parameters
(option A: every second pixel, and zeros for the missing channels on both sides). An image model is insensitive to the
order of frames; only the pooling can be sensitive to it.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import pad, relu

from trajprobe.artifacts.encoder_card import EncoderCard, Input
from trajprobe.core.errors import UserError
from trajprobe.core.schema import PositiveInt, Section, validate
from trajprobe.encoders.preprocess import prepare
from trajprobe.encoders.protocol import WEIGHTS_FILE, FeatureMap, tensor_shapes
from trajprobe.encoders.random_arm import (
    FRAMES,
    estimated_statistics,
    evenly_spaced,
    initialise_he_normal,
    keep_pretrained,
)

WIDTHS = (16, 32, 64)
LAYERS = ("stem", "layer1", "layer2", "layer3", "penultimate")
UNUSED = ("linear.",)  # the classifier


class Architecture(Section):
    depth: PositiveInt  # 6 n + 2 layers: 20, 32, 44, 56, 110


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and the shortcut around them."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride = after // before  # the resolution is halved if the channels are doubled
        self.conv1 = nn.Conv2d(before, after, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.missing = (after - before) // 2  # channels on either side of those of the shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        shortcut = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.missing, self.missing))
        return relu(branch + shortcut)


class Network(nn.Module):
    """The network without its classifier; modules have the names of the published checkpoints."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        before = WIDTHS[0]
        for number, width in enumerate(WIDTHS, start=1):
            widths = [before] + [width] * blocks
            group = nn.Sequential(*(ResidualBlock(*pair) for pair in pairwise(widths)))
            self.add_module(f"layer{number}", group)
            before = width

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(n, 3, H, W) -> the output of every layer, (n, C, h, w)."""
        x = relu(self.bn1(self.conv1(x)))
        maps = {"stem": x}
        for layer in ("layer1", "layer2", "layer3"):
            x = maps[layer] = self.get_submodule(layer)(x)
        maps["penultimate"] = x.mean(dim=(2, 3), keepdim=True)
        return maps


class ResNet:
    """An `Encoder` that applies a Network to each frame."""

    layers: Sequence[str] = LAYERS

    def __init__(self, network: Network, expected: Input) -> None:
        self.network = network.eval().requires_grad_(False)
        self.input = expected

    def encode(self, clips: torch.Tensor, layers: Sequence[str]) -> dict[str, FeatureMap]:
        """(B, T, H, W, 3) uint8 -> maps with t = T: 16 channels at 32 x 32 (stem, layer1) to 64 at 1 x 1."""
        pictures = prepare(clips, self.input)
        maps = self.network(pictures.flatten(0, 1))
        shape = pictures.shape[:2]
        return {layer: FeatureMap(maps[layer].unflatten(0, shape).permute(0, 1, 3, 4, 2)) for layer in layers}

    def calibrate(self, clips: torch.Tensor) -> None:
        """Set the batch-norm statistics to those of the clips' frames."""
        pictures = prepare(clips, self.input).flatten(0, 1)
        with estimated_statistics(self.network):
            self.network(pictures[evenly_spaced(len(pictures), FRAMES)])


def network(card: EncoderCard) -> Network:
    """The architecture of `card` with torch's default weights. Raises UserError for an impossible depth."""
    where = f"card of {card.name}: architecture"
    depth = validate(Architecture, card.architecture, where).depth
    if depth < 8 or (depth - 2) % 6:
        raise UserError(f"{where}: depth: must be 6 n + 2 (20, 32, 44, 56, 110), got {depth}")
    return Network((depth - 2) // 6)


def expected_tensors(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the encoder's tensors, as published; nothing is allocated."""
    with torch.device("meta"):
        return tensor_shapes(network(card))


def load(card: EncoderCard, folder: Path, device: torch.device) -> ResNet:
    """The pretrained encoder; `fetch` has checked names and shapes of the tensors."""
    model = network(card)
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return ResNet(model.to(device), card.input)


def initialise(card: EncoderCard, folder: Path, seed: int, device: torch.device) -> ResNet:
    """As published: He-normal convolutions (fan-in, ReLU gain), batch norm at 1 and 0; call `calibrate` before use."""
    model = network(card)
    initialise_he_normal(model, seed)
    if card.features.random.keeps_pretrained:
        keep_pretrained(model, folder / WEIGHTS_FILE, card.features.random, seed)
    return ResNet(model.to(device), card.input)
