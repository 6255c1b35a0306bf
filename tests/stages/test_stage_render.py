"""Stage render: the store holds, in the order of the trajectories, what `render_clip` draws; twice the same bytes."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.loading import validate
from trajprobe.params.study import Params
from trajprobe.stages import render as stage
from trajprobe.trajectories.table import TrajectorySet, write_trajectories
from trajprobe.video.rendering import render_clip
from trajprobe.video.store import open_clips

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params() -> Params:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["render"] |= {"size": 32, "frames": 3, "noise": 2.0}
    return validate(Params, content, "params.yaml")


@pytest.fixture
def trajectories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrajectorySet:
    """Ragged 2-D paths with y down, written where the stage looks."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lengths = [2, 17, 5, 40, 9, 9, 30]
    names = [f"item{index}" for index in range(len(lengths))]
    made = TrajectorySet(
        item_ids=names,
        labels=["a", "b", "a", "b", "a", "b", "a"],
        groups=names,
        splits=[""] * len(names),
        times=[np.arange(length) / 10 for length in lengths],
        points=[rng.normal(size=(length, 2)).cumsum(axis=0).astype(np.float32) for length in lengths],
        classes=["a", "b"],
        source="test",
        digest="0" * 64,
        y_axis="down",
    )
    write_trajectories(made, paths.TRAJECTORIES)
    return made


def test_the_store_holds_each_path_in_order(params: Params, trajectories: TrajectorySet) -> None:
    message = stage.run(params)
    assert message == "7 clips of 3 frames at 32 x 32 in data/videos.zarr"
    clips = open_clips(paths.VIDEOS)
    assert clips.shape == (7, 3, 32, 32, 3)
    for index, (points, times) in enumerate(zip(trajectories.points, trajectories.times, strict=True)):
        expected = render_clip(points, times, params.render, index, "down")
        np.testing.assert_array_equal(clips[index : index + 1][0], expected)


def test_running_again_gives_the_same_bytes(
    params: Params, trajectories: TrajectorySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    for workers in ("1", "3"):
        monkeypatch.setenv("TRAJPROBE_WORKERS", workers)
        stage.run(params)
        files = sorted(file for file in paths.VIDEOS.rglob("*") if file.is_file())
        contents.append([(str(file), file.read_bytes()) for file in files])
    assert contents[0] == contents[1]


def test_without_trajectories_the_stage_says_so(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"trajectories\.parquet"):
        stage.run(params)
    assert not paths.VIDEOS.exists()
