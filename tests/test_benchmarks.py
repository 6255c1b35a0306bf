"""The benchmark of the GPU at a tiny size, its count of operations against one by hand, and the page of results."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from trajprobe.encoders.open_magvit2.network import CausalConv3d


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script of benchmarks/, as Python does that runs one of them."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module


def test_the_table_of_the_gpu_benchmark_at_a_tiny_size(
    load: Callable[[str], ModuleType], capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--channels", "32", "--size", "16", "--batch", "1", "--rounds", "1", "--side", "64"]
    load("gpu").main([*small, "--device", "cpu"])
    _, _, head, *lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if not line.startswith("RESULT ")]
    assert [line.split(":")[0] for line in lines if line not in rows] == ["RESULT float32", "RESULT bfloat16"]
    assert head.split()[:2] == ["mode", "clips/s"]
    assert [row.split()[0] for row in rows] == ["float32", "bfloat16"]
    values = [[float(cell.rstrip("%")) for cell in row.split()[1:]] for row in rows]
    assert values[0][1] == 1.0
    assert values[0][-1] < 1e-6 < values[1][-1] < 0.03
    assert all(value > 0 for row in values for value in row[:-1])


def test_operations_of_a_clip(load: Callable[[str], ModuleType]) -> None:
    """By hand, an output of a convolution costs a multiplication and an addition for each of its weights."""
    module, total = load("gpu"), 0

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


def test_every_row_of_the_results_is_reported_by_its_script(load: Callable[[str], ModuleType]) -> None:
    results = load("results")
    where = {"machine": "two cores", "versions": "torch 2", "date": "2026-01-01"}
    rows = {name: row for benchmark in results.BENCHMARKS.values() for name, row in benchmark.rows.items()}
    for benchmark in results.BENCHMARKS.values():
        text = (results.HERE / benchmark.command[0]).read_text()
        named = set(re.findall(r'"(\w+)"', text))
        assert "report(" in text
        assert benchmark.rows.keys() <= named, benchmark.command
    page = results.page({name: {"measured": f"{name} is 3×", **where} for name in [*rows][1:]})
    assert page.count("not measured") == 1
    for name, row in [*rows.items()][1:]:
        assert f"| {row.what} | {row.against} | {row.target} | {name} is 3× |" in page
    assert page.count("- 2026-01-01, two cores, torch 2: ") == 1
