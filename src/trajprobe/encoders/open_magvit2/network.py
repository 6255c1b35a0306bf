"""The encoder of Open-MAGVIT2's video tokenizer: a causal 3-D convolutional network.

Architecture and tensor names are those of the published checkpoint (Luo et al., "Open-MAGVIT2", arXiv 2409.04410;
code TencentARC/SEED-Voken, `improved_video_model.py`), so its weights load by name. Width, depth and number of latent
channels are free: the embedded default is this network, small.

"Causal" means that time is padded at the front only: a latent frame never depends on later frames, and the first
latent frame stands for the first frame alone. That is why clips have 4k+1 frames.

Maps are (B, C, T, H, W). The encoder keeps them in channels-last memory order, in which convolutions on a CPU are
faster (`benchmarks/extract.py`); the result does not depend on the order beyond the rounding of single operations.
"""

import itertools

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn.functional import conv3d, pad

from trajprobe.core.schema import PositiveInt, Section


class Architecture(Section):
    """Level i is channels x multipliers[i] wide and res_blocks deep; so deep is the middle, too."""

    channels: PositiveInt
    multipliers: list[PositiveInt]
    res_blocks: PositiveInt
    latent_channels: PositiveInt
    groups: PositiveInt = 32  # of every GroupNorm; fewer if 32 does not divide the width of a small network

    @model_validator(mode="after")
    def _divides(self) -> "Architecture":
        if self.channels % self.groups:
            raise ValueError(f"channels ({self.channels}) must be a multiple of groups ({self.groups})")
        return self


def swish(x: Tensor) -> Tensor:
    """x * sigmoid(x), written as upstream does: torch's fused `silu` rounds differently, enough to flip a code."""
    return x * torch.sigmoid(x)


class CausalConv3d(nn.Module):
    """Convolution over (time, height, width): zeros around the picture and before the first frame, never after it."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: tuple[int, int, int] = (1, 1, 1),
        bias: bool = False,
    ) -> None:
        super().__init__()
        # The name is upstream's: `...conv_1.weight`.
        conv = nn.Conv3d(inputs, outputs, kernel, stride, bias=bias)
        self.conv_1 = conv.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.before = kernel - 1
        self.around = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            x = pad(x, (0, 0, 0, 0, self.before, 0))
        conv = self.conv_1
        return conv3d(x, conv.weight, conv.bias, conv.stride, (0, self.around, self.around))


class GroupNorm(nn.GroupNorm):
    """Group normalisation (Wu & He, arXiv 1803.08494, eq. 1-6) that is accurate in any memory order.

    Torch's own sums naively on a CPU in channels-last order. A drawn clip is mostly one flat background, so its maps
    have a mean far from zero and long runs of equal values, where naive sums lose up to 1e-3 of the variance. Here the
    mean is taken first and the variance is that of the centred values; `Tensor.mean` sums pairwise.
    """

    def forward(self, x: Tensor) -> Tensor:
        mean = self._over_group(x.mean((2, 3, 4)))
        variance = self._over_group((x - mean).square_().mean((2, 3, 4)))
        scale = self.weight[:, None, None, None] * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias[:, None, None, None] - mean * scale, x, scale)

    def _over_group(self, per_channel: Tensor) -> Tensor:
        """(B, C) -> (B, C, 1, 1, 1): each channel's value averaged over the channels of its group."""
        grouped = per_channel.unflatten(1, (self.num_groups, -1))
        return grouped.mean(2, keepdim=True).expand_as(grouped).flatten(1)[..., None, None, None]


class ResBlock(nn.Module):
    """Norm, swish and convolution, twice, added to the input; a 1x1x1 convolution adapts the input's width."""

    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, inputs, eps=1e-6)
        self.norm2 = GroupNorm(groups, outputs, eps=1e-6)
        self.conv1 = CausalConv3d(inputs, outputs, 3)
        self.conv2 = CausalConv3d(outputs, outputs, 3)
        self.nin_shortcut = nn.Identity() if inputs == outputs else CausalConv3d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(swish(self.norm1(x)))
        y = self.conv2(swish(self.norm2(y)))
        return y + self.nin_shortcut(x)


class Level(nn.Module):
    """Residual blocks at one resolution, then (except at the last level) a strided convolution to the next."""

    def __init__(
        self, inputs: int, outputs: int, depth: int, groups: int, stride: tuple[int, int, int] | None
    ) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * depth
        self.block = nn.Sequential(*(ResBlock(a, b, groups) for a, b in itertools.pairwise(widths)))
        self.downsample = CausalConv3d(outputs, outputs, 3, stride, bias=True) if stride else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map after the blocks, and what the next level reads."""
        x = self.block(x)
        return x, self.downsample(x)


class Magvit2Encoder(nn.Module):
    """Clips (B, 3, T, H, W) float32 in [-1, 1], T = 4k+1 -> latents (B, latent_channels, t, h, w)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        depth, groups = architecture.res_blocks, architecture.groups
        widths = [architecture.channels * multiplier for multiplier in architecture.multipliers]
        self.conv_in = CausalConv3d(3, architecture.channels, 3)
        self.down = nn.ModuleList()
        inputs = architecture.channels
        for outputs, stride in zip(widths, strides(architecture.multipliers), strict=True):
            self.down.append(Level(inputs, outputs, depth, groups, stride))
            inputs = outputs
        self.mid_block = nn.Sequential(*(ResBlock(inputs, inputs, groups) for _ in range(depth)))
        self.norm_out = GroupNorm(groups, inputs, eps=1e-6)
        self.conv_out = CausalConv3d(inputs, architecture.latent_channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x, ["latent"])["latent"]

    def maps(self, x: Tensor, layers: list[str]) -> dict[str, Tensor]:
        """Those of `layers`, each (B, C, t, h, w): `down.<i>` after the blocks of level i and before its stride;
        `mid` after the middle blocks, which is the map before the final norm; `latent` the output.
        """
        found: dict[str, Tensor] = {}
        x = self.conv_in(x)
        for index, level in enumerate(self.down):
            after_blocks, x = level(x)
            if f"down.{index}" in layers:
                found[f"down.{index}"] = after_blocks
        x = self.mid_block(x)
        if "mid" in layers:
            found["mid"] = x
        if "latent" in layers:
            found["latent"] = self.conv_out(swish(self.norm_out(x)))
        return found


def strides(multipliers: list[int]) -> list[tuple[int, int, int] | None]:
    """Each level's stride over (time, height, width): a level of multiplier 1 halves the picture only."""
    steps: list[tuple[int, int, int] | None] = [(1, 2, 2) if m == 1 else (2, 2, 2) for m in multipliers[:-1]]
    return [*steps, None]


def bits(latent: Tensor) -> Tensor:
    """Lookup-free quantisation (Yu et al., MAGVIT-v2, arXiv 2310.05737, eq. 2): the sign of each channel, as bool."""
    return latent > 0


def codes(latent: Tensor) -> Tensor:
    """(B, C, t, h, w) latents -> (B, t, h, w) int64 code indices; channel 0 is the least significant bit."""
    weights = 2 ** torch.arange(latent.shape[1], device=latent.device)
    return (bits(latent) * weights[:, None, None, None]).sum(1)
