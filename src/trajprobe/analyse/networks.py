"""Networks as probes: one hidden layer, and attention over tokens. See `network_training` for how they are trained."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from trajprobe.analyse.network_training import Parameters, train_network
from trajprobe.core.errors import UserError
from trajprobe.probe.classifier import InnerFoldClassifier
from trajprobe.probe.folds import Split
from trajprobe.probe.logistic import fit_principal_axes

KEEP_TOKENS = (
    "per_frame",
    "grid",
    "cls",
)  # poolings that keep tokens: one per time, or per quarter of a frame
CHANNELS = {"mean": 1, "mean_std": 2, "delta": 3}  # width of the other poolings, in channels of the layer
CONSTANT = 1e-6  # share of a channel's size below which its deviation is rounding


class NetworkProbe(InnerFoldClassifier):
    """A classifier trained by gradient descent for at most `epochs`; subclasses say what the network is."""

    epochs: int
    seed: int

    @abstractmethod
    def _prepare(self, X: np.ndarray) -> None:
        """Fit what `_inputs` applies to the training rows (n, D)."""

    @abstractmethod
    def _inputs(self, X: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, ...) float32 inputs of the network."""

    @abstractmethod
    def _initialise(self, generator: torch.Generator) -> Parameters: ...

    @staticmethod
    @abstractmethod
    def _forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor: ...

    def _fit(self, X: np.ndarray, y: np.ndarray, inner: Sequence[Split]) -> None:
        if not inner:
            raise ValueError(f"{type(self).__name__} needs inner folds to choose the number of epochs by")
        self._prepare(X)
        inputs = self._inputs(X)
        self._parameters = train_network(
            self._initialise, self._forward, inputs, y, inner, self.epochs, self.seed
        )

    def _scores(self, X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self._forward(self._parameters, torch.from_numpy(self._inputs(X)))[0].numpy()

    def _probabilities(self, scores: np.ndarray) -> np.ndarray:
        return torch.from_numpy(scores).softmax(1).numpy()


class MLPProbe(NetworkProbe):
    """One hidden layer of rectified units, which reads more from the features than a linear model.

    Features are standardised and rotated as for the linear probe. Initial weights are those of He et al. (Delving deep
    into rectifiers, 2015), the last layer's are zero, so that training starts from the uniform distribution.
    """

    def __init__(self, hidden: int = 128, epochs: int = 100, seed: int = 0, cv: Any = 4) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.seed = seed
        self.cv = cv

    def _prepare(self, X: np.ndarray) -> None:
        self._axes = fit_principal_axes(X)

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        return self._axes.apply(X)

    def _initialise(self, generator: torch.Generator) -> Parameters:
        width, n_classes = len(self._axes.energy), len(self.classes_)
        first = torch.randn(width, self.hidden, generator=generator) * (2 / max(width, 1)) ** 0.5
        return [
            first,
            torch.zeros(1, self.hidden),
            torch.zeros(self.hidden, n_classes),
            torch.zeros(1, n_classes),
        ]

    @staticmethod
    def _forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
        first, bias, second, offset = parameters
        return (inputs @ first + bias).relu() @ second + offset


class AttentiveProbe(NetworkProbe):
    """Attention over a clip's tokens: it learns which to weight, where a mean pooling weights all alike.

    One learned query attends over the tokens, and a linear layer classifies their weighted sum: the frozen evaluation
    of V-JEPA (Bardes et al., Revisiting feature prediction for learning visual representations from video, 2024),
    without the block behind its attention. With a single query, the keys' matrix and the query are one vector a head,
    and the values' matrix and the linear layer are one matrix a head, so these are what is learned:
        logits = sum over heads h of  softmax over tokens j of (x_j . u_h)  applied to  x_j W_h,  plus an offset.

    width: channels of a token; the features (n, D) are D / width tokens. Channels are standardised over all tokens of
    the training rows, which keeps the differences between tokens.
    """

    def __init__(self, width: int = 1, heads: int = 4, epochs: int = 100, seed: int = 0, cv: Any = 4) -> None:
        self.width = width
        self.heads = heads
        self.epochs = epochs
        self.seed = seed
        self.cv = cv

    def _prepare(self, X: np.ndarray) -> None:
        tokens = X.reshape(len(X), -1, self.width)
        self._mean = tokens.mean(axis=(0, 1), dtype=np.float64)
        deviation = tokens.std(axis=(0, 1), dtype=np.float64)
        varies = deviation > CONSTANT * np.abs(self._mean)
        self._scale = np.where(varies, 1 / np.where(deviation > 0, deviation, 1), 0)

    def _inputs(self, X: np.ndarray) -> np.ndarray:
        tokens = X.reshape(len(X), -1, self.width)
        return ((tokens - self._mean) * self._scale).astype(np.float32)

    def _initialise(self, generator: torch.Generator) -> Parameters:
        queries = torch.randn(self.width, self.heads, generator=generator) / self.width**0.5
        n_classes = len(self.classes_)
        return [queries, torch.zeros(self.heads * self.width, n_classes), torch.zeros(1, n_classes)]

    @staticmethod
    def _forward(parameters: Parameters, inputs: torch.Tensor) -> torch.Tensor:
        queries, classify, offset = parameters
        attention = torch.einsum("ntc,pch->pnht", inputs, queries).softmax(3)
        gathered = torch.einsum("pnht,ntc->pnhc", attention, inputs)
        return gathered.flatten(2) @ classify + offset


def token_width(arrays: Mapping[str, np.ndarray], layer: str, pooling: str) -> int:
    """The channels of a token of `pretrained/<layer>/<pooling>`, from a pooling of the same layer without tokens.

    Raises UserError if the pooling keeps no tokens, or there is no other pooling.
    """
    if pooling not in KEEP_TOKENS:
        raise UserError(
            f"analyse.attentive: needs tokens, but the headline pooling is {pooling!r}, which keeps none; "
            "set extract.pooling to [grid, mean] (or per_frame in place of grid), or analyse.attentive to false"
        )
    for other, times in CHANNELS.items():
        known = arrays.get(f"pretrained/{layer}/{other}")
        if known is not None:
            return known.shape[1] // times
    raise UserError(
        f"analyse.attentive: the width of a token does not follow from {pooling} alone; "
        f"set extract.pooling to [{pooling}, mean]"
    )
