"""The outcomes of an encoder's arms, against counts made by hand."""

import numpy as np
import pytest

from trajprobe.artifacts.predictions import Arm, ArmPredictions, Predictions
from trajprobe.core.errors import UserError
from trajprobe.plot.outcomes import count_outcomes


def predicted(*arms: tuple[str, str, list[list[int]]]) -> Predictions:
    """Two repeats over four items of the classes 0, 0, 1, 2."""
    found = [
        ArmPredictions(
            Arm("e", arm, number, layer, "mean"),
            np.array([[0, 1, 0, 1], [1, 0, 0, 1]]),
            np.array(classes),
            np.ones((2, 4)),
            np.full((2, 4, 3), 1 / 3, np.float32),
        )
        for number, (arm, layer, classes) in enumerate(arms)
    ]
    y = np.array([0, 0, 1, 2])
    return Predictions(list("pqrs"), list("pqrs"), y, ["x", "y", "z"], "digest", (1e-4, 1e2), found)


def test_outcomes_are_averaged_over_repeats_and_initialisations() -> None:
    found = count_outcomes(
        predicted(
            ("pretrained", "mid", [[0, 0, 1, 2], [0, 1, 1, 2]]),
            ("random", "mid", [[1, 0, 1, 0], [1, 0, 1, 0]]),
            ("random", "mid", [[2, 0, 1, 0], [0, 0, 1, 1]]),
            ("pretrained", "deep", [[2, 2, 2, 0], [2, 2, 2, 0]]),
            ("random", "deep", [[2, 2, 2, 0], [2, 2, 2, 0]]),
        ),
        "e",
    )
    np.testing.assert_array_equal(found.pretrained.confusion, [[1.5, 0.5, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found.random.confusion, [[1.25, 0.5, 0.25], [0, 1, 0], [0.75, 0.25, 0]])
    np.testing.assert_array_equal(found.pretrained.correct, [1, 0.5, 1, 1])
    np.testing.assert_array_equal(found.random.correct, [0.25, 1, 1, 0])
    np.testing.assert_array_equal(found.pretrained.mistaken, [-1, 1, -1, -1])
    np.testing.assert_array_equal(found.random.mistaken, [1, -1, -1, 0])
    assert (found.inits, found.folds, found.repeats) == (2, 2, 2)


def test_an_encoder_without_both_arms_is_an_error() -> None:
    with pytest.raises(UserError, match=r"expected a pretrained and a random arm, found 1 and 0.*probe@e"):
        count_outcomes(predicted(("pretrained", "mid", [[0] * 4] * 2)), "e")
