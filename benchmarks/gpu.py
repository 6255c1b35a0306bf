"""The speed of the published Open-MAGVIT2 encoder on a GPU: precision, autotuning, graphs and compilation, as a table.

    python benchmarks/gpu.py                             # on a GPU: a few minutes, most of them for torch.compile
    python benchmarks/gpu.py --batch 32 --modes float32 bfloat16

Clips are 5 frames of 128 pixels; weights are random, which does not change the time. Each row adds to the one above:

    float32     eager, without TF32, as trajprobe runs it
    bfloat16    `extract.precision: bfloat16`
    autotuned   and cuDNN chooses its algorithms by timing (torch.backends.cudnn.benchmark)
    graph       and the pass is replayed as one CUDA graph
    compiled    the autotuned network through torch.compile (max-autotune), with its own graphs

trajprobe uses the first two. The others change the last digits between runs or need a GPU to be tested on, so they
are measured here and not offered. `peak` is a large matrix product in the same precision in the same run, `use` the
network's share of it (model FLOP utilisation); `error` is the distance of `mid` (mean and deviation) from float32.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from results import report
from trajprobe.core.allocator import keep_freed_memory
from trajprobe.encoders.open_magvit2.network import Architecture, Magvit2Encoder
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.encoders.registry import resolve_device
from trajprobe.extract.passes import arithmetic
from trajprobe.extract.pooling import pool

MODES = ("float32", "bfloat16", "autotuned", "graph", "compiled")
ON_CUDA_ALONE = ("autotuned", "graph", "compiled")
FRAMES = 5


def encoder(channels: int) -> Magvit2Encoder:
    """The published network at `channels` in place of 128."""
    shape = Architecture(channels=channels, multipliers=[1, 2, 2, 4], res_blocks=4, latent_channels=18)
    return Magvit2Encoder(shape).eval().requires_grad_(False)


def flop_of_a_clip(channels: int, size: int) -> float:
    """Of its convolutions, a multiplication and an addition counted as two; nothing is computed."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        encoder(channels).maps(torch.empty(1, 3, FRAMES, size, size), ["mid"])
    return float(counter.get_total_flops())


def seconds(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """The best of `rounds` rounds, after two to warm up."""
    best = float("inf")
    for number in range(rounds + 2):
        start = time.perf_counter()
        work()
        if device.type != "cpu":
            getattr(torch, device.type).synchronize()
        if number >= 2:
            best = min(best, time.perf_counter() - start)
    return best


def peak(dtype: torch.dtype, device: torch.device, side: int, rounds: int) -> float:
    """FLOP/s of a square matrix product."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, device, rounds)


def replayed(work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
    """`work` as a CUDA graph, captured once."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> torch.Tensor:
        graph.replay()
        return result

    return replay


def prepared(mode: str, model: Magvit2Encoder, clips: torch.Tensor) -> Callable[[], torch.Tensor]:
    """The pass of `model` over `clips` (B, 3, T, H, W) in this mode; gives the map `mid`."""
    torch.backends.cudnn.benchmark = mode in ON_CUDA_ALONE
    maps = torch.compile(model.maps, mode="max-autotune") if mode == "compiled" else model.maps

    def work() -> torch.Tensor:
        with torch.no_grad(), arithmetic("float32" if mode == "float32" else "bfloat16", clips.device):
            return maps(clips, ["mid"])["mid"]

    return replayed(work) if mode == "graph" else work


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default=None, help="by default cuda, else mps, else cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--side", type=int, default=8192, help="of the matrices that tell the peak")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=None)
    options = parser.parse_args(arguments)
    device = resolve_device(options.device)
    known = [mode for mode in MODES if device.type == "cuda" or mode not in ON_CUDA_ALONE]
    modes = [mode for mode in known if mode in (options.modes or known)]
    flop = flop_of_a_clip(options.channels, options.size)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    print(
        f"{name}, torch {torch.__version__}, {FRAMES} x {options.size} x {options.size}, {options.batch} clips in"
    )
    print(f"a pass, {flop / 1e12:.3g} TFLOP a clip")
    print(f"{'mode':>10} {'clips/s':>9} {'x float32':>9} {'TFLOP/s':>9} {'peak':>9} {'use':>6} {'error':>8}")
    torch.manual_seed(0)
    model = encoder(options.channels).to(device)
    shape = (options.batch, 3, FRAMES, options.size, options.size)
    clips = (torch.rand(shape) * 2 - 1).to(device).contiguous(memory_format=torch.channels_last_3d)
    peaks: dict[torch.dtype, float] = {}
    plain = prepared("float32", model, clips)
    exact, first = vectors(plain()), seconds(plain, device, options.rounds)
    for mode in modes:
        dtype = torch.float32 if mode == "float32" else torch.bfloat16
        if dtype not in peaks:
            peaks[dtype] = peak(dtype, device, options.side, options.rounds)
        run = prepared(mode, model, clips)
        taken = first if mode == "float32" else seconds(run, device, options.rounds)
        error = float((vectors(run()) - exact).norm() / exact.norm())
        rate = options.batch * flop / taken
        print(
            f"{mode:>10} {options.batch / taken:>9.3g} {first / taken:>9.2f} {rate / 1e12:>9.3g} "
            f"{peaks[dtype] / 1e12:>9.3g} {rate / peaks[dtype]:>6.1%} {error:>8.1e}"
        )
        if mode == "float32":
            report(
                mode,
                f"{rate / peaks[dtype]:.0%} ({rate / 1e9:.0f} GFLOP/s, {taken / options.batch:.2g} s a clip)",
            )
        if mode == "bfloat16":
            report(
                mode,
                f"{first / taken:.1f}×, features within {error:.1%}; {rate / peaks[dtype]:.0%} of bfloat16's peak",
            )


def vectors(maps: torch.Tensor) -> torch.Tensor:
    """(B, C, t, h, w) -> the features that the card asks for."""
    return pool("mean_std", FeatureMap(maps.float().permute(0, 2, 3, 4, 1)))


if __name__ == "__main__":
    keep_freed_memory()  # as the command line does
    main()
