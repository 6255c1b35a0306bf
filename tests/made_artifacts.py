"""One small artifact of each kind that reading checks; each call draws other numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.artifacts.analyses import Analyses, write_analyses
from trajprobe.artifacts.features import write_features
from trajprobe.artifacts.predictions import Arm, ArmPredictions, Predictions, write_predictions
from trajprobe.artifacts.trajectories import TrajectorySet, write_trajectories

RNG = np.random.default_rng(0)


def trajectories(path: Path) -> None:
    count = 9
    write_trajectories(
        TrajectorySet(
            item_ids=[f"item{i}" for i in range(count)],
            labels=["left", "läuft", "right"] * 3,
            groups=[f"g{i // 2}" for i in range(count)],
            splits=["train" if i % 2 else "test" for i in range(count)],
            times=[np.arange(4.0)] * count,
            points=[RNG.normal(size=(4, 2)).astype(np.float32) for _ in range(count)],
            classes=["left", "läuft", "right"],
            source="mine",
            digest="d" * 64,
            y_axis="down",
            strokes=[np.array([0, 0, 1, 1], np.int32)] * count,
        ),
        path,
    )


def predictions(path: Path) -> None:
    shape, classes = (2, 8), ["a", "b"]
    arms = [
        ArmPredictions(
            Arm("tiny", arm, init, "mid", "mean"),
            fold=RNG.integers(0, 3, shape),
            predicted=RNG.integers(0, 2, shape),
            l2=np.full(shape, 0.1),
            probability=RNG.random((*shape, 2)).astype(np.float32),
            split_half_scores={"accuracy": RNG.integers(0, 4, (3, 2, 2))},
        )
        for arm, init in (("pretrained", 0), ("random", 0), ("random", 1))
    ]
    ids = [f"item{i}" for i in range(8)]
    counts = RNG.integers(0, 4, (3, 2, 2))
    own = {"card": {"summary": "tiny"}, "order": {}}
    write_predictions(
        path, Predictions(ids, ids, np.arange(8) % 2, classes, "e" * 64, (1e-4, 1e2), arms, own, counts)
    )


def features(path: Path) -> None:
    arrays = {"pretrained/mid/mean": RNG.normal(size=(9, 3)), "random/mid/mean": RNG.normal(size=(2, 9, 3))}
    write_features(path, arrays, {"items": "f" * 64, "layers": ["mid"], "provenance": {"sha256": "0" * 64}})


def analyses(path: Path) -> None:
    nothing: dict[str, Any] = {
        "label_efficiency": None,
        "description_length": None,
        "selectivity": None,
        "probes": [],
        "attributes": None,
        "injection": None,
    }
    write_analyses(
        path, Analyses(encoder="tiny", n_classes=2, chance=0.5, seeds=3, confidence=0.95, **nothing)
    )
