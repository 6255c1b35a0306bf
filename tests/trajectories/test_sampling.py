"""The synthesis: an item depends on nothing but its seed, family and index (bitwise); radius, noise, duration and
lengths as params say; rotations uniform (the angle's closed-form distribution, Kolmogorov-Smirnov)."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from trajprobe.core.errors import UserError
from trajprobe.trajectories.params import SynthesisParams
from trajprobe.trajectories.synthetic.families import FAMILIES
from trajprobe.trajectories.synthetic.sampling import rotation, sample_item, synthesize

DEFAULT = SynthesisParams(
    families=["linear", "circular", "helical", "parabolic"],
    per_class=5,
    points=[32, 64],
    speed=[0.75, 1.25],
    noise=0.02,
    orientation="random",
    seed=0,
)


def with_(**changes: object) -> SynthesisParams:
    return SynthesisParams.model_validate(DEFAULT.model_dump() | changes)


def quiet(amount: float = 1, note: str = "") -> None:
    pass


def test_items_do_not_change_with_their_number_or_their_neighbours() -> None:
    few = synthesize(DEFAULT, quiet)
    many = synthesize(with_(per_class=9, families=["spiral", "helical", "linear"]), quiet)
    shared = set(few.item_ids) & set(many.item_ids)
    assert len(shared) == 10
    for item in shared:
        here, there = few.item_ids.index(item), many.item_ids.index(item)
        assert few.points[here].tobytes() == many.points[there].tobytes()
        assert few.times[here].tobytes() == many.times[there].tobytes()


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import sys; from trajprobe.trajectories.params import SynthesisParams;"
        "from trajprobe.trajectories.synthetic.sampling import synthesize;"
        "print(synthesize(SynthesisParams.model_validate_json(sys.argv[1]), lambda *a, **k: None).digest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, DEFAULT.model_dump_json()],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {synthesize(DEFAULT, quiet).digest()}


def test_another_seed_makes_other_items() -> None:
    assert synthesize(with_(seed=1), quiet).digest() != synthesize(DEFAULT, quiet).digest()


def test_labels_ids_and_classes_follow_the_params() -> None:
    parsed = synthesize(DEFAULT, quiet)
    assert parsed.classes == DEFAULT.families
    assert parsed.labels == [name for name in DEFAULT.families for _ in range(5)]
    assert parsed.item_ids[6] == "circular_000001"
    assert parsed.points[0].dtype == np.float32
    assert not parsed.points[0][0].any()


def test_progress_advances_with_every_item() -> None:
    advanced = []
    synthesize(DEFAULT, lambda amount=1, note="": advanced.append(amount))
    assert sum(advanced) == 20


def test_an_unknown_family_is_named_with_its_neighbours() -> None:
    with pytest.raises(UserError, match=r"synthesis.families: no family 'circlar'; did you mean circular"):
        synthesize(with_(families=["linear", "circlar"]), quiet)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(FAMILIES)),
    st.integers(0, 2**31),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["random", "upright", "fixed"]),
)
def test_every_path_is_centred_with_radius_one(family: str, index: int, seed: int, orientation: str) -> None:
    times, path = sample_item(FAMILIES[family], index, with_(noise=0, seed=seed, orientation=orientation))
    assert_allclose(path.mean(axis=0), 0, atol=1e-9)
    assert_allclose((path**2).sum(axis=1).mean(), 1)
    assert 32 <= len(path) <= 64
    assert 1 / 1.25 <= times[-1] <= 1 / 0.75
    assert_allclose(np.diff(times), times[-1] / (len(times) - 1))


@pytest.mark.parametrize("family", ["linear", "levy_flight"])
def test_noise_is_added_in_units_of_the_radius_and_leaves_the_path(family: str) -> None:
    deviations = []
    for index in range(60):
        _, clean = sample_item(FAMILIES[family], index, with_(noise=0))
        _, noisy = sample_item(FAMILIES[family], index, with_(noise=0.1))
        deviations.append((noisy - clean).ravel())
    together = np.concatenate(deviations)
    assert_allclose(together.std(), 0.1, rtol=0.03)
    assert abs(together.mean()) < 0.005


def test_lengths_and_durations_cover_their_ranges() -> None:
    drawn = [sample_item(FAMILIES["linear"], index, with_(points=[10, 14])) for index in range(400)]
    counts = np.bincount([len(path) for _, path in drawn])[10:]
    assert len(counts) == 5
    assert stats.chisquare(counts).pvalue > 1e-3
    speeds = [1 / times[-1] for times, _ in drawn]
    assert stats.kstest(speeds, stats.uniform(0.75, 0.5).cdf).pvalue > 1e-3


def test_random_orientation_turns_and_upright_keeps_the_vertical() -> None:
    _, fixed = sample_item(FAMILIES["helical"], 3, with_(noise=0, orientation="fixed"))
    _, turned = sample_item(FAMILIES["helical"], 3, with_(noise=0, orientation="random"))
    _, upright = sample_item(FAMILIES["helical"], 3, with_(noise=0, orientation="upright"))
    assert_allclose(fixed @ fixed.T, turned @ turned.T, atol=1e-9)
    assert_allclose(fixed @ fixed.T, upright @ upright.T, atol=1e-9)
    assert_allclose(fixed[:, 2], upright[:, 2], atol=1e-12)
    assert np.abs(fixed[:, 2] - turned[:, 2]).max() > 0.01
    assert np.abs(fixed[:, 0] - upright[:, 0]).max() > 0.01
    triple = [np.linalg.det(path[[3, 9, 17]]) for path in (fixed, turned, upright)]
    assert_allclose(triple, triple[0])  # no mirror image


def test_rotations_are_uniform() -> None:
    draws = np.array([rotation(np.random.default_rng(seed).standard_normal(4)) for seed in range(3000)])
    angles = np.arccos(np.clip((np.trace(draws, axis1=1, axis2=2) - 1) / 2, -1, 1))
    # The angle of a uniform rotation has density (1 - cos a) / pi on [0, pi].
    assert stats.kstest(angles, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-3
    for axis in range(3):  # where the vertical goes is uniform on the sphere, so each coordinate is uniform
        assert stats.kstest(draws[:, axis, 2], stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_upright_rotations_are_uniform_about_the_vertical() -> None:
    draws = np.array(
        [rotation(np.random.default_rng(seed).standard_normal(4) * [1, 0, 0, 1]) for seed in range(2000)]
    )
    assert_array_equal(draws[:, 2], np.broadcast_to([0.0, 0.0, 1.0], (2000, 3)))
    angles = np.arctan2(draws[:, 1, 0], draws[:, 0, 0])
    assert stats.kstest(angles, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 1e-3))
def test_a_rotation_is_a_rotation(quaternion: list[float]) -> None:
    turn = rotation(np.array(quaternion))
    assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert_allclose(np.linalg.det(turn), 1)


def test_the_last_items_of_each_family_are_the_published_test_part() -> None:
    small = DEFAULT.model_copy(update={"per_class": 5, "test_per_class": 2})
    made = synthesize(small, lambda *_: None)
    assert made.splits == ["train", "train", "train", "test", "test"] * len(small.families)
    whole = synthesize(small.model_copy(update={"test_per_class": 0}), lambda *_: None)
    assert set(whole.splits) == {""}
    for with_split, without in zip(made.points, whole.points, strict=True):
        np.testing.assert_array_equal(with_split, without)
