"""What every encoder is, whatever its family: uint8 clips in, named feature maps out.

A family is a module of this package with the two functions of `Family`; `families.py` finds it by the name that
stands in a card. How its weights are obtained is told apart in `fetching.py`, so that a change there re-runs no
extraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from trajprobe.params.encoder_card import EncoderCard


@dataclass(frozen=True)
class FeatureMap:
    """One layer's output for a batch of B clips.

    grid: (B, t, h, w, C) float32, positions in time and space; a model without an axis keeps it with length 1.
    cls: (B, t, C) float32, the class token per time step (t = 1 where there is one a clip), or None.
    """

    grid: "torch.Tensor"
    cls: "torch.Tensor | None" = None


class Encoder(Protocol):
    """A frozen encoder on one device, in evaluation mode.

    One that joins frames into positions in time may also say how many, in `tubelet`; the order certificate then keeps
    them together. Without it every frame is a position of its own.
    """

    layers: Sequence[str]  # every layer that can be asked for, shallow to deep

    def encode(self, clips: "torch.Tensor", layers: Sequence[str]) -> dict[str, FeatureMap]:
        """Feature maps of `layers` for clips (B, T, H, W, 3) uint8 on the encoder's device.

        A clip's features do not depend on the clips beside it. Raises UserError for a clip that the card's input
        does not admit; the caller has checked `layers`.
        """
        ...


@runtime_checkable
class Calibrated(Protocol):
    """An encoder whose random arm needs to see clips first: batch-norm statistics are estimated, not learned."""

    def calibrate(self, clips: "torch.Tensor") -> None:
        """Estimate the statistics on clips (B, T, H, W, 3) uint8 on the encoder's device; no weight changes."""
        ...


class Family(Protocol):
    """The functions of a family module."""

    def load(self, card: "EncoderCard", folder: Path, device: "torch.device") -> Encoder:
        """The pretrained encoder from what `fetch` put into `folder`."""
        ...

    def initialise(self, card: "EncoderCard", folder: Path, seed: int, device: "torch.device") -> Encoder:
        """The same architecture at its own published random initialisation, from `seed` alone."""
        ...
