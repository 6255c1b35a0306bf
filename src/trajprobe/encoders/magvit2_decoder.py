"""The decoder that the embedded default is pretrained with: Open-MAGVIT2's, mirrored small, and thrown away afterwards.

From upstream it keeps the causal convolutions, the residual blocks and the upsampling by depth-to-space, with the
first frame of a doubled time dropped; it leaves out the adaptive norms, and the blocks at full resolution, which
would cost as much as the whole encoder.
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
        widths = [architecture.channels * multiplier for multiplier in architecture.multipliers]
        width = widths[-1]
        self.conv_in = CausalConv3d(architecture.latent_channels, width, 3, bias=True)
        self.blocks = nn.ModuleList([ResBlock(width, width, groups)])
        self.upsamples = nn.ModuleList()
        for outputs, stride in reversed(list(zip(widths, strides(architecture.multipliers), strict=True))):
            if stride is None:
                continue
            self.blocks.append(ResBlock(width, outputs, groups))
            self.upsamples.append(Upsample(outputs, outputs, stride))
            width = outputs
        self.norm_out = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv_out = CausalConv3d(width, 3, 3, bias=True)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.blocks[0](self.conv_in(codes))
        for block, upsample in zip(self.blocks[1:], self.upsamples, strict=True):
            x = upsample(block(x))
        return self.conv_out(swish(self.norm_out(x)))
