"""Probing arms: the order and names of arms, results that do not depend on the number of threads, and each held-out
prediction equal to a probe fitted by hand on that fold."""

import numpy as np
import pytest

from trajprobe.errors import UserError
from trajprobe.probe.arms import hold_out, list_arms
from trajprobe.probe.folds import plan
from trajprobe.probe.logistic import fit, grid

N, STRENGTHS = 48, grid(1e-2, 1e2, 3)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    make = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    return {
        f"{arm}/{layer}/mean": make(*lead, N, 6)
        for arm, lead in (("pretrained", ()), ("random", (2,)))
        for layer in ("mid", "deep")
    }


def run(arms, workers=1):
    codes = np.arange(N) % 3
    folds = plan(
        codes,
        [str(i) for i in range(N)],
        [""] * N,
        list("abc"),
        split="auto",
        folds=4,
        repeats=2,
        inner_folds=2,
        seed=0,
    )
    ticks = []
    held = list(hold_out(arms, codes, 3, folds, STRENGTHS, workers=workers, advance=lambda: ticks.append(1)))
    assert len(ticks) == len(arms) * len(folds)
    return codes, folds, held


def test_arms_are_listed_headline_first(arrays):
    arms = list_arms(arrays, {"layers": ["mid", "deep"], "poolings": ["mean"]}, "mini")
    assert [str(arm) for arm, _ in arms] == [
        f"mini {arm} {layer}/mean"
        for layer in ("mid", "deep")
        for arm in ("pretrained", "random 0", "random 1")
    ]
    assert np.array_equal(arms[2][1], arrays["random/mid/mean"][1])
    controls = list_arms({"control/pixels": arrays["pretrained/mid/mean"]}, {}, "controls")
    assert [str(arm) for arm, _ in controls] == ["pixels control"]


def test_a_broken_feature_is_refused_by_name(arrays):
    arrays["random/mid/mean"][1, 5, 0] = np.nan
    with pytest.raises(UserError, match="features of mini random 1 mid/mean: 1 of 48 items have a NaN"):
        list_arms(arrays, {"layers": ["mid"], "poolings": ["mean"]}, "mini")


def test_each_prediction_is_of_a_probe_that_never_saw_the_item(arrays):
    arms = list_arms(arrays, {"layers": ["mid"], "poolings": ["mean"]}, "mini")
    codes, folds, held = run(arms)
    assert [one.arm for one in held] == [arm for arm, _ in arms]
    for (_, rows), one in zip(arms, held, strict=True):
        for fold in (folds[0], folds[6]):
            probe = fit(rows[fold.train], codes[fold.train], 3, fold.inner, STRENGTHS)
            assert np.array_equal(
                one.probability[fold.repeat, fold.test], probe.probabilities(rows[fold.test])
            )
            assert (one.strength[fold.repeat, fold.test] == probe.strength).all()
            assert (one.fold[fold.repeat, fold.test] == fold.fold).all()
        assert np.array_equal(one.predicted, one.probability.argmax(axis=2))


def test_threads_change_no_bit(arrays):
    arms = list_arms(arrays, {"layers": ["mid"], "poolings": ["mean"]}, "mini")
    one, other = (run(arms, workers)[2] for workers in (1, 3))
    for a, b in zip(one, other, strict=True):
        assert a.probability.tobytes() == b.probability.tobytes()
