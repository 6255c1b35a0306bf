"""What the pretraining minimises: a video tokenizer learns to reconstruct clips through codes of one bit a channel.

As in MAGVIT-v2 (Yu et al., arXiv 2310.05737, section 3.1) and Open-MAGVIT2 (Luo et al., arXiv 2409.04410, section
3.1) each latent channel is quantised to its sign without a codebook, and the gradient passes straight through. The
loss is the reconstruction error, a commitment of the latents to their codes, and the entropy terms of those papers.
The perceptual and adversarial terms that a tokenizer needs to make sharp pictures are left out.

The decoder that reconstructs is Open-MAGVIT2's, mirrored from the encoder and small; it is discarded after training.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from trajprobe.encoders.open_magvit2.network import (
    Architecture,
    CausalConv3d,
    GroupNorm,
    Magvit2Encoder,
    ResBlock,
    bits,
    strides,
    swish,
)


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
    """Codes (B, latent_channels, t, h, w) of -1 and 1 -> clips (B, 3, T, H, W). Needs two levels or more."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        groups = architecture.groups
        # Half the encoder's width, rounded down to what the groups divide.
        widths = [
            groups * max(1, architecture.channels * m // (2 * groups)) for m in architecture.multipliers
        ]
        blocks = [block for block in strides(architecture.multipliers) if block is not None]
        width = widths[-1]
        self.conv_in = CausalConv3d(architecture.latent_channels, width, 3, bias=True)
        self.mid_block = ResBlock(width, width, groups)
        up: list[nn.Module] = []
        for outputs, block in zip(reversed(widths[1:-1]), reversed(blocks[1:]), strict=True):
            up += [ResBlock(width, outputs, groups), Upsample(outputs, outputs, block)]
            width = outputs
        self.up = nn.Sequential(*up, ResBlock(width, widths[0], groups))
        self.norm_out = GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = Upsample(widths[0], 3, blocks[0])

    def forward(self, codes: Tensor) -> Tensor:
        x = self.up(self.mid_block(self.conv_in(codes)))
        return self.conv_out(swish(self.norm_out(x)))


COMMITMENT = 0.025  # weight of the latents' distance to their codes
ENTROPY = 0.05  # weight of the entropy terms


def losses(encoder: Magvit2Encoder, decoder: Magvit2Decoder, videos: Tensor) -> tuple[Tensor, Tensor]:
    """(loss to minimise, unexplained variance) of videos (B, 3, T, H, W), both scalars."""
    latent = encoder(videos)
    codes = quantise(latent)
    error = unexplained(decoder(codes), videos)
    commitment = (latent - codes.detach()).square().mean()
    return error + COMMITMENT * commitment + ENTROPY * entropy_penalty(latent), error


def reconstruct(encoder: Magvit2Encoder, decoder: Magvit2Decoder, videos: Tensor) -> Tensor:
    """The videos (B, 3, T, H, W) as the decoder sees them in their codes."""
    return decoder(quantise(encoder(videos)))


def unexplained(decoded: Tensor, videos: Tensor) -> Tensor:
    """The reconstruction error as a share of the variance of the videos, both (B, 3, T, H, W).

    The mean of each colour over a clip is subtracted: the background would outweigh everything drawn on it.
    """
    return _centred(decoded - videos).square().mean() / _centred(videos).square().mean()


def quantise(latent: Tensor) -> Tensor:
    """-1 or 1 by the sign of each channel; the gradient passes as through the identity."""
    code = torch.where(bits(latent), 1.0, -1.0)
    return latent + (code - latent).detach()


def entropy_penalty(latent: Tensor) -> Tensor:
    """Mean over the bits of E[H(p)] - H(E[p]) in nats, p the probability of a 1 (MAGVIT-v2, eq. 4).

    Small if each position is certain of its bit and the bits are used evenly. p follows from the squared distances to
    1 and -1. The second term takes bits as independent: an upper bound of the joint entropy over all codes.
    """
    logit = 4 * latent
    chance = torch.sigmoid(logit)
    each = softplus(logit) - logit * chance  # H(p), with a gradient that is finite even where p rounds to 1
    used = chance.mean(dim=(0, 2, 3, 4)).clamp(1e-6, 1 - 1e-6)
    evenness = torch.special.entr(used) + torch.special.entr(1 - used)
    return each.mean() - evenness.mean()


def _centred(videos: Tensor) -> Tensor:
    return videos - videos.mean(dim=(2, 3, 4), keepdim=True)
