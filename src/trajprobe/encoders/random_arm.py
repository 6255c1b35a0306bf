"""Random arms that keep something of the pretraining, to tell apart what it is that helps.

By default the random arm is the architecture's own initialisation. Some architectures start blind to time: their
position embeddings are zero until they are trained, so part of what the pretraining gains is only "has a clock".
With `positions: pretrained` the random arm gets the trained clock. And trained weights have another scale than
fresh ones: with `recipe: shuffled_weights` each tensor keeps its trained values and loses only their places.
"""

import re
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

from trajprobe.errors import UserError
from trajprobe.params.encoder_card import RandomArm

# Embeddings of places and times; Swin's and BEiT's tables of distances, LeViT's biases of them.
POSITIONS = re.compile(r"(pos|position|time|temporal)_embed|relative_position_bias_table|attention_biases")


def keep_pretrained(module: nn.Module, pretrained: Path, arm: RandomArm, seed: int) -> None:
    """Put into the freshly initialised `module` what `arm` keeps of the weights in the safetensors file `pretrained`.

    They are read one tensor at a time, so that memory holds one model. Shuffling draws from a generator of its own,
    seeded with `seed`. Raises UserError where positions are to be kept and the module has none.
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
