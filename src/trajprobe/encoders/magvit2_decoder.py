"""The decoder that the embedded default is pretrained with: Open-MAGVIT2's, mirrored small, and thrown away afterwards.

From upstream it keeps the causal convolutions, the residual blocks and the upsampling by depth-to-space, with the
first frame of a doubled time dropped; it leaves out the adaptive norms, and all work at full resolution, which would
cost as much as the whole encoder: its last depth-to-space makes the colours. Levels are half as wide.
"""

import torch
from torch import Tensor, nn

from trajprobe.encoders.magvit2_model import Architecture, CausalConv3d, ResBlock, strides, swish


class Upsample(nn.Module):
    """A convolution to more channels, which then become `block` times as many positions in (time, height, width)."""

    def __init__(self, inputs: int, outputs: int, block: tuple[int, int, int]) -> None:
        super().__init__()
        self.block = block
        self.conv = CausalConv3d(inputs, outputs * block[0] * block[1] * block[2], 3, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        time, height, width = self.block
        batch, _channels, t, h, w = x.shape
        x = x.reshape(batch, time, height, width, -1, t, h, w).permute(0, 4, 5, 1, 6, 2, 7, 3)
        x = x.reshape(batch, -1, t * time, h * height, w * width)
        return x[:, :, time - 1 :].contiguous(memory_format=torch.channels_last_3d)


class Magvit2Decoder(nn.Module):
    """Codes (B, latent_channels, t, h, w) of -1 and 1 -> clips (B, 3, T, H, W)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        groups = architecture.groups
        widths = [max(groups, architecture.channels * m // 2) for m in architecture.multipliers]
        blocks = [block for block in strides(architecture.multipliers) if block is not None]
        width = widths[-1]
        self.conv_in = CausalConv3d(architecture.latent_channels, width, 3, bias=True)
        self.mid_block = ResBlock(width, width, groups)
        up: list[nn.Module] = []
        for outputs, block in zip(reversed(widths[1:-1]), reversed(blocks[1:]), strict=True):
            up += [ResBlock(width, outputs, groups), Upsample(outputs, outputs, block)]
            width = outputs
        self.up = nn.Sequential(*up, ResBlock(width, widths[0], groups))
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = Upsample(widths[0], 3, blocks[0])

    def forward(self, codes: Tensor) -> Tensor:
        x = self.up(self.mid_block(self.conv_in(codes)))
        return self.conv_out(swish(self.norm_out(x)))
