"""Stage render: the store holds, in the order of the trajectories, what `render_clip` draws; twice the same bytes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.trajectories import TrajectorySet, items_digest, write_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.render import stage
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import make_scene, render_clip


@pytest.fixture
def render(section: Callable[..., RenderParams]) -> RenderParams:
    return section(size=32, frames=3, noise=2.0)


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


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_the_store_holds_each_path_in_order(render: RenderParams, trajectories: TrajectorySet) -> None:
    message = stage.run(render)
    first, fit, time = message.splitlines()
    assert first == "7 clips of 3 frames at 32 x 32 in data/videos.zarr"
    assert fit.startswith("render.fit: item: each path has its own scale")
    assert time.startswith("render.time: item: each clip lasts as long as its path")
    clips = open_clips(paths.VIDEOS)
    assert clips.shape == (7, 3, 32, 32, 3)
    for index, (points, times) in enumerate(zip(trajectories.points, trajectories.times, strict=True)):
        expected = render_clip(points, times, render, index, "down")
        np.testing.assert_array_equal(clips[index : index + 1][0], expected)


def test_the_store_says_for_which_items_and_how_it_was_drawn(
    render: RenderParams, trajectories: TrajectorySet
) -> None:
    noise = render.model_copy(update={"content": "noise", "trail": "fading", "view": "xy"})
    stage.run(noise)
    before = contents(paths.VIDEOS)
    clips = open_clips(paths.VIDEOS)
    clips.check_items(items_digest(trajectories.item_ids))
    assert clips.drawn == {
        "content": "noise",
        "view": "xy",
        "trail": "fading",
        "trail_colour": "solid",
        "fit": "item",
        "time": "item",
        "background": "#0b1020",
    }
    # Noise looks the same for any items; only the digest shows that these are others.
    others = [f"other-{item}" for item in trajectories.item_ids]
    write_trajectories(replace(trajectories, item_ids=others), paths.TRAJECTORIES)
    stage.run(noise)
    after = contents(paths.VIDEOS)
    assert {name for name in after if after[name] != before[name]} == {"zarr.json"}
    assert json.loads(after["zarr.json"])["attributes"]["items"] == items_digest(others)


def test_bytes_depend_neither_on_the_run_nor_on_the_threads(
    render: RenderParams, trajectories: TrajectorySet
) -> None:
    stage.run(render, workers=1)
    first = contents(paths.VIDEOS)
    stage.run(render, workers=3)
    assert contents(paths.VIDEOS) == first


def test_one_scale_and_one_clock_come_from_all_items(
    render: RenderParams, trajectories: TrajectorySet
) -> None:
    shared = render.model_copy(update={"fit": "dataset", "time": "dataset", "noise": 0.0})
    message = stage.run(shared)
    assert "one scale for all" in message
    assert "one clock for all" in message
    clips = open_clips(paths.VIDEOS)
    assert (clips.drawn["fit"], clips.drawn["time"]) == ("dataset", "dataset")
    scene = make_scene(trajectories.points, trajectories.times, shared, "down")
    assert scene.scale.duration == pytest.approx(3.9)  # 40 points, a tenth of a second apart
    for index, (points, times) in enumerate(zip(trajectories.points, trajectories.times, strict=True)):
        expected = render_clip(points, times, shared, index, "down", scene=scene)
        np.testing.assert_array_equal(clips[index : index + 1][0], expected)


def test_without_trajectories_the_stage_says_so(
    render: RenderParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"trajectories\.parquet"):
        stage.run(render)
    assert not paths.VIDEOS.exists()
