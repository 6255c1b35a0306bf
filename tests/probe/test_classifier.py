"""The scikit-learn face: its conventions by its own checks, and the same results as the function that stages call."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from made_harness import gaussian, interleaved
from trajprobe.analyse.other_probes import NeighboursProbe
from trajprobe.probe.classifier import LogisticProbe
from trajprobe.probe.logistic import fit_logistic

Y = np.arange(60) % 3
ROWS = gaussian(Y, 2, np.random.default_rng(0)).astype(np.float32)


# It skips what needs a module that is not installed (pandas) or a switch of SciPy's (the array API).
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("estimator", [LogisticProbe(), NeighboursProbe()])
def test_sklearns_checks_pass(estimator: object) -> None:
    check_estimator(estimator)


def test_results_are_those_of_the_function_whatever_the_labels_and_the_order_of_the_grid() -> None:
    inner, l2_grid = interleaved(60, 3), np.array([10.0, 1.0, 0.1, 0.01])
    fitted = fit_logistic(ROWS, Y, 3, inner, l2_grid)
    names = np.array(["arc", "line", "zig-zag"])
    model = LogisticProbe(l2_grid[::-1], cv=inner).fit(ROWS, names[Y])
    assert (model.l2_, model.classes_.tolist()) == (fitted.l2, names.tolist())
    assert np.array_equal(model.inner_loss_, fitted.inner_loss)
    assert np.array_equal(model.predict_proba(ROWS), fitted.probabilities(ROWS))
    assert np.array_equal(model.predict(ROWS), names[fitted.probabilities(ROWS).argmax(axis=1)])


def test_folds_may_be_a_number_a_splitter_with_groups_or_none_at_all() -> None:
    groups = np.arange(60) // 2 % 5
    splitter = GroupKFold(5)
    own = LogisticProbe(cv=list(splitter.split(ROWS, Y, groups))).fit(ROWS, Y)
    assert np.array_equal(LogisticProbe(cv=splitter).fit(ROWS, Y, groups=groups).inner_loss_, own.inner_loss_)
    assert LogisticProbe(cv=2).fit(ROWS, Y).l2_ in LogisticProbe().l2_grid
    assert LogisticProbe((4.0, 1.0), cv=()).fit(ROWS, Y).l2_ == 2
    assert cross_val_score(make_pipeline(StandardScaler(), LogisticProbe()), ROWS, Y).mean() > 0.7


def test_parameters_survive_a_clone_and_impossible_ones_are_refused() -> None:
    probe = LogisticProbe((1.0,), cv=3)
    assert clone(probe).get_params() == {"l2_grid": (1.0,), "cv": 3}
    for l2_grid in ((), (1.0, -1.0), (np.inf,)):
        with pytest.raises(ValueError, match="l2_grid must hold positive finite penalties"):
            LogisticProbe(l2_grid).fit(ROWS, Y)


def test_stages_that_need_no_estimator_do_not_import_sklearn() -> None:
    code = "import sys, trajprobe.cli, trajprobe.params, trajprobe.probe.stage; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
