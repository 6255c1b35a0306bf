"""The small 3-D CNN: it learns a task in which nothing but the order of frames tells, finds nothing where there is
nothing, gives the same numbers again, never sees the tested items, and continues after it was killed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom

from made_baselines import baseline_params, make_encoder, make_moves
from running import run
from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.baseline.cnn3d import Cnn3dLearner, shrunk_clips
from trajprobe.baseline.early_stopping import rate_share
from trajprobe.baseline.params import Cnn3dParams
from trajprobe.core import paths

SETTINGS = {
    "pixels": 16,
    "channels": 8,
    "epochs": 40,
    "batch": 8,
    "rate": 0.01,
    "seeds": 2,
    "split_halves": 1,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    make_encoder()


def make_learner(y: np.ndarray, **changes: object) -> Cnn3dLearner:
    settings = Cnn3dParams.model_validate(
        {**baseline_params().baseline.cnn3d.model_dump(), **SETTINGS, **changes}
    )
    return Cnn3dLearner(shrunk_clips(open_clips(paths.VIDEOS), 16), y, np.arange(len(y)), 2, settings)


def halves(count: int) -> tuple[np.ndarray, np.ndarray, list]:
    """Training and tested items, and one inner fold of the first."""
    train, inner = np.arange(count * 3 // 4), np.arange(count * 3 // 4)
    return train, np.arange(len(train), count), [(inner[inner % 4 > 0], inner[inner % 4 == 0])]


def test_it_learns_a_task_in_which_only_order_tells() -> None:
    y = make_moves(64)
    train, test, _ = halves(64)
    inner = [(train[: 3 * len(train) // 4], train[3 * len(train) // 4 :])]
    learner = make_learner(y)
    fit = learner.fit(train, test, inner, 0)
    assert (fit.probability.argmax(axis=1) == y[test]).mean() >= 15 / 16
    one, other = make_learner(y, epochs=2), make_learner(y, epochs=2)
    other.clips[test[8:]] = 77  # of which the other tested items know nothing
    found = [each.fit(train, test, inner, 0).probability[:8] for each in (one, other)]
    assert np.array_equal(*found)
    assert fit.parameters == 3 * 8 * 27 + 27 * 8 * 16 + 27 * 16 * 32 + 27 * 32 * 64 + 2 * 120 + 65 * 2


def test_on_shuffled_labels_it_is_at_chance() -> None:
    make_moves(96)
    y = np.random.default_rng(5).permutation(np.arange(96) % 2)
    train, test, inner = np.arange(48), np.arange(48, 96), [(np.arange(36), np.arange(36, 48))]
    fit = make_learner(y, epochs=10).fit(train, test, inner, 0)
    correct = int((fit.probability.argmax(axis=1) == y[test]).sum())
    assert binom.ppf(0.001, 48, 0.5) <= correct <= binom.ppf(0.999, 48, 0.5)


def test_the_number_of_threads_and_what_was_drawn_before_change_nothing() -> None:
    y = make_moves(24)
    train, test, inner = halves(24)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.rand(threads)
            found.append(make_learner(y, epochs=2).fit(train, test, inner, 3).probability)
        assert np.array_equal(*found)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert not np.array_equal(make_learner(y, epochs=2).fit(train, test, inner, 4).probability, found[0])


def test_a_killed_stage_trains_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    y = make_moves(24)
    params = baseline_params(cnn3d={**SETTINGS, "epochs": 2})
    run("baseline", params, "cnn3d", workers=1)
    whole = paths.predictions("cnn3d").read_bytes()
    found = read_predictions(paths.predictions("cnn3d"))
    assert [(each.arm.arm, each.arm.init) for each in found.arms] == [("baseline", 0), ("baseline", 1)]
    assert found.split_half_counts.shape == (1, 2, 2)
    # Maps of 5 frames of 8, 4, 2, 1 pixels, the last two of 3 and 2 frames, from neighbourhoods of 27; two classes.
    layers = (5 * 8**2 * 3 * 8, 5 * 4**2 * 8 * 16, 3 * 2**2 * 16 * 32, 2 * 1**2 * 32 * 64)
    assert found.features["multiply_adds"] == 27 * sum(layers) + 64 * 2
    assert np.array_equal(
        found.arms[0].split_half_scores["accuracy"], found.arms[1].split_half_scores["accuracy"]
    )
    assert not np.array_equal(found.arms[0].probability, found.arms[1].probability)
    assert np.array_equal(found.y, y)
    finished = sorted(Path("cache/trainings").rglob("*.shard"))
    assert len(finished) == 2 * 3 + 2  # seeds times folds, and two halves
    finished[0].unlink()
    finished[1].write_bytes(finished[1].read_bytes()[:-1])  # as good as missing
    paths.predictions("cnn3d").unlink()
    trained = []
    fit = Cnn3dLearner.fit

    def counted(self: Cnn3dLearner, train: np.ndarray, *rest: object):
        trained.append(len(train))
        return fit(self, train, *rest)

    monkeypatch.setattr(Cnn3dLearner, "fit", counted)
    run("baseline", params, "cnn3d", workers=1)
    assert paths.predictions("cnn3d").read_bytes() == whole
    assert 2 <= len(trained) <= 2 * 3  # a half takes one for each of its folds


def test_the_rate_rises_over_an_epoch_and_falls_to_zero() -> None:
    shares = [rate_share(step, 10, 5) for step in range(50)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == pytest.approx(0.92, abs=0.02)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] < 0.01
