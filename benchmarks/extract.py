"""How fast the embedded default encodes, beside the same network in torch's usual memory order.

    python benchmarks/extract.py           # about 20 s on two cores

Both run the same weights on the same clips (5 frames of 64 x 64 pixels) and take turns for several rounds; the best of
each counts. Channels last is what trajprobe uses. `off` is how far the latents are from those of a float64 run: in
channels-last order torch's GroupNorm sums naively, which is also how the published numbers were made.
"""

import copy
import time
from collections.abc import Callable

import torch

from trajprobe import paths
from trajprobe.encoders.magvit2_model import Architecture, Magvit2Encoder
from trajprobe.params.encoder_card import EncoderCard
from trajprobe.params.loading import load, validate

BATCHES = (8, 32)
ROUNDS = 5


def in_order(
    model: Magvit2Encoder, clips: torch.Tensor, order: torch.memory_format
) -> Callable[[], torch.Tensor]:
    """A run of `model` on `clips` with weights and clips in a memory order."""
    ordered = copy.deepcopy(model)
    for parameter in ordered.parameters():
        if parameter.ndim == 5:
            parameter.data = parameter.data.contiguous(memory_format=order)
    shown = clips.contiguous(memory_format=order)
    return lambda: ordered(shown)


def drawn(batch: int, size: int) -> torch.Tensor:
    """(batch, 3, 5, size, size) clips as the encoder is fed them: dark, with one pixel in thirty bright."""
    clips = torch.rand(batch, 3, 5, size, size) * 2 - 1
    return torch.where(torch.rand(batch, 1, 5, size, size) < 1 / 30, clips, torch.tensor(-0.9))


def main() -> None:
    card = load(EncoderCard, paths.encoder_card("magvit2_mini"))
    torch.manual_seed(0)
    model = Magvit2Encoder(validate(Architecture, card.architecture, "card")).eval().requires_grad_(False)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {card.name}")
    print(f"{'clips in a batch':>16}  {'channels last':>15}  {'plain':>12}  {'ratio':>5}  {'off':>14}")
    with torch.inference_mode():
        for batch in BATCHES:
            clips = drawn(batch, card.input.size)
            exact = copy.deepcopy(model).double()(clips.double())
            orders = (torch.channels_last_3d, torch.contiguous_format)
            ways = [in_order(model, clips, order) for order in orders]
            off = [float((way() - exact).norm() / exact.norm()) for way in ways]
            best = [float("inf")] * len(ways)
            for _ in range(ROUNDS):
                for number, way in enumerate(ways):
                    start = time.perf_counter()
                    way()
                    best[number] = min(best[number], (time.perf_counter() - start) / batch)
            print(
                f"{batch:>16}  {1e3 * best[0]:>7.1f} ms/clip  {1e3 * best[1]:>4.1f} ms/clip  "
                f"{best[1] / best[0]:>5.1f}  {off[0]:.0e} {off[1]:.0e}"
            )


if __name__ == "__main__":
    main()
