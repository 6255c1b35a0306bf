"""benchmarks/gpu.py runs where no GPU is, at a tiny size; its count of operations against one by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from trajprobe.encoders.open_magvit2.network import CausalConv3d


def gpu() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks/gpu.py"
    spec = importlib.util.spec_from_file_location("gpu", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_the_gpu_benchmark_at_a_tiny_size(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--channels", "32", "--size", "16", "--batch", "1", "--rounds", "1", "--side", "64"]
    gpu().main([*small, "--device", "cpu"])
    _, _, head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["mode", "clips/s"]
    assert [row.split()[0] for row in rows] == ["float32", "bfloat16"]
    values = [[float(cell.rstrip("%")) for cell in row.split()[1:]] for row in rows]
    assert values[0][1] == 1.0
    assert values[0][-1] < 1e-6 < values[1][-1] < 0.03
    assert all(value > 0 for row in values for value in row[:-1])


def test_operations_of_a_clip() -> None:
    """By hand, an output of a convolution costs a multiplication and an addition for each of its weights."""
    module, total = gpu(), 0

    def count(conv: CausalConv3d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal total
        total += 2 * conv.conv_1.weight[0].numel() * output.numel()

    with torch.device("meta"):
        model = module.encoder(32)
        for part in model.modules():
            if isinstance(part, CausalConv3d):
                part.register_forward_hook(count)
        model.maps(torch.empty(1, 3, 5, 16, 16), ["mid"])
    assert module.flop_of_a_clip(32, 16) == total
