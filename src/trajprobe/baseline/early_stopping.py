"""Training of a network end to end, with early stopping on items that it does not train on.

AdamW (Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019), a learning rate that rises over the first
epoch and falls along a cosine to zero, and the state with the least log loss on the held-out items. A training runs on
one thread and draws from its own generators, so it gives the same numbers wherever it runs on one kind of processor.
"""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from trajprobe.baseline.params import TrainingParams

PATIENCE = 8  # epochs without a smaller held-out loss, after which a training ends
TESTED_AT_ONCE = 64  # items


def fit_network(
    model: nn.Module,
    data: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
    settings: TrainingParams,
    seed: int,
    device: torch.device,
    epochs: int | None = None,
) -> int:
    """Train `model` in place on the items `train` and leave it in its best state; returns the epoch that state is from.

    model: uint8 items as in `data` (N, ...) -> (n, K) logits. held_out: items to stop by, where epoch 0 is the model
    as it came; without any, all epochs are trained, or the first `epochs` of them.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=settings.decay)
    rng = np.random.default_rng([seed, len(train)])
    steps = math.ceil(len(train) / settings.batch)
    last = settings.epochs if epochs is None else epochs
    best, best_epoch, state = math.inf, last, None
    if len(held_out):
        best, best_epoch = _held_out_loss(model, data, y, held_out, device), 0
        state = copy.deepcopy(model.state_dict())
    for epoch in range(last):
        model.train()
        for step, batch in enumerate(np.array_split(rng.permutation(train), steps)):
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * rate_share(epoch * steps + step, steps, settings.epochs)
            loss = cross_entropy(model(_on(device, data[batch])), _on(device, y[batch]))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        if len(held_out):
            loss_now = _held_out_loss(model, data, y, held_out, device)
            if loss_now < best:
                best, best_epoch, state = loss_now, epoch + 1, copy.deepcopy(model.state_dict())
            elif epoch + 1 - best_epoch >= PATIENCE:
                break
    if state is not None:
        model.load_state_dict(state)
    model.eval()
    return best_epoch


def rate_share(step: int, epoch_steps: int, epochs: int) -> float:
    """The share of the highest learning rate at `step`."""
    return min(1.0, (step + 1) / epoch_steps) * 0.5 * (1 + math.cos(math.pi * step / (epoch_steps * epochs)))


def network_probabilities(
    model: nn.Module, data: np.ndarray, items: np.ndarray, device: torch.device
) -> np.ndarray:
    """(n, K) float32 probabilities of the items by a model in evaluation mode."""
    with torch.inference_mode():
        logits = _logits(model, data, items, device)
        return logits.softmax(1).cpu().numpy()


def _held_out_loss(
    model: nn.Module, data: np.ndarray, y: np.ndarray, items: np.ndarray, device: torch.device
) -> float:
    model.eval()
    with torch.inference_mode():
        return float(cross_entropy(_logits(model, data, items, device), _on(device, y[items])))


def _logits(model: nn.Module, data: np.ndarray, items: np.ndarray, device: torch.device) -> torch.Tensor:
    parts = [items[start : start + TESTED_AT_ONCE] for start in range(0, len(items), TESTED_AT_ONCE)]
    return torch.cat([model(_on(device, data[part])) for part in parts])


def _on(device: torch.device, array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
