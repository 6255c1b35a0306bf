"""What the estimate rests on: a batch through the encoder, a few fits, the controls of a few clips, a training step.

Weights do not change how long a network takes, so where they are missing the same architecture at random initialisation
stands for them. Fits are timed on the paths themselves, resampled, projected at random to the width of the encoder's
features and mixed with as much noise, which makes the classes about as hard to separate as features do: real labels
and a real number of items, up to MOST_ROWS of them.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from trajprobe.artifacts.encoder_card import EncoderCard, RandomArm
from trajprobe.artifacts.trajectories import TrajectorySet, label_values
from trajprobe.baseline.params import Cnn3dParams
from trajprobe.commands.preview.cost_model import ControlTimes, EncoderTimes, FitTimes, StudyPlan
from trajprobe.controls.control_features import (
    HASH_WIDTH,
    coordinate_columns,
    pixels,
    random_projection,
    resampled,
)
from trajprobe.core.errors import UserError
from trajprobe.extract.params import ExtractParams
from trajprobe.probe.folds import Fold, assign_folds, splits_of, strata
from trajprobe.probe.logistic import make_l2_grid
from trajprobe.probe.params import ProbeParams
from trajprobe.probe.targets import target_of

MOST_ROWS = 600  # items that the fits are timed on
MOST_WIDTH = 2048  # columns; beyond the number of rows more of them cost little
TINY = 5  # labels of each class in a tiny fit
LAGS = (1, 2, 4, 8, 16)  # samples
NOISE = 1.0  # of the features that fits are timed on, in their standard deviations
SLOW = 4.0  # seconds that no repetition may take
SHORT = 0.05  # seconds; shorter work is timed several times
ZSTD = 3  # level, as artifacts/clips.py stores clips


def timed_encoder(
    card: EncoderCard, weights: Path, clips: np.ndarray, params: ExtractParams, device: str | None, batch: int
) -> EncoderTimes:
    """Time a batch of `clips` (n, T, S, S, 3) uint8 through the encoder of `card`.

    weights: its folder. device, batch: as `extract` takes them; a batch is never larger than `clips`. Raises UserError
    if the encoder cannot be built, refuses the clips, or has no such layer or pooling.
    """
    import torch

    from trajprobe.encoders.protocol import Calibrated
    from trajprobe.encoders.registry import family, resolve_device
    from trajprobe.extract.extraction import chosen
    from trajprobe.extract.passes import arithmetic, in_float32
    from trajprobe.extract.pooling import check_pooling, pool

    layers = chosen(params.layer, card.features.layer)
    poolings = chosen(params.pooling, card.features.pooling)
    for name in poolings:
        check_pooling(name)
    where = resolve_device(device)
    start = time.perf_counter()
    encoder = _built(family(card.family), card, weights, where)
    built = time.perf_counter() - start
    unknown = [layer for layer in layers if layer not in encoder.layers]
    if unknown:
        raise UserError(
            f"extract.layer: {card.name} has no layer {unknown[0]!r}; it has {', '.join(encoder.layers)}"
        )

    def encode(count: int) -> list[int]:
        shown = torch.from_numpy(np.ascontiguousarray(clips[:count])).to(where)
        with arithmetic(params.precision, where):
            maps = in_float32(encoder.encode(shown, layers))
        vectors = [pool(name, maps[layer]).float().cpu() for layer in layers for name in poolings]
        return [vector.shape[1] for vector in vectors]

    with torch.inference_mode():
        if isinstance(encoder, Calibrated) and not (weights / "provenance.json").is_file():
            encoder.calibrate(torch.from_numpy(clips[:2]).to(where))
        clip, widths = _timed(lambda: encode(1))  # which also warms up
        count = min(batch, len(clips))
        # A large network is timed on one clip: a batch would take long, and saves little.
        if clip < SLOW:
            clip = _timed(lambda: encode(1))[0]
        if clip < SLOW / count:
            clip = _timed(lambda: encode(count))[0] / count
    return EncoderTimes(built, clip, widths)


def timed_step(settings: Cnn3dParams, frames: int, classes: int, device: str | None) -> float:
    """Seconds that a training step of the alternative `cnn3d` takes for each of its clips, on one thread."""
    import torch
    from torch.nn.functional import cross_entropy

    from trajprobe.baseline.cnn3d import SmallCnn3d
    from trajprobe.core.torch_threads import torch_threads
    from trajprobe.encoders.registry import resolve_device

    where = resolve_device(device)
    model = SmallCnn3d(settings.channels, classes).to(where)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.rate)
    shape = (settings.batch, frames, settings.pixels, settings.pixels, 3)
    clips = torch.zeros(shape, dtype=torch.uint8, device=where)
    labels = torch.zeros(settings.batch, dtype=torch.int64, device=where)

    def step() -> float:
        loss = cross_entropy(model(clips), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    with torch_threads(1):
        step()  # which warms up
        return _timed(step)[0] / settings.batch


def _built(module: Any, card: EncoderCard, weights: Path, device: Any) -> Any:
    """The encoder with its weights if they are here, else at random initialisation."""
    if (weights / "provenance.json").is_file():
        return module.load(card, weights, device)
    if card.family == "transformers":
        raise UserError(
            f"{card.name}: its architecture comes with its weights; after `dvc repro fetch@{card.name}` it can be timed"
        )
    features = card.features.model_copy(update={"random": RandomArm()})
    return module.initialise(card.model_copy(update={"features": features}), weights, 0, device)


def timed_fits(trajectories: TrajectorySet, width: int, plan: StudyPlan, probe: ProbeParams) -> FitTimes:
    """Time the fits of the probe on features of `width` columns."""
    rng = np.random.default_rng(0)
    total = len(trajectories.labels)
    items = np.linspace(0, total - 1, min(total, MOST_ROWS)).round().astype(int)
    y = label_values(trajectories.labels, trajectories.classes)[items]
    kinds, target = strata(y, TINY), target_of(y, len(trajectories.classes))
    # Clips without paths: the labels themselves, under the same noise.
    rows = _as_rows(trajectories, items.tolist()) if trajectories.points else np.eye(kinds.max() + 1)[kinds]
    rows = rows @ rng.standard_normal((rows.shape[1], min(width, MOST_WIDTH)))
    rows = (rows / rows.std(axis=0) + NOISE * rng.standard_normal(rows.shape)).astype(np.float32)
    l2_grid = make_l2_grid(probe.l2_grid.low, probe.l2_grid.high, probe.l2_grid.count)

    def folds_of(members: np.ndarray, count: int) -> Any:
        groups = np.arange(len(members))
        return splits_of(assign_folds(kinds[members], groups, max(2, count), rng), max(2, count))

    everything = np.arange(len(items))
    train = folds_of(everything, plan.folds)[0][0]
    half = folds_of(everything, 2)[0][0]
    tiny = np.concatenate([np.flatnonzero(kinds == code)[:TINY] for code in range(kinds.max() + 1)])

    def fit(members: np.ndarray, grid: np.ndarray) -> Callable[[], Any]:
        fold = Fold(0, 0, members, members, tuple(folds_of(members, probe.inner_folds)))
        return lambda: target.fit(rows, fold, grid)

    halves = folds_of(half, plan.folds)[: plan.folds]
    with threadpool_limits(1, "blas"):  # as the workers of the stages have
        full, fitted = _timed(fit(train, l2_grid))
        return FitTimes(
            items=len(items),
            rows=len(train),
            full=full,
            half=_timed(lambda: target.half_scores(rows, fitted.l2, half, halves))[0],
            tiny_rows=len(tiny),
            tiny=_timed(fit(tiny, l2_grid[::2]))[0],
        )


def timed_controls(trajectories: TrajectorySet, clips: np.ndarray) -> ControlTimes:
    """Time the controls of these clips, and of one of them: the projection is drawn once for each batch of clips.

    The coordinates, a fifth of the work, are left out: their library would take longer to import than all the rest.
    """
    one, _ = _timed(lambda: (pixels(clips[:1]), random_projection(clips[:1])))
    several, drawn = _timed(lambda: (pixels(clips), random_projection(clips)))
    more = max(several - one, 0.0) / max(len(clips) - 1, 1)
    given = coordinate_columns(trajectories.points[0].shape[1]) if trajectories.points else 0
    columns = HASH_WIDTH + given + sum(rows.shape[1] for rows in drawn)
    return ControlTimes(one - more, more, columns)


def _as_rows(trajectories: TrajectorySet, items: list[int]) -> np.ndarray:
    """(n, C) float64: the paths resampled, centred and scaled, and distances within them, which no rotation changes."""
    rows = []
    for item in items:
        path = resampled(trajectories.times[item], trajectories.points[item], None)
        path -= path.mean(axis=0)
        path /= max(np.abs(path).max(), 1e-30)
        apart = [np.linalg.norm(path[lag:] - path[:-lag], axis=1) for lag in LAGS]
        rows.append(np.concatenate([path.ravel(), *apart]))
    return np.stack(rows)


def stored_bytes(clips: np.ndarray) -> float:
    """Bytes of one clip in data/videos.zarr, by compressing these."""
    return len(pa.Codec("zstd", compression_level=ZSTD).compress(clips.tobytes(), asbytes=True)) / len(clips)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds that `work` takes, and its result. Short work is repeated, and its best time counts."""
    best, spent = float("inf"), 0.0
    while spent < SHORT:
        start = time.perf_counter()
        result = work()
        taken = time.perf_counter() - start
        best, spent = min(best, taken), spent + taken
    return best, result
