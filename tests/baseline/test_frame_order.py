"""Rearranged clips: exactly the frames of the originals, the same for an item wherever it stands; an encoder that does
not see order loses nothing, and the features are those of `extract` on such clips."""

from pathlib import Path

import numpy as np
import pytest

from made_baselines import MAGVIT, baseline_params, make_encoder, make_moves
from running import run
from trajprobe.artifacts.clips import open_clips, write_clips
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.artifacts.trajectories import read_items
from trajprobe.baseline.frame_order import RearrangedClips, frame_orders
from trajprobe.core import paths
from trajprobe.core.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))


def test_orders_are_what_their_names_say() -> None:
    ids = [f"item{index}" for index in range(200)]
    assert (frame_orders("static", ids, 5, 0) == 2).all()
    assert (frame_orders("reversed", ids, 4, 0) == [3, 2, 1, 0]).all()
    shuffled = frame_orders("shuffled", ids, 4, 0)
    assert (np.sort(shuffled, axis=1) == np.arange(4)).all()
    assert (shuffled != np.arange(4)).any(axis=1).all()
    assert len(np.unique(shuffled, axis=0)) == 23  # all but the true one
    assert np.array_equal(frame_orders("shuffled", ids[::-1], 4, 0), shuffled[::-1])
    assert not np.array_equal(frame_orders("shuffled", ids, 4, 1), shuffled)
    assert (frame_orders("shuffled", ids, 1, 0) == 0).all()


def test_any_slice_reads_the_rearranged_frames() -> None:
    make_moves(10)
    clips = open_clips(paths.VIDEOS)
    orders = frame_orders("shuffled", read_items(paths.TRAJECTORIES).item_ids, 5, 0)
    shown = RearrangedClips(clips, orders)
    whole = clips[0:10]
    for rows in (slice(0, 10), slice(3, 7), slice(8, 20)):
        expected = np.stack([clip[order] for clip, order in zip(whole[rows], orders[rows], strict=True)])
        assert np.array_equal(shown[rows], expected)


def test_an_encoder_that_does_not_see_order_loses_nothing() -> None:
    make_encoder()
    y = make_moves()
    run("extract", baseline_params(), "small")
    run("probe", baseline_params(), "small", workers=1)
    own = read_predictions(paths.predictions("small")).arms[0]
    for name in ("shuffled", "reversed"):
        run("baseline", baseline_params(), name, workers=1)
        (arm,) = read_predictions(paths.predictions(name)).arms
        assert arm.probability == pytest.approx(own.probability, abs=1e-3)
        assert (arm.arm.layer, arm.arm.pooling) == ("layer1", "mean")
    assert 0.2 < (own.predicted == y).mean() < 0.8  # these classes differ in nothing but order


def test_the_features_are_those_of_extract_on_such_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    make_encoder(**MAGVIT)
    make_moves(12)
    seen = []
    monkeypatch.setattr(
        "trajprobe.baseline.frame_order.probe_features", lambda task, rows, *rest, **others: seen.append(rows)
    )
    with pytest.raises(AttributeError):  # nothing was probed
        run("baseline", baseline_params(), "reversed")
    clips = open_clips(paths.VIDEOS)
    backwards = np.ascontiguousarray(clips[0:12][:, ::-1])
    write_clips(paths.VIDEOS, clips.shape, [backwards], items=clips.items, drawn={})
    run("extract", baseline_params(), "small")
    assert np.array_equal(seen[0], read_features(paths.features("small")).arrays["pretrained/mid/mean_std"])


def test_missing_weights_and_other_clips_are_one_line() -> None:
    make_encoder()
    make_moves(12)
    (paths.weights("small") / "provenance.json").unlink()
    with pytest.raises(UserError, match=r"models/small/weights: is missing; run `dvc repro fetch@small`"):
        run("baseline", baseline_params(), "static")
    make_encoder()
    clips = open_clips(paths.VIDEOS)
    write_clips(paths.VIDEOS, clips.shape, [clips[0:12]], items="others", drawn={})
    with pytest.raises(UserError, match="was drawn for other trajectories"):
        run("baseline", baseline_params(), "static")
