"""Ready-made clips in the store. The oracles: the source's own frames where neither size nor number change, the times
that drawing samples, the mean over squares of pixels, and an array and a video of the same clip."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_videos import disc_clip, write_video
from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.trajectories import ReadyClips, TrajectorySet, read_trajectories, write_trajectories
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.render import stage
from trajprobe.render.drawing import make_timeline
from trajprobe.render.params import RenderParams
from trajprobe.render.ready_made import frame_positions, letterbox
from trajprobe.videos.video_archive import pack_videos

CLIPS = np.stack([disc_clip(("right", "down")[n % 2], n, frames=5, height=32) for n in range(6)])
MINE = Path("data/sources/mine")


def write_set(clips: ReadyClips, has_paths: bool = False) -> None:
    count = len(clips.places)
    ids = [f"item{n}" for n in range(count)]
    rng = np.random.default_rng(0)
    made = TrajectorySet(
        item_ids=ids,
        labels=["a", "b"] * (count // 2),
        groups=ids,
        splits=[""] * count,
        times=[np.arange(frames) / 2 for frames in clips.frames],
        points=[rng.normal(size=(frames, 3)).astype(np.float32) for frames in clips.frames]
        if has_paths
        else [],
        classes=["a", "b"],
        source="mine",
        digest="0" * 64,
        y_axis="up",
        clips=clips,
    )
    write_trajectories(made, paths.TRAJECTORIES)


@pytest.fixture
def render(
    section: Callable[..., RenderParams], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> RenderParams:
    """Five frames of 32 x 32, as the clips have; the archive `mine.npz` and the videos `mine.zip` hold the clips."""
    monkeypatch.chdir(tmp_path)
    MINE.mkdir(parents=True)
    np.savez(MINE / "mine.npz", videos=CLIPS)
    names = [f"{n}.avi" for n in range(len(CLIPS))]
    for name, clip in zip(names, CLIPS, strict=True):
        write_video(tmp_path / "raw" / name, clip)
    pack_videos(tmp_path / "raw", names, MINE / "mine.zip", (1980, 1, 1, 0, 0, 0))
    return section(size=32, frames=5)


def of_array(rows: range, frames: int = 5, file: str = "mine.npz", scale: str = "bytes") -> ReadyClips:
    return ReadyClips([f"{file}/videos/{row}" for row in rows], [frames] * len(rows), {file: scale})


def of_videos(rows: range) -> ReadyClips:
    return ReadyClips([f"mine.zip/{row}.avi" for row in rows], [5] * len(rows), {})


def stored(render: RenderParams, workers: int | None = None) -> np.ndarray:
    stage.run(render, workers)
    clips = open_clips(paths.VIDEOS)
    return np.array(clips[0 : clips.shape[0]])


@pytest.mark.parametrize("clips", [of_array(range(6)), of_videos(range(6))])
def test_clips_of_the_right_size_keep_their_bytes(clips: ReadyClips, render: RenderParams) -> None:
    write_set(clips)
    said = stage.run(render)
    assert said.startswith("6 clips of 5 frames at 32 x 32 in data/videos.zarr\nready-made clips: ")
    assert "repeated" not in said
    store = open_clips(paths.VIDEOS)
    np.testing.assert_array_equal(store[0:6], CLIPS)
    assert store.drawn == {"content": "clips"}


@pytest.mark.parametrize("place", [of_array, of_videos])
def test_the_items_that_are_left_have_their_own_clips_whatever_the_threads(
    place: Callable[[range], ReadyClips], render: RenderParams
) -> None:
    write_set(place(range(1, 5, 2)), has_paths=True)
    assert read_trajectories(paths.TRAJECTORIES).clips == place(range(1, 5, 2))
    small = render.model_copy(update={"size": 16, "noise": 3.0})
    first = stored(small, workers=1)
    np.testing.assert_array_equal(stored(small, workers=3), first)
    exact = stored(render)
    np.testing.assert_array_equal(exact, CLIPS[1:5:2])


def test_an_array_and_a_video_of_the_same_clip_give_the_same_bytes(render: RenderParams) -> None:
    other = render.model_copy(update={"size": 24, "frames": 3})
    write_set(of_array(range(6)))
    first = stored(other)
    write_set(of_videos(range(6)))
    np.testing.assert_array_equal(stored(other), first)


def test_two_files_and_every_scale(render: RenderParams) -> None:
    np.savez(MINE / "train.npz", videos=(CLIPS / 255).astype(np.float32).transpose(0, 4, 1, 2, 3))
    np.save(MINE / "test.npy", (CLIPS / 127.5 - 1).astype(np.float32))
    train, test = (
        of_array(range(6), file="train.npz", scale="unit"),
        of_array(range(4), file="test.npy", scale="signed"),
    )
    write_set(ReadyClips(train.places + test.places, train.frames + test.frames, train.scales | test.scales))
    np.testing.assert_array_equal(stored(render), np.concatenate([CLIPS, CLIPS[:4]]))


def test_noise_in_place_of_the_clips_is_that_of_drawn_items(render: RenderParams) -> None:
    write_set(of_array(range(6)))
    noise = render.model_copy(update={"content": "noise"})
    first = stored(noise)
    assert open_clips(paths.VIDEOS).drawn["content"] == "noise"
    write_set(of_array(range(6)), has_paths=True)
    np.testing.assert_array_equal(stored(noise), first)


@given(st.integers(2, 300), st.integers(1, 40))
def test_frames_are_at_the_times_that_drawing_shows(frames: int, wanted: int) -> None:
    """The oracle is the timeline of a path with a point at each frame."""
    render = RenderParams.model_construct(frames=wanted, trail="none")
    timeline = make_timeline(np.arange(frames, dtype=np.float64), render)
    moments = timeline.knots[timeline.stops]
    positions = frame_positions(frames, wanted)
    assert len(positions) == wanted
    assert np.abs(np.array(positions) - moments).max() <= 0.5 + 1e-9
    assert sorted(positions) == positions
    if 2 <= frames == wanted:
        assert positions == list(range(frames))


def test_fewer_frames_are_repeated_and_that_is_said(render: RenderParams) -> None:
    assert frame_positions(2, 5) == [0, 0, 1, 1, 1]
    write_set(of_array(range(6)))
    nine = render.model_copy(update={"frames": 9})
    assert "; 6 clips have fewer frames, which are repeated; " in stage.run(nine)
    np.testing.assert_array_equal(stored(nine), CLIPS[:, [0, 1, 1, 2, 2, 3, 3, 4, 4]])


def test_a_frame_is_shrunk_by_area_between_black_bars() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    small = letterbox(frame, 8)
    assert not small[:2].any()
    assert not small[6:].any()
    means = frame.reshape(4, 2, 8, 2, 3).mean(axis=(1, 3))
    assert np.abs(small[2:6] - means).max() <= 0.5
    np.testing.assert_array_equal(letterbox(frame.transpose(1, 0, 2), 8), small.transpose(1, 0, 2))
    assert letterbox(np.full((1, 500, 3), 9, np.uint8), 16).sum() == 9 * 16 * 3  # one row is left
    large = letterbox(np.full((4, 8, 3), 7, np.uint8), 32)
    assert (large[8:24] == 7).all()
    assert not large[:8].any()


@pytest.mark.parametrize(
    ("clips", "reason"),
    [
        (
            of_array(range(2), file="gone.npz"),
            r"data/sources/mine/gone.npz: is missing.* `dvc pull data/sources/mine/gon",
        ),
        (
            ReadyClips(["mine.npz/other/0"] * 2, [5] * 2, {"mine.npz": "bytes"}),
            r"has no array 'other' any more",
        ),
        (ReadyClips(["mine.zip/gone.avi"] * 2, [5] * 2, {}), r"mine.zip: gone.avi: cannot be unpacked"),
        (ReadyClips(["mine.zip/0.avi"] * 2, [9] * 2, {}), r"mine.zip: 0.avi: ends after 5 frames"),
    ],
)
def test_files_that_changed_since_are_one_line_and_leave_no_store(
    clips: ReadyClips, reason: str, render: RenderParams
) -> None:
    write_set(clips)
    with pytest.raises(UserError, match=reason):
        stage.run(render)
    assert not paths.VIDEOS.exists()
    with pytest.raises(UserError, match=r"ready-made clips without trajectories, which are required here"):
        read_trajectories(paths.TRAJECTORIES)
