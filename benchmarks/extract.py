"""The speed of the embedded default encoder in channels-last memory order, compared with torch's usual order.

    python benchmarks/extract.py           # about 20 s on two cores

Both orders run the same weights on the same clips (5 frames of 64 x 64 pixels) in turns, several rounds; the best round
of each counts. trajprobe uses channels last. `error` is the relative distance of the latents from a float64 run.
"""

import copy
import time
from collections.abc import Callable

import torch

from results import report
from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core import paths
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.core.schema import load, validate
from trajprobe.encoders.open_magvit2.network import Architecture, Magvit2Encoder

BATCHES = (8, 32)
ROUNDS = 5


def in_order(
    model: Magvit2Encoder, clips: torch.Tensor, order: torch.memory_format
) -> Callable[[], torch.Tensor]:
    """The function that runs `model` on `clips`, with weights and clips in a memory order."""
    ordered = copy.deepcopy(model)
    for parameter in ordered.parameters():
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=order)
    shown = clips.contiguous(memory_format=order)
    return lambda: ordered(shown)


def dark_clips(batch: int, size: int) -> torch.Tensor:
    """(batch, 3, 5, size, size) float32, similar to an encoder's input: dark, with one pixel in thirty bright."""
    clips = torch.rand(batch, 3, 5, size, size) * 2 - 1
    return torch.where(torch.rand(batch, 1, 5, size, size) < 1 / 30, clips, torch.tensor(-0.9))


def main() -> None:
    card = load(EncoderCard, paths.encoder_card("magvit2_mini"))
    torch.manual_seed(0)
    model = Magvit2Encoder(validate(Architecture, card.architecture, "card")).eval().requires_grad_(False)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {card.name}")
    print(f"{'clips in a batch':>16}  {'channels last':>15}  {'plain':>12}  {'ratio':>5}  {'error':>14}")
    with torch.inference_mode():
        for batch in BATCHES:
            clips = dark_clips(batch, card.input.size)
            exact = copy.deepcopy(model).double()(clips.double())
            orders = (torch.channels_last_3d, torch.contiguous_format)
            runs = [in_order(model, clips, order) for order in orders]
            errors = [float((run() - exact).norm() / exact.norm()) for run in runs]
            best = [float("inf")] * len(runs)
            for _ in range(ROUNDS):
                for number, run in enumerate(runs):
                    start = time.perf_counter()
                    run()
                    best[number] = min(best[number], (time.perf_counter() - start) / batch)
            print(
                f"{batch:>16}  {1e3 * best[0]:>7.1f} ms/clip  {1e3 * best[1]:>4.1f} ms/clip  "
                f"{best[1] / best[0]:>5.1f}  {errors[0]:.0e} {errors[1]:.0e}"
            )
    report("order", f"{best[1] / best[0]:.1f}× as fast ({BATCHES[-1]} clips in a batch)")


if __name__ == "__main__":
    keep_freed_memory()  # as the command line does
    main()
