"""Planted gains: their size against accuracies of the probe stage, their statistics against Student's t and the means
of the others; signals against the geometry that they are defined by."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import t

from made_features import made_params, make_features
from running import run
from trajprobe.analyse.injection import find_strength, plant
from trajprobe.artifacts.analyses import Injection, PlantedGain, read_analyses
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.core import paths
from trajprobe.core.schema import Interval

OFF = ("label_efficiency", "description_length", "selectivity", "knn")
ONLY = {**dict.fromkeys(OFF, False), "injection": True, "planted": 0.15}


@pytest.fixture(scope="module")
def injected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Injection, list[float]]:
    """What the stage found in a small study, and the accuracies that the probe stage gives its initialisations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        make_features(count=90, inits=4, group_size=2)
        params = made_params(analyse=ONLY)
        run("analyse", params, "tiny", workers=1)
        run("probe", params, "tiny", workers=1)
        found = read_analyses(paths.analyses("tiny"), "tiny").injection
        predictions = read_predictions(paths.predictions("tiny"))
    assert found
    random = [arm for arm in predictions.arms if arm.arm.arm == "random"]
    return found, [float((arm.predicted == predictions.y).mean()) for arm in random]


def test_the_planted_size_is_near_the_wanted_one(injected: tuple[Injection, list[float]]) -> None:
    found, _ = injected
    assert found.size == pytest.approx(
        0.15, abs=0.03
    )  # one repeat of the folds is searched, two are measured
    assert found.size == pytest.approx(np.mean([each.planted for each in found.plantings]), abs=1e-6)


def test_a_gain_is_that_over_the_others_as_they_are(injected: tuple[Injection, list[float]]) -> None:
    found, accuracies = injected
    for init, each in enumerate(found.plantings):
        others = [accuracy for number, accuracy in enumerate(accuracies) if number != init]
        assert each.gain.value == pytest.approx(accuracies[init] + each.planted - np.mean(others), abs=1e-5)
        half = t.ppf(0.975, 2) * np.std(others, ddof=1) * (4 / 3) ** 0.5
        assert each.prediction.high - each.prediction.value == pytest.approx(half, abs=1e-4)
        assert each.gain.low < each.gain.value < each.gain.high
    # what one initialisation is better by, the others are worse by: on average the planted size is measured
    assert np.mean([each.gain.value for each in found.plantings]) == pytest.approx(found.size, abs=1e-5)


def test_found_and_covered_count_intervals() -> None:
    def planting(low: float, high: float, prediction_low: float, prediction_high: float) -> PlantedGain:
        middle = (low + high) / 2
        gain, prediction = Interval(middle, low, high), Interval(middle, prediction_low, prediction_high)
        return PlantedGain(planted=0.05, gain=gain, prediction=prediction)

    plantings = [
        planting(0.01, 0.03, 0.005, 0.04),  # found, and too low
        planting(0.01, 0.09, -0.01, 0.11),  # covered, not found
        planting(-0.01, 0.09, 0.01, 0.07),  # covered, not found
        planting(0.02, 0.08, 0.01, 0.09),  # both
    ]
    found = Injection(size=0.05, plantings=plantings)
    assert (found.found, found.covered) == (2, 3)


def test_a_signal_moves_classes_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(30, 8)).astype(np.float32), np.arange(30) % 3
    rows[:, 0] *= 100
    planted = plant(rows, y, 2.0, np.random.default_rng(1))
    assert planted.dtype == np.float32
    moved = (planted - rows) / rows.std(axis=0)
    for label in range(3):
        own = moved[y == label]
        assert own == pytest.approx(np.tile(own[0], (10, 1)), abs=1e-4)
        assert np.linalg.norm(own[0]) == pytest.approx(2, rel=1e-4)
    assert np.linalg.norm(moved[0] - moved[1]) > 0.5


def test_the_strength_is_where_the_gain_is_the_wanted_one() -> None:
    def rising(scale: float, strength: float) -> float:
        return float(1 - np.exp(-((strength / scale) ** 2)))

    for scale in (0.1, 1.0, 50.0):
        strength = find_strength(partial(rising, scale), 0.3)
        assert strength is not None
        assert rising(scale, strength) == pytest.approx(0.3, rel=0.06)
    assert find_strength(lambda _: 0.1, 0.3) is None
