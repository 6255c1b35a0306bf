"""Training of small networks in torch, many at once because they are small.

A network is given by its initial parameters and a forward pass. To choose the number of epochs and the weight decay,
one network for each inner fold and decay is trained in a single stack: they see the same batches, each with the rows of
its fold's test part masked, and their parameters never mix. Then one network is trained on all rows, from the same
initial parameters, with the choice that had the least log loss on the inner folds. The optimiser is Adam with decoupled
weight decay (Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019).

All random numbers of a training come from one generator, and its caller keeps torch to one thread (`torch_threads`), so
results do not depend on the number of threads.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from trajprobe.probe.folds import Split

RATE = 1e-2
BATCH = 128
DECAYS = (0.01, 0.1, 1.0)
CHECKS = 20  # times in a training that the loss on the inner folds is computed

Parameters = list[torch.Tensor]
Initialise = Callable[[torch.Generator], Parameters]
Forward = Callable[[Parameters, torch.Tensor], torch.Tensor]  # stacked (P, ...), (n, ...) -> logits (P, n, K)


def train_network(
    initialise: Initialise,
    forward: Forward,
    rows: np.ndarray,
    y: np.ndarray,
    inner: Sequence[Split],
    epochs: int,
    seed: int,
) -> Parameters:
    """Parameters (1, ...) trained on `rows` (n, ...) float32, for at most `epochs`; decay and epochs by inner folds."""
    data, truth = torch.from_numpy(rows), torch.from_numpy(y.astype(np.int64))
    kept, held = torch.zeros(len(inner), len(rows)), torch.zeros(len(inner), len(rows))
    for fold, (train_part, test_part) in enumerate(inner):
        kept[fold, torch.from_numpy(train_part)] = 1
        held[fold, torch.from_numpy(test_part)] = 1
    kept, held = (mask.repeat_interleave(len(DECAYS), dim=0) for mask in (kept, held))
    decays = torch.tensor(DECAYS).repeat(len(inner))
    checks = sorted({max(1, round(epochs * (check + 1) / CHECKS)) for check in range(CHECKS)})
    losses: list[torch.Tensor] = []

    def check(parameters: Parameters) -> None:
        each = (_losses(forward(parameters, data), truth) * held).sum(1) / held.sum(1)
        losses.append(each.reshape(len(inner), -1).mean(0))

    _train_stack(initialise, forward, data, truth, kept, decays, checks, seed, check)
    best = int(torch.stack(losses).argmin())
    length, decay = checks[best // len(DECAYS)], DECAYS[best % len(DECAYS)]
    everything = torch.ones(1, len(rows))
    return _train_stack(
        initialise, forward, data, truth, everything, torch.tensor([decay]), [length], seed, lambda _: None
    )


def _train_stack(
    initialise: Initialise,
    forward: Forward,
    data: torch.Tensor,
    truth: torch.Tensor,
    kept: torch.Tensor,
    decays: torch.Tensor,
    checks: Sequence[int],
    seed: int,
    check: Callable[[Parameters], None],
) -> Parameters:
    """Train a stack of P networks on the rows of the mask `kept` (P, n); call `check` after each epoch in `checks`."""
    generator = torch.Generator().manual_seed(seed)
    parameters = [
        part.expand(len(kept), *part.shape).clone().requires_grad_() for part in initialise(generator)
    ]
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    for epoch in range(1, checks[-1] + 1):
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
        if epoch in checks:
            with torch.no_grad():
                check(parameters)
    return parameters


def _losses(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(P, n) log loss of the stacked logits (P, n, K)."""
    return -logits.log_softmax(2).gather(2, truth.expand(len(logits), -1)[..., None])[..., 0]
