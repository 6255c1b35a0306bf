"""Clips depend on the item and the params alone: not on threads, neighbours, or what else is switched on."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from trajprobe.core.errors import UserError
from trajprobe.render import rendering
from trajprobe.render.params import RenderParams
from trajprobe.render.rendering import render_batches, render_clip
from trajprobe.trajectories.params import SynthesisParams
from trajprobe.trajectories.synthetic.sampling import synthesize

ROOT = Path(__file__).parents[2]
Section = Callable[..., RenderParams]
Paths = tuple[list[np.ndarray], list[np.ndarray]]  # points, times


@pytest.fixture
def paths(rng: np.random.Generator) -> Paths:
    """Ragged random walks in 3-D."""
    lengths = rng.integers(2, 60, 30)
    return (
        [rng.normal(size=(length, 3)).cumsum(axis=0).astype(np.float32) for length in lengths],
        [np.sort(rng.uniform(0, 9, length)) for length in lengths],
    )


BUSY = {"static": 2, "moving": 2, "transient": 2, "noise": 5.0, "azimuth": [0.0, 360.0], "size": 48}


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_change_no_byte(
    section: Section, paths: Paths, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    render = section(**BUSY)
    clip_bytes = 5 * 48 * 48 * 3
    monkeypatch.setattr(rendering, "BATCH_BYTES", 4 * clip_bytes)
    batches = list(render_batches(*paths, render, workers=workers))
    assert [len(batch) for batch in batches] == [4] * 7 + [2]
    alone = [
        render_clip(points, times, render, index)
        for index, (points, times) in enumerate(zip(*paths, strict=True))
    ]
    np.testing.assert_array_equal(np.concatenate(batches), np.stack(alone))


def test_opencv_gets_its_threads_back(section: Section, paths: Paths) -> None:
    before = cv2.getNumThreads()
    batches = render_batches(*paths, section(size=16, marker_radius=2.0), workers=2)
    next(batches)
    assert cv2.getNumThreads() == 1
    batches.close()  # type: ignore[attr-defined]
    assert cv2.getNumThreads() == before


def test_no_more_batches_are_drawn_than_are_taken(
    section: Section, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    original = rendering.render_clip
    monkeypatch.setattr(rendering, "BATCH_BYTES", 1)
    monkeypatch.setattr(rendering, "render_clip", lambda *args: (drawn.append(args[3]), original(*args))[1])
    batches = render_batches(*paths, section(size=16, marker_radius=2.0), workers=2)
    next(batches)
    assert len(drawn) <= 4
    batches.close()  # type: ignore[attr-defined]
    assert len(drawn) <= 4


def test_a_mistake_in_a_thread_reaches_the_caller(section: Section) -> None:
    flat = [np.eye(2)] * 3, [np.arange(2.0)] * 3
    with pytest.raises(UserError, match=r"render\.view"):
        list(render_batches(*flat, section(view="xz"), workers=2))


def test_seed_and_index_draw_what_is_random(section: Section, paths: Paths) -> None:
    points, times = (arrays[0] for arrays in paths)
    one = render_clip(points, times, section(**BUSY), 0)
    np.testing.assert_array_equal(one, render_clip(points, times, section(**BUSY), 0))
    assert (one != render_clip(points, times, section(**BUSY), 1)).any()
    assert (one != render_clip(points, times, section(**BUSY, seed=1), 0)).any()
    plain = section()
    np.testing.assert_array_equal(render_clip(points, times, plain, 0), render_clip(points, times, plain, 1))


def test_noise_does_not_move_the_camera_nor_clutter_the_noise(section: Section, paths: Paths) -> None:
    points, times = (arrays[0] for arrays in paths)

    def clip(**changes: object) -> np.ndarray:
        changes = {"azimuth": [0.0, 360.0], "background": "#808080", **changes}
        return render_clip(points, times, section(**changes), 3).astype(int)

    noise = clip(noise=4.0) - clip()
    assert np.abs(noise).max() < 30
    assert np.abs(clip(noise=4.0, static=9) - clip(static=9) - noise).max() < 1


def test_content_noise_ignores_the_path(section: Section, paths: Paths) -> None:
    render = section(content="noise", size=32)
    clips = np.concatenate(list(render_batches(*paths, render, workers=2)))
    assert clips.shape == (30, 5, 32, 32, 3)
    np.testing.assert_array_equal(clips[4], render_clip(np.eye(2), np.arange(2.0), render, 4))
    assert len({clip.tobytes() for clip in clips}) == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"marker_radius": 0.0, "trail": "none"},
            "required more than 0, because no trail is drawn either, got 0.0",
        ),
        (
            {"marker_radius": 0.0, "line_width": 0.0},
            "required more than 0, because no trail is drawn either, got 0.0",
        ),
        (
            {"size": 16, "margin": 0.4},
            "a marker (8 pixels) and a line (2) narrower than the frame inside its margins (3.2), got 4.0",
        ),
        (
            {"size": 16, "line_width": 20.0},
            "a marker (8 pixels) and a line (20) narrower than the frame inside its margins (12.8)",
        ),
    ],
)
def test_params_that_leave_nothing_to_see_are_refused(
    section: Section, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        section(**changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith("test: marker_radius: ")


def test_the_default_clips_are_what_they_were_before_the_options(section: Section) -> None:
    """The brightness of each frame, as drawn by the revision before `fit`, `time`, `trail_colour` and images.

    Sums rather than a digest, because another type of CPU may round a coordinate differently.
    """
    committed = yaml.safe_load((ROOT / "params.yaml").read_text())["synthesis"]
    synthesis = SynthesisParams(**{**committed, "per_class": 2})
    parsed = synthesize(synthesis, lambda amount=1, note="": None)
    (clips,) = render_batches(parsed.points, parsed.times, section())
    before = [
        [983070, 1000431, 1020980, 1041995, 1064357],
        [983019, 1002001, 1050259, 1079775, 1111503],
        [983012, 1064281, 1145769, 1230205, 1307950],
        [983048, 1025872, 1050066, 1066485, 1094564],
    ]
    # The background alone is 966,656; the shortest trail adds 17,000.
    np.testing.assert_allclose(clips[::2].sum(axis=(2, 3, 4), dtype=int), before, atol=50)
