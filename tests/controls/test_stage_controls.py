"""Stage controls: a row for each item in order, whatever fits into memory at once; clips of other items are refused."""

from pathlib import Path

import numpy as np
import pytest

from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.trajectories import TrajectorySet, items_digest, write_trajectories
from trajprobe.controls import stage
from trajprobe.controls.control_features import coordinates, hash_noise, pixels, random_projection
from trajprobe.core import paths
from trajprobe.core.errors import UserError

COUNT = 7


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrajectorySet:
    """Trajectories, written where the stage looks."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"item{index}" for index in range(COUNT)]
    made = TrajectorySet(
        item_ids=names,
        labels=["a"] * COUNT,
        groups=names,
        splits=[""] * COUNT,
        times=[np.arange(5.0)] * COUNT,
        points=[rng.normal(size=(5, 3)).astype(np.float32) for _ in names],
        classes=["a"],
        source="test",
        digest="0" * 64,
        y_axis="up",
    )
    write_trajectories(made, paths.TRAJECTORIES)
    return made


def test_rows_are_in_the_order_of_the_items(items: TrajectorySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "CLIPS_AT_ONCE", 3)
    clips = np.random.default_rng(1).integers(0, 256, (COUNT, 2, 16, 16, 3), np.uint8)
    write_clips(paths.VIDEOS, clips.shape, [clips], items=items_digest(items.item_ids), drawn={})
    said = stage.run()
    assert said == (
        "data/features/controls.safetensors: 7 items, "
        "coordinates (312), hash_noise (256), pixels (288), random_projection (512)"
    )
    features = read_features(paths.features("controls"))
    assert features.metadata == {"items": items_digest(items.item_ids)}
    for name, expected in (
        ("coordinates", coordinates(items.times, items.points)),
        ("hash_noise", hash_noise(items.item_ids)),
        ("pixels", pixels(clips)),
        ("random_projection", random_projection(clips)),
    ):
        np.testing.assert_allclose(features.arrays[f"control/{name}"], expected, rtol=1e-5, atol=1e-5)


def test_clips_of_other_items_are_refused(items: TrajectorySet) -> None:
    clips = np.zeros((COUNT, 2, 16, 16, 3), np.uint8)
    write_clips(paths.VIDEOS, clips.shape, [clips], items=items_digest(items.item_ids[::-1]), drawn={})
    with pytest.raises(UserError, match="drawn for other trajectories"):
        stage.run()
    assert not paths.features("controls").exists()


def test_the_coordinates_share_the_scale_and_the_clock_of_the_clips(items: TrajectorySet) -> None:
    clips = np.zeros((COUNT, 2, 16, 16, 3), np.uint8)
    for fit, time in (("item", "dataset"), ("dataset", "item"), ("dataset", "dataset")):
        drawn = {"fit": fit, "time": time}
        write_clips(paths.VIDEOS, clips.shape, [clips], items=items_digest(items.item_ids), drawn=drawn)
        stage.run()
        np.testing.assert_array_equal(
            read_features(paths.features("controls")).arrays["control/coordinates"],
            coordinates(items.times, items.points, one_scale=fit == "dataset", one_clock=time == "dataset"),
        )
