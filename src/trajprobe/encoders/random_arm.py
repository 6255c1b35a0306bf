"""What the random arms of several families share: what they keep of the pretraining, and their batch-norm statistics.

By default a random arm is the architecture's own initialisation. Two options of a card separate what the pretraining
gains. Some architectures cannot see time at first: their position embeddings are zero until they are trained, and
part of the gain is only that they have a clock; with `positions: pretrained` the random arm gets the trained
embeddings. And trained weights have another scale than fresh ones; with `recipe: shuffled_weights` each tensor keeps
its trained values and loses only their arrangement.

Batch norm divides by the mean and variance of its input, which training collects and an initialisation lacks. Left at
0 and 1, activations grow from block to block in a deep network, and the random arm is not the network that its
architecture describes. So they are estimated on the clips.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trajprobe.artifacts.encoder_card import RandomArm
from trajprobe.core.errors import UserError

# Embeddings of places and times; the tables of relative distances of Swin and BEiT, and LeViT's biases for them.
POSITIONS = re.compile(r"(pos|position|time|temporal)_embed|relative_position_bias_table|attention_biases")
FRAMES = 512  # on which batch-norm statistics are estimated, at most


def initialise_he_normal(module: nn.Module, seed: int) -> None:
    """He-normal weights (fan-in, gain of ReLU) for every convolution of `module`, from `seed` alone."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, generator=generator)


def keep_pretrained(module: nn.Module, pretrained: Path, arm: RandomArm, seed: int) -> None:
    """Copy into the freshly initialised `module` what `arm` keeps of the weights in the safetensors file `pretrained`.

    Tensors are read one at a time, so that memory holds one model. Shuffling draws from its own generator, seeded
    with `seed`. Raises UserError if positions are to be kept and the module learns none.
    """
    with safe_open(pretrained, "pt") as weights:
        if arm.recipe == "shuffled_weights":
            generator = torch.Generator().manual_seed(seed)
            for name, parameter in sorted(module.named_parameters()):
                values = weights.get_tensor(name).flatten()
                order = torch.randperm(len(values), generator=generator)
                parameter.data.copy_(values[order].view_as(parameter))
        if arm.positions == "pretrained":
            kept = [name for name, _ in module.named_parameters() if POSITIONS.search(name)]
            if not kept:
                raise UserError(
                    "card: features.random.positions: this architecture learns no positions that could be kept"
                )
            for name in kept:
                module.get_parameter(name).data.copy_(weights.get_tensor(name))


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """The batch norms of `module` that keep running statistics."""
    return [m for m in module.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


@contextmanager
def estimated_statistics(module: nn.Module) -> Iterator[None]:
    """Within the block, one pass through `module` sets the statistics of all its batch norms to those of that pass.

    The statistics of a layer depend on the layers before it as they will run, so all inputs must pass at once. No
    weight changes, and nothing but the batch norms leaves evaluation mode.
    """
    norms = batch_norms(module)
    for norm in norms:
        norm.momentum = 1.0  # forget the statistics from before
        norm.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for norm in norms:
            norm.eval()


def evenly_spaced(total: int, most: int) -> list[int]:
    """At most `most` of the indices below `total`, ascending and evenly spaced."""
    count = min(most, total)
    return [index * total // count for index in range(count)]
