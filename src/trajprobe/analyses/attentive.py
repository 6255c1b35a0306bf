"""The attentive probe: it learns where in a clip to look, where pooling by a mean looks everywhere alike.

One learned query attends over a clip's tokens, and a linear layer classifies what it gathers: the frozen evaluation
of V-JEPA (Bardes et al., Revisiting feature prediction for learning visual representations from video, 2024), without
the block behind its attention. With a single query the keys' matrix and the query are one vector a head, and the
values' matrix and the linear layer are one matrix a head, so these are what is learned:
    logits = sum over heads h of  softmax over tokens j of (x_j . u_h)  applied to  x_j W_h,  plus an offset.

Tokens come from poolings that keep them: one for each time (`per_frame`, `cls`) or quarter of a frame (`grid`). How
wide a token is, the file of features tells through a pooling of the same layer that has none.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from trajprobe.analyses.networks import Parameters, learn
from trajprobe.errors import UserError

KEEP_TOKENS = ("per_frame", "grid", "cls")
CHANNELS = {"mean": 1, "mean_std": 2, "delta": 3}  # how many times a layer's channels they are wide
LEAST = 1e-6  # share of a channel's size below which its spread is rounding


def token_width(arrays: Mapping[str, np.ndarray], layer: str, pooling: str) -> int:
    """The channels of a token of `pretrained/<layer>/<pooling>`. Raises UserError where there are no tokens."""
    if pooling not in KEEP_TOKENS:
        raise UserError(
            f"analyses.attentive: needs tokens, but the headline pooling is {pooling!r}, which keeps none; "
            "set features.pooling to [grid, mean] (or per_frame in place of grid), or analyses.attentive to false"
        )
    for other, times in CHANNELS.items():
        known = arrays.get(f"pretrained/{layer}/{other}")
        if known is not None:
            return known.shape[1] // times
    raise UserError(
        f"analyses.attentive: how wide a token is cannot be told from {pooling} alone; "
        f"set features.pooling to [{pooling}, mean]"
    )


def attentive(
    width: int,
    heads: int,
    epochs: int,
    seed: int,
    rows: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    inner: Sequence[np.ndarray],
    new: np.ndarray,
) -> np.ndarray:
    """A Learner, once the width of a token, the heads, `epochs` at most, and the seed are given: (m, K) logits.

    Channels are standardised over all tokens of the training rows, which keeps apart what differs between tokens.
    """
    tokens, fresh = rows.reshape(len(rows), -1, width), new.reshape(len(new), -1, width)
    mean, spread = tokens.mean(axis=(0, 1), dtype=np.float64), tokens.std(axis=(0, 1), dtype=np.float64)
    scale = np.where(spread > LEAST * np.abs(mean), 1 / np.where(spread > 0, spread, 1), 0)

    def initialise(generator: torch.Generator) -> Parameters:
        queries = torch.randn(width, heads, generator=generator) / width**0.5
        return [queries, torch.zeros(heads * width, n_classes), torch.zeros(1, n_classes)]

    def standard(part: np.ndarray) -> np.ndarray:
        return ((part - mean) * scale).astype(np.float32)

    return learn(initialise, _forward, standard(tokens), codes, inner, standard(fresh), epochs, seed)


def _forward(parameters: Parameters, tokens: torch.Tensor) -> torch.Tensor:
    queries, classify, offset = parameters
    attention = torch.einsum("ntc,pch->pnht", tokens, queries).softmax(3)
    gathered = torch.einsum("pnht,ntc->pnhc", attention, tokens)
    return gathered.flatten(2) @ classify + offset
