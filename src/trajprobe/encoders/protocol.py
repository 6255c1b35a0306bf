"""The interface of every encoder, whatever its family: uint8 clips in, named feature maps out.

A family is a module of this package with the two functions of `Family`; registry.py finds it by the name in a card.
How its weights are obtained is the business of trajprobe.fetch, so that an edit there re-runs no extraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from trajprobe.artifacts.encoder_card import EncoderCard

WEIGHTS_FILE = "encoder.safetensors"  # the encoder's tensors, in the folder that `fetch` makes


@dataclass(frozen=True)
class FeatureMap:
    """One layer's output for a batch of B clips.

    grid: (B, t, h, w, C) float32, positions in time and space; an axis that the model does not have is of length 1.
    cls: (B, t, C) float32, the class token at each time (t = 1 if there is one per clip), or None.
    """

    grid: "torch.Tensor"
    cls: "torch.Tensor | None" = None


class Encoder(Protocol):
    """A frozen encoder on one device, in evaluation mode.

    An encoder that joins several frames into one position in time also has their number, `tubelet`: the measurement
    of order sensitivity keeps these frames together. Without it every frame is a position of its own.
    """

    layers: Sequence[str]  # all available layers, shallow to deep

    def encode(self, clips: "torch.Tensor", layers: Sequence[str]) -> dict[str, FeatureMap]:
        """Feature maps of `layers` for clips (B, T, H, W, 3) uint8 on the encoder's device.

        The features of a clip do not depend on the other clips of the batch. The caller has checked `layers`. Raises
        UserError if the card's input does not admit the clips.
        """
        ...


@runtime_checkable
class Calibrated(Protocol):
    """An encoder whose random arm has to see clips first: batch-norm statistics are estimated, not learned."""

    def calibrate(self, clips: "torch.Tensor") -> None:
        """Estimate the statistics on clips (B, T, H, W, 3) uint8 on the encoder's device; no weight changes."""
        ...


class Family(Protocol):
    """The functions of a family's module."""

    def load(self, card: "EncoderCard", folder: Path, device: "torch.device") -> Encoder:
        """The pretrained encoder, from the weights that `fetch` put into `folder`."""
        ...

    def initialise(self, card: "EncoderCard", folder: Path, seed: int, device: "torch.device") -> Encoder:
        """The same architecture at its own published random initialisation, which `seed` alone determines."""
        ...


@runtime_checkable
class StateDictFamily(Family, Protocol):
    """A family whose weights come as one file with a state dict."""

    UNUSED: tuple[str, ...]  # prefixes of the tensors in published checkpoints that the encoder does without

    def expected_tensors(self, card: "EncoderCard") -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors that the card's architecture has; nothing is allocated."""
        ...


def tensor_shapes(module: "torch.nn.Module") -> dict[str, tuple[int, ...]]:
    """Names and shapes of the module's state, but the counters of batch norms, which no frozen network reads."""
    state = module.state_dict()
    return {name: tuple(state[name].shape) for name in state if not name.endswith("num_batches_tracked")}
