"""Small networks as probes, trained in torch: many at once, because they are small.

A network is given by its parameters and what they make of a batch. To choose how long to train and how much weight to
take away, one network for each inner fold and decay is trained in a single stack: they see the same batches, each
with its held-out rows blanked, and their parameters never mix. Then one network is trained on all rows with the
choice that had the least log loss on the inner folds, from the same beginning. Adam with decoupled weight decay
(Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019).

Everything is drawn from one generator for each training, and a training runs on one thread, so results are the same
whatever the number of threads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

RATE = 1e-2
BATCH = 128
DECAYS = (0.01, 0.1, 1.0)
LOOKS = 20  # how often in a training the inner folds are looked at

Parameters = list[torch.Tensor]
Initialise = Callable[[torch.Generator], Parameters]
Forward = Callable[[Parameters, torch.Tensor], torch.Tensor]  # stacked (P, ...), (n, ...) -> logits (P, n, K)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep torch to one thread, here and in the threads that start inside: they are what runs side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def learn(
    initialise: Initialise,
    forward: Forward,
    rows: np.ndarray,
    codes: np.ndarray,
    inner: Sequence[np.ndarray],
    new: np.ndarray,
    epochs: int,
    seed: int,
) -> np.ndarray:
    """(m, K) logits of `new` (m, ...) from a network trained on `rows` (n, ...), at most `epochs` times each.

    inner: for each inner fold the rows it holds out.
    """
    data, truth = torch.from_numpy(rows), torch.from_numpy(codes.astype(np.int64))
    kept = torch.ones(len(inner), len(rows))
    for fold, held in enumerate(inner):
        kept[fold, torch.from_numpy(held)] = 0
    decays = torch.tensor(DECAYS).repeat(len(inner))
    stack = kept.repeat_interleave(len(DECAYS), dim=0)
    looks = sorted({max(1, round(epochs * (look + 1) / LOOKS)) for look in range(LOOKS)})
    losses: list[torch.Tensor] = []

    def look(parameters: Parameters) -> None:
        each = _losses(forward(parameters, data), truth)
        held = (each * (1 - stack)).sum(1) / (1 - stack).sum(1)
        losses.append(held.reshape(len(inner), -1).mean(0))

    _train(initialise, forward, data, truth, stack, decays, looks, seed, look)
    best = int(torch.stack(losses).argmin())
    length, decay = looks[best // len(DECAYS)], DECAYS[best % len(DECAYS)]
    everything = torch.ones(1, len(rows))
    final = _train(
        initialise, forward, data, truth, everything, torch.tensor([decay]), [length], seed, lambda _: None
    )
    with torch.no_grad():
        return forward(final, torch.from_numpy(new))[0].numpy()


def _train(
    initialise: Initialise,
    forward: Forward,
    data: torch.Tensor,
    truth: torch.Tensor,
    kept: torch.Tensor,
    decays: torch.Tensor,
    looks: Sequence[int],
    seed: int,
    look: Callable[[Parameters], None],
) -> Parameters:
    """Train a stack of P networks on the rows of the mask `kept` (P, n); call `look` after each epoch in `looks`."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [
        part.expand(len(kept), *part.shape).clone().requires_grad_() for part in initialise(generator)
    ]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    for epoch in range(1, looks[-1] + 1):
        for batch in torch.randperm(len(data), generator=generator).split(BATCH):
            mask = kept[:, batch]
            each = _losses(forward(parameters, data[batch]), truth[batch])
            loss = ((each * mask).sum(1) / mask.sum(1).clamp(min=1)).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            with torch.no_grad():
                for part in parameters:
                    part.mul_(1 - RATE * decays.reshape(-1, *[1] * (part.dim() - 1)))
        if epoch in looks:
            with torch.no_grad():
                look(parameters)
    return parameters


def _losses(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(P, n) log loss of the stacked logits (P, n, K)."""
    return -logits.log_softmax(2).gather(2, truth.expand(len(logits), -1)[..., None])[..., 0]
