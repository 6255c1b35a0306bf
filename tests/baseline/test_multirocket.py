"""MultiRocket: the library's transform, fitted on training parts alone, under the probe."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from made_baselines import MIRROR, baseline_params, make_encoder, make_moves, read_libras
from running import run
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.core import paths
from trajprobe.probe.logistic import make_l2_grid

pytest.importorskip("sktime")
numba = pytest.importorskip("numba")
TRANSFORM = "sktime.transformations.rocket._multirocket_multi_numba"


@pytest.fixture(autouse=True)
def interpreted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's transform as plain Python: to compile it takes most of a minute, and few kernels need none."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", "compiled" not in request.node.name)
    for name in [name for name in sys.modules if name.startswith(TRANSFORM)]:
        monkeypatch.delitem(sys.modules, name)


def learner(series: np.ndarray, y: np.ndarray, kernels: int = 84, l2_grid: np.ndarray | None = None):
    from trajprobe.baseline.multirocket import MultiRocketProbe

    l2_grid = make_l2_grid(1e-3, 10, 3) if l2_grid is None else l2_grid
    return MultiRocketProbe(series, y, np.arange(len(y)), int(y.max()) + 1, kernels, l2_grid, 2)


def test_it_separates_paths_and_its_training_sees_no_tested_item() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    series = np.sin(np.linspace(0, 6, 16) * (1 + y)[:, None, None]) + rng.normal(0, 0.1, (24, 2, 16))
    train, test = np.arange(16), np.arange(16, 24)
    fit = learner(series, y).fit(train, test, [], 0)
    assert (fit.probability.argmax(axis=1) == y[test]).mean() == 1
    assert fit.probability.sum(axis=1) == pytest.approx(1, abs=1e-5)
    changed = series.copy()
    changed[20:] *= 1e3
    assert np.array_equal(learner(changed, y).fit(train, test, [], 0).probability[:4], fit.probability[:4])
    assert np.array_equal(learner(series, y).fit(train, test, [], 0).probability, fit.probability)


def test_on_shuffled_labels_it_is_at_chance() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    series = np.sin(np.linspace(0, 6, 16) * (1 + y)[:, None, None]) + rng.normal(0, 0.1, (40, 2, 16))
    y = rng.permutation(y)
    train, test = np.arange(20), np.arange(20, 40)
    fit = learner(series, y).fit(train, test, [(np.arange(15), np.arange(15, 20))], 0)
    correct = int((fit.probability.argmax(axis=1) == y[test]).sum())
    assert binom.ppf(0.001, 20, 0.5) <= correct <= binom.ppf(0.999, 20, 0.5)


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR.is_dir(), reason="the data is not in ../shared/mirror")
def test_compiled_it_is_on_libras_no_worse_than_the_published_nearest_neighbour() -> None:
    """With the UEA split: 0.872. Of MultiRocket itself no figure was found: its paper has univariate series alone."""
    paths, y, test = read_libras()
    settings = baseline_params().baseline.multirocket
    train, held_out = np.flatnonzero(~test), np.flatnonzero(test)
    rng = np.random.default_rng(0)
    fold_of = rng.permutation(len(train)) % 4
    inner = [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(4)]
    series = paths - paths[:, :, :1]
    fit = learner(series, y, settings.kernels, make_l2_grid(1e-4, 1e2, 13)).fit(train, held_out, inner, 0)
    correct = int((fit.probability.argmax(axis=1) == y[held_out]).sum())
    assert correct >= binom.ppf(0.025, len(held_out), 0.872)


def test_the_stage_keeps_finished_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    make_encoder()
    y = make_moves(24)
    params = baseline_params(multirocket={"kernels": 84, "points": 16})
    run("baseline", params, "multirocket", workers=1)
    written = paths.predictions("multirocket").read_bytes()
    found = read_predictions(paths.predictions("multirocket"))
    assert (found.arms[0].predicted == y).mean() > 0.9
    assert found.arms[0].split_half_scores["accuracy"].shape == (2, 2, 2)

    def refuse(*arguments: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("trajprobe.baseline.multirocket.MultiRocketProbe.fit", refuse)
    monkeypatch.setattr("trajprobe.baseline.multirocket.MultiRocketProbe.half_scores", refuse)
    run("baseline", params, "multirocket", workers=1)
    assert paths.predictions("multirocket").read_bytes() == written


@pytest.mark.slow
def test_the_compiled_transform_is_the_interpreted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    y = np.arange(24) % 2
    series = rng.normal(size=(24, 3, 20)).cumsum(axis=2)
    train, test = np.arange(16), np.arange(16, 24)
    compiled = learner(series, y).fit(train, test, [], 0).probability
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    for name in [name for name in sys.modules if name.startswith(TRANSFORM)]:
        monkeypatch.delitem(sys.modules, name)
    assert learner(series, y).fit(train, test, [], 0).probability == pytest.approx(compiled, abs=1e-4)
