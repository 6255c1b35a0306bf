"""Selectivity near what guessing gives, neighbours as scikit-learn finds them, networks on tasks that the linear probe
cannot solve by construction, and contrasts of classifiers whose hits are known beforehand."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import t as student
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from made_bench import bench, gaussian
from trajprobe.analyses.attentive import attentive, token_width
from trajprobe.analyses.bench import Bench, hold_out
from trajprobe.analyses.contrast import contrast
from trajprobe.analyses.mlp import mlp
from trajprobe.analyses.neighbours import find, vote, votes
from trajprobe.analyses.networks import DECAYS, learn, single_threaded
from trajprobe.analyses.selectivity import selectivity, shuffled
from trajprobe.errors import UserError


def test_shuffled_labels_are_guessed_and_true_ones_read():
    rng = np.random.default_rng(0)
    codes = np.arange(400) % 4
    weak = gaussian(codes, 1, rng)
    made = bench([gaussian(codes, 40, rng), weak, weak], codes)
    found = selectivity(made)
    for arm in ("pretrained", "random"):
        each = found[arm]
        assert each["shuffled"] == pytest.approx(0.25, abs=0.08)
        assert each["selectivity"] == pytest.approx(each["true"] - each["shuffled"])
    assert found["pretrained"]["true"] == 1
    assert found["random"]["true"] == pytest.approx(hold_out(made, made.logistic, "again")[1].mean())
    difference = found["difference"]
    assert difference["value"] == pytest.approx(
        found["pretrained"]["selectivity"] - found["random"]["selectivity"]
    )
    assert 0 < difference["low"] < difference["value"] < difference["high"]


def test_shuffling_keeps_groups_together_and_the_sizes_of_every_part():
    groups = np.repeat(np.arange(45), 2)
    codes = groups % 3
    made = bench([np.random.default_rng(0).normal(size=(90, 2))], codes, groups)
    new = shuffled(made)
    assert not np.array_equal(new, codes)
    assert np.array_equal(new[::2], new[1::2])
    for fold in made.folds:
        assert np.array_equal(np.bincount(new[fold.test]), np.bincount(codes[fold.test]))
    assert np.array_equal(new, shuffled(made))
    split = bench(made.arms, codes, groups, splits=["train"] * 60 + ["test"] * 30)
    new = shuffled(split)
    assert np.array_equal(np.bincount(new[:60]), np.bincount(codes[:60]))
    assert np.array_equal(np.bincount(new[60:]), np.bincount(codes[60:]))


def test_the_penalty_for_shuffled_labels_is_chosen_by_folds_dealt_by_them():
    met = []

    class Watched(Bench):
        def logistic(self, rows, codes, n_classes, inner, new):
            met.append((codes, inner))
            return np.zeros((len(new), n_classes))

    # Two items of the rarest class are in each training part: dealt by other labels, one inner fold may hold out both.
    codes = np.repeat([0, 1, 2], [48, 48, 3])
    for seed in range(3):
        made = bench([np.zeros((99, 2))] * 2, codes, seed=seed)
        selectivity(Watched(**vars(made)))
    assert len(met) == 3 * 2 * 2 * 3  # seeds, labels, arms, folds
    for learned, inner in met:
        assert len(inner) == 2
        for held in inner:
            whole, part = np.bincount(learned, minlength=3), np.bincount(learned[held], minlength=3)
            assert np.abs(part - whole / 2).max() <= 0.5


@pytest.mark.parametrize("width", [5, 70])
@pytest.mark.parametrize("size", [1, 3, 10])
def test_votes_are_those_of_sklearn(width, size, monkeypatch):
    monkeypatch.setattr("trajprobe.analyses.neighbours.DISTANCES", 500)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 60)
    rows = (gaussian(codes, 3, rng, width) * rng.uniform(0.1, 9, width)).astype(np.float32)
    new = (gaussian(rng.integers(0, 3, 25), 3, rng, width) * rng.uniform(0.1, 9, width)).astype(np.float32)
    scaler = StandardScaler().fit(rows)
    theirs = KNeighborsClassifier(size).fit(scaler.transform(rows), codes)
    inner = [np.arange(0, 60, 2), np.arange(1, 60, 2)]
    ours = vote([size], rows, codes, 3, inner, new)
    assert np.allclose(np.floor(ours), theirs.predict_proba(scaler.transform(new)) * size)
    nearest = theirs.kneighbors(scaler.transform(new), return_distance=False)
    assert np.array_equal(votes(codes[nearest], 3), ours)


def test_the_number_of_neighbours_is_the_one_that_the_inner_folds_prefer():
    # Every second item has a false label beside a true class mean: one neighbour is wrong half the time, many are not.
    rng = np.random.default_rng(0)
    true = np.arange(200) % 2
    codes = np.where(rng.random(200) < 0.3, 1 - true, true)
    rows = (rng.normal(size=(200, 2)) + 9 * true[:, None]).astype(np.float32)
    inner = [np.arange(fold, 200, 4) for fold in range(4)]
    new = np.array([[0, 0], [9, 9]], np.float32)
    chosen = vote([1, 20], rows, codes, 2, inner, new)
    assert chosen.sum(1) == pytest.approx(20, abs=1)
    assert chosen.argmax(1).tolist() == [0, 1]
    assert vote([70, 90], rows[:8], codes[:8], 2, [np.arange(4)], new).sum(1) == pytest.approx(4, abs=1)


def test_of_numbers_that_do_equally_well_the_largest_is_taken():
    # Two heaps far apart: on the inner folds every number up to 10 is always right.
    codes = np.arange(40) % 2
    rows = (99 * codes[:, None] + np.random.default_rng(0).normal(size=(40, 2))).astype(np.float32)
    inner = [np.arange(20), np.arange(20, 40)]
    chosen = vote([1, 3, 7], rows, codes, 2, inner, rows[:2])
    assert np.floor(chosen).tolist() == [[7, 0], [0, 7]]
    assert np.array_equal(chosen, vote([7, 3, 1], rows, codes, 2, inner, rows[:2]))


def test_a_tie_goes_to_the_nearer():
    assert votes(np.array([[1, 0]]), 2).argmax() == 1
    assert votes(np.array([[2, 0, 0, 1, 1]]), 3).argmax() == 0
    assert find(np.eye(3), np.array([[0, 0.9, 0.2]]), 3).tolist() == [[1, 2, 0]]


def xor(rng, count=180):
    rows = rng.choice([-1.0, 1.0], (count, 2)) + rng.normal(0, 0.2, (count, 2))
    return rows.astype(np.float32), ((rows[:, 0] > 0) ^ (rows[:, 1] > 0)).astype(int)


def test_one_hidden_layer_solves_what_no_line_can():
    rows, codes = xor(np.random.default_rng(0))
    made = bench([rows, rows], codes)
    with single_threaded():
        found = contrast(made, "mlp", partial(mlp, 16, 20, 0))
    assert found["pretrained"] > 0.97
    assert found["random"] == found["pretrained"]
    assert found["gain"]["value"] == 0
    assert hold_out(made, made.logistic, "line")[0].mean() < 0.75


def test_training_and_decay_are_chosen_by_what_the_inner_folds_hold_out():
    # Against networks trained one by one. Little can be learned here and much memorised, so it matters who chooses.
    rng = np.random.default_rng(1)
    codes, each = np.arange(60) % 2, np.arange(60)
    rows = gaussian(codes, 0.8, rng, 10).astype(np.float32)
    new = rng.normal(size=(9, 10)).astype(np.float32)
    inner = [np.arange(fold, 60, 3) for fold in range(3)]

    def trained(kept, decay):
        """The weights after every third of 60 epochs on the rows `kept`, which are one batch."""
        weights, found = torch.zeros(10, 2, requires_grad=True), []
        optimiser = torch.optim.Adam([weights], lr=1e-2)
        for epoch in range(1, 61):
            logits = torch.from_numpy(rows[kept]) @ weights
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(codes[kept])).backward()
            optimiser.step()
            with torch.no_grad():
                weights *= 1 - 1e-2 * decay
            if epoch % 3 == 0:
                found.append(weights.detach().numpy().copy())
        return found

    held, seen = (
        np.zeros((3, 20)),
        np.zeros((3, 20)),
    )  # losses by decay and length, summed over the inner folds
    with single_threaded():
        for out in inner:
            kept = np.delete(each, out)
            for row, decay in enumerate(DECAYS):
                losses = [-log_softmax(rows @ weights, 1)[each, codes] for weights in trained(kept, decay)]
                held[row] += [loss[out].mean() for loss in losses]
                seen[row] += [loss[kept].mean() for loss in losses]
        row, look = np.unravel_index(held.argmin(), held.shape)
        assert row != seen.argmin() // 20  # or it would not matter what is looked at
        assert look != seen.argmin() % 20
        weights = trained(each, DECAYS[row])[look]
        begin = lambda _: [torch.zeros(10, 2)]  # noqa: E731
        found = learn(begin, lambda part, x: x @ part[0], rows, codes, inner, new, 60, 0)
    assert found == pytest.approx(new @ weights, abs=1e-4)


def test_attention_finds_the_token_that_a_mean_drowns():
    # One of eight tokens, anywhere, is marked in channel 0 and says the class in channel 1; the others say anything.
    rng = np.random.default_rng(0)
    count, tokens, width = 240, 8, 4
    codes = np.arange(count) % 2
    rows = rng.normal(0, 1, (count, tokens, width))
    rows[:, :, 0] = 0
    rows[:, :, 1] *= 4
    here = np.arange(count), rng.integers(0, tokens, count)
    rows[(*here, 0)] = 5
    rows[(*here, 1)] = np.where(codes == 1, 2, -2)
    flat = rows.reshape(count, -1).astype(np.float32)
    made = bench([flat], codes)
    mean = bench([rows.mean(axis=1)], codes)
    with single_threaded():
        attended = hold_out(made, partial(attentive, width, 2, 40, 0), "attentive")[0].mean()
    assert attended > 0.95
    assert hold_out(made, made.logistic, "flat")[0].mean() < 0.8
    assert hold_out(mean, mean.logistic, "mean")[0].mean() < 0.8


LEARNERS = [partial(mlp, 8, 5, 0), partial(attentive, 3, 2, 5, 0), partial(vote, [1, 5])]


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_is_said_of_an_item_does_not_depend_on_the_others_that_are_tested(learner):
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    rows = gaussian(codes, 2, rng).astype(np.float32)
    new = (5 + 3 * rng.normal(size=(8, 6))).astype(np.float32)
    inner = [np.arange(0, 60, 2), np.arange(1, 60, 2)]
    with single_threaded():
        together = learner(rows, codes, 3, inner, new)
        alone = [learner(rows, codes, 3, inner, new[item : item + 1])[0] for item in range(8)]
    assert together == pytest.approx(np.array(alone), abs=1e-4)


def read(rows, codes, n_classes, inner, new):
    """A Learner that learns nothing: the class it names is written in the first column."""
    return np.eye(n_classes)[new[:, 0].astype(int)]


def test_random_initialisations_count_as_a_sample():
    # Half of them are always right and half always wrong, which leaves nothing for the items to differ by.
    codes = np.arange(300) % 2
    arms = [codes, *[codes, 1 - codes] * 4]
    found = contrast(bench([arm[:, None] for arm in arms], codes), "it", read)
    assert (found["pretrained"], found["random"], found["gain"]["value"]) == (1, 0.5, 0.5)
    half = student.ppf(0.975, 7) * np.std([0, 1] * 4, ddof=1) / 8**0.5
    assert found["gain"]["high"] - 0.5 == pytest.approx(half, rel=0.01)
    assert 0.5 - found["gain"]["low"] == pytest.approx(half, rel=0.01)


def test_items_of_a_group_count_as_one():
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 2
    arms = [np.where(rng.random(60) < right, codes, 1 - codes)[:, None] for right in (0.9, 0.6, 0.7, 0.5)]
    once = contrast(bench(arms, codes), "it", read)
    groups = np.repeat(np.arange(60), 5)
    often = contrast(bench([arm[groups] for arm in arms], codes[groups], groups), "it", read)
    assert often["gain"] == pytest.approx(once["gain"])
    assert once["gain"]["high"] - once["gain"]["low"] > 0.1


@pytest.mark.parametrize("learner", LEARNERS)
def test_threads_and_reruns_change_nothing(learner):
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    arms = [gaussian(codes, signal, rng) for signal in (2, 1, 1)]
    with single_threaded():
        texts = {json.dumps(contrast(bench(arms, codes, workers=n), "it", learner)) for n in (1, 1, 3)}
    assert len(texts) == 1


def test_the_width_of_a_token_comes_from_a_pooling_without_tokens():
    arrays = {
        f"pretrained/mid/{name}": np.zeros((2, 12 * times)) for name, times in (("grid", 16), ("mean_std", 2))
    }
    assert token_width(arrays, "mid", "grid") == 12
    with pytest.raises(
        UserError, match=r"headline pooling is 'mean_std'.*features.pooling to \[grid, mean\]"
    ):
        token_width(arrays, "mid", "mean_std")
    with pytest.raises(UserError, match=r"set features.pooling to \[grid, mean\]"):
        token_width(arrays, "deep", "grid")
