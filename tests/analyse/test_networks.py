"""Networks on tasks that the linear probe cannot solve by construction, and against networks trained one by one."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.base import clone

from made_harness import gaussian, interleaved, make_harness
from trajprobe.analyse.harness import held_out_hits
from trajprobe.analyse.network_training import DECAYS, train_network
from trajprobe.analyse.networks import AttentiveProbe, MLPProbe, token_width
from trajprobe.analyse.other_probes import contrast
from trajprobe.core.errors import UserError
from trajprobe.core.torch_threads import torch_threads


@pytest.fixture(autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


def test_one_hidden_layer_solves_what_no_linear_model_can():
    rng = np.random.default_rng(0)
    rows = rng.choice([-1.0, 1.0], (120, 2)) + rng.normal(0, 0.2, (120, 2))
    y = ((rows[:, 0] > 0) ^ (rows[:, 1] > 0)).astype(int)
    made = make_harness([rows, rows], y)
    found = contrast(made, "mlp", MLPProbe(hidden=16, epochs=20))
    assert found.pretrained > 0.97
    assert found.random == found.pretrained
    assert found.gain.value == 0
    assert held_out_hits(made, made.probe(), "linear")[0].mean() < 0.75


def test_epochs_and_decay_are_chosen_by_the_loss_on_the_inner_folds():
    # Against networks trained one by one. Little can be learned here and much memorised, so the choice matters.
    rng = np.random.default_rng(1)
    y, each = np.arange(60) % 2, np.arange(60)
    rows = gaussian(y, 0.8, rng, 10).astype(np.float32)
    inner = interleaved(60, 3)

    def trained(kept, decay):
        """The weights after every third of 60 epochs on the rows `kept`, which are one batch."""
        weights, found = torch.zeros(10, 2, requires_grad=True), []
        optimiser = torch.optim.Adam([weights], lr=1e-2)
        for epoch in range(1, 61):
            logits = torch.from_numpy(rows[kept]) @ weights
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(y[kept])).backward()
            optimiser.step()
            with torch.no_grad():
                weights *= 1 - 1e-2 * decay
            if epoch % 3 == 0:
                found.append(weights.detach().numpy().copy())
        return found

    tested, seen = (
        np.zeros((3, 20)),
        np.zeros((3, 20)),
    )  # losses by decay and length, summed over the inner folds
    for kept, test in inner:
        for row, decay in enumerate(DECAYS):
            losses = [-log_softmax(rows @ weights, 1)[each, y] for weights in trained(kept, decay)]
            tested[row] += [loss[test].mean() for loss in losses]
            seen[row] += [loss[kept].mean() for loss in losses]
    row, length = np.unravel_index(tested.argmin(), tested.shape)
    assert row != seen.argmin() // 20  # or the losses that choose would not matter
    assert length != seen.argmin() % 20
    weights = trained(each, DECAYS[row])[length]
    begin = lambda _: [torch.zeros(10, 2)]  # noqa: E731
    (found,) = train_network(begin, lambda part, x: x @ part[0], rows, y, inner, 60, 0)
    assert rows @ found[0].detach().numpy() == pytest.approx(rows @ weights, abs=1e-4)


def test_attention_finds_the_token_that_a_mean_drowns():
    # One of eight tokens, anywhere, is marked in channel 0 and has the class in channel 1; the others are noise.
    rng = np.random.default_rng(0)
    count, tokens, width = 240, 8, 4
    y = np.arange(count) % 2
    rows = rng.normal(0, 1, (count, tokens, width))
    rows[:, :, 0] = 0
    rows[:, :, 1] *= 4
    here = np.arange(count), rng.integers(0, tokens, count)
    rows[(*here, 0)] = 5
    rows[(*here, 1)] = np.where(y == 1, 2, -2)
    flat = make_harness([rows.reshape(count, -1)], y)
    mean = make_harness([rows.mean(axis=1)], y)
    assert held_out_hits(flat, AttentiveProbe(width, heads=2, epochs=40), "attentive")[0].mean() > 0.95
    assert held_out_hits(flat, flat.probe(), "flat")[0].mean() < 0.8
    assert held_out_hits(mean, mean.probe(), "mean")[0].mean() < 0.8


@pytest.mark.parametrize("estimator", [MLPProbe(hidden=8, epochs=5), AttentiveProbe(3, heads=2, epochs=5)])
def test_networks_are_classifiers_whose_predictions_do_not_depend_on_the_other_rows(estimator):
    rng = np.random.default_rng(0)
    names = np.array(["arc", "line", "zig-zag"])
    y = np.arange(60) % 3
    rows = gaussian(y, 2, rng).astype(np.float32)
    new = (5 + 3 * rng.normal(size=(8, 6))).astype(np.float32)
    model = clone(estimator).fit(rows, names[y])
    probability = model.predict_proba(new)
    assert probability.sum(axis=1) == pytest.approx(np.ones(8))
    assert np.array_equal(model.predict(new), names[probability.argmax(axis=1)])
    alone = [model.predict_proba(new[item : item + 1])[0] for item in range(8)]
    assert probability == pytest.approx(np.array(alone), abs=1e-4)
    with pytest.raises(ValueError, match="needs inner folds"):
        clone(estimator).set_params(cv=()).fit(rows, y)


def test_the_width_of_a_token_follows_from_a_pooling_without_tokens():
    arrays = {
        f"pretrained/mid/{name}": np.zeros((2, 12 * times)) for name, times in (("grid", 16), ("mean_std", 2))
    }
    assert token_width(arrays, "mid", "grid") == 12
    with pytest.raises(UserError, match=r"headline pooling is 'mean_std'.*extract.pooling to \[grid, mean\]"):
        token_width(arrays, "mid", "mean_std")
    with pytest.raises(UserError, match=r"set extract.pooling to \[grid, mean\]"):
        token_width(arrays, "deep", "grid")
