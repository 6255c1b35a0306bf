"""bfloat16 against float32, with and without instructions for it; and passes that run out of memory, by allocations
that no machine can serve."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import load
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.encoders.protocol import FeatureMap
from trajprobe.extract.passes import arithmetic, batched, in_float32
from trajprobe.extract.pooling import pool

MINI = Path(__file__).parents[2] / "models/magvit2_mini"
CPU = torch.device("cpu")
SIZE = 16  # pixels
EXABYTE = 2**60


def drawn_clips(count: int, size: int) -> torch.Tensor:
    """(count, 5, size, size, 3) uint8: a bright square that moves over a dark ground, as drawn clips are."""
    clips = np.full((count, 5, size, size, 3), (11, 16, 32), np.uint8)
    for clip, start in zip(clips, np.random.default_rng(0).integers(0, size // 2, (count, 2)), strict=True):
        for time, frame in enumerate(clip):
            row, column = start + time * size // 12
            frame[row : row + size // 8, column : column + size // 8] = (249, 115, 22)
    return torch.from_numpy(clips)


def errors_of_bfloat16() -> dict[str, float]:
    """The relative distance of the embedded encoder's features (T = 5) from those in float32, of the worst clip.

    Without `codes`: one flipped sign in the few positions of so small a clip is more than a hundredth.
    """
    card = load(EncoderCard, MINI / "card.yaml")
    card = card.model_copy(update={"input": card.input.model_copy(update={"size": SIZE})})
    encoder = open_magvit2.load(card, MINI, CPU)
    shown = drawn_clips(2, SIZE)
    vectors = {}
    for precision in ("float32", "bfloat16"):
        with torch.inference_mode(), arithmetic(precision, CPU):
            maps = in_float32(encoder.encode(shown, encoder.layers))
        vectors[precision] = {layer: pool("mean_std", found) for layer, found in maps.items()}
    exact, close = vectors["float32"], vectors["bfloat16"]
    return {
        layer: float(((close[layer] - exact[layer]).norm(dim=1) / exact[layer].norm(dim=1)).max())
        for layer in encoder.layers
        if layer != "codes"
    }


def test_bfloat16_is_within_a_hundredth_of_float32() -> None:
    errors = errors_of_bfloat16()
    assert all(0 < error < 0.01 for error in errors.values()), errors


def test_it_is_without_instructions_for_it() -> None:
    """oneDNN and torch are told of an older CPU, which only a new process can be."""
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    code = "import test_passes; print(max(test_passes.errors_of_bfloat16().values()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **older},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 < float(done.stdout) < 0.01


def test_maps_that_are_float32_are_not_copied() -> None:
    grid, cls = torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 2)
    same = in_float32({"a": FeatureMap(grid, cls)})["a"]
    assert same.grid is grid
    assert same.cls is cls
    wide = in_float32({"a": FeatureMap(grid.bfloat16(), cls.bfloat16()), "b": FeatureMap(grid.bfloat16())})
    assert wide["a"].grid.dtype == wide["a"].cls.dtype == wide["b"].grid.dtype == torch.float32  # type: ignore[union-attr]
    assert wide["b"].cls is None


@dataclass
class Settings:
    batch: int
    device: torch.device = CPU


def fits(most: int, error: type[Exception] | None = None) -> object:
    """Work that has room for `most` clips: beyond them torch is asked for an exabyte, or `error` is raised."""

    def work(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > most:
            if error:
                raise error("CUDA out of memory. Tried to allocate 1.00 EiB")
            torch.empty(EXABYTE, dtype=torch.uint8)
        return batch[:, 0, 0, 0, 0]

    return work


@pytest.mark.parametrize("error", [None, torch.OutOfMemoryError, MemoryError, RuntimeError])
@pytest.mark.parametrize(
    ("most", "batch", "expected"), [(5, 3, [3, 3, 3, 1]), (2, 8, [2] * 5), (1, 5, [1] * 10)]
)
def test_a_batch_that_does_not_fit_is_halved(
    error: type[Exception] | None,
    most: int,
    batch: int,
    expected: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    clips = np.arange(10, dtype=np.uint8)[:, None, None, None, None]
    settings = Settings(batch)
    found = list(batched(fits(most, error), clips, settings))  # type: ignore[arg-type]
    assert [count for count, _ in found] == expected
    assert torch.cat([rows for _, rows in found]).tolist() == list(range(10))
    assert settings.batch <= max(most, 3)
    assert len(caplog.messages) == (0 if batch <= most else 2 if batch == 8 or batch == 5 else 1)
    assert all("\n" not in line and "at once; going on with" in line for line in caplog.messages)


def test_a_clip_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(UserError, match="not enough memory on cpu for a single clip"):
        list(batched(fits(0), np.zeros((4, 1, 1, 1, 1), np.uint8), Settings(4)))  # type: ignore[arg-type]


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def work(batch: torch.Tensor) -> None:
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        list(batched(work, np.zeros((4, 1, 1, 1, 1), np.uint8), Settings(4)))
