"""Near copies: planted ones are found, and no others; in sets of many kinds that have none, none is found.

Oracles: which items were planted; the number of chance neighbours in uniform data of known dimension; closed forms of
the distance. `test_stage_trajectories.py` holds that the shipped sources have none."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from trajprobe.artifacts.trajectories import TrajectorySet
from trajprobe.trajectories import near_copies
from trajprobe.trajectories.near_copies import find_near_copies, normalized_shapes, warn_of_near_copies

TIME = np.linspace(0, 2, 40)


def made(paths: np.ndarray, classes: int = 2) -> TrajectorySet:
    """A set of the paths (N, 40, D), each in its own group, the classes in turn."""
    ids = [f"p{index}" for index in range(len(paths))]
    return TrajectorySet(
        item_ids=ids,
        labels=["abcd"[index % classes] for index in range(len(paths))],
        groups=list(ids),
        splits=[""] * len(paths),
        times=[TIME] * len(paths),
        points=list(paths.astype(np.float32)),
        classes=list("abcd"[:classes]),
        source="made",
        digest="",
        y_axis="up",
    )


def with_copies(trajectories: TrajectorySet, which: list[int], changed: Callable) -> TrajectorySet:
    """The set with a changed copy of some items at its end, in groups of their own."""
    copies = [changed(trajectories.points[i].astype(float), trajectories.times[i]) for i in which]
    return replace(
        trajectories,
        item_ids=trajectories.item_ids + [f"copy{i}" for i in which],
        labels=trajectories.labels + [trajectories.labels[i] for i in which],
        groups=trajectories.groups + [f"copy{i}" for i in which],
        splits=trajectories.splits + [""] * len(which),
        times=trajectories.times + [clock for _, clock in copies],
        points=trajectories.points + [path.astype(np.float32) for path, _ in copies],
    )


def walks(rng: np.random.Generator, count: int = 120) -> np.ndarray:
    return np.cumsum(rng.standard_normal((count, 40, 2)), axis=1)


def lines(rng: np.random.Generator, count: int = 120) -> np.ndarray:
    return TIME[None, :, None] * rng.standard_normal((count, 1, 3))


def circles(rng: np.random.Generator, count: int = 120) -> np.ndarray:
    angle = TIME * rng.uniform(1, 6, (count, 1)) + rng.uniform(0, 6, (count, 1))
    return np.stack([np.cos(angle), np.sin(angle)], axis=2)


def noisy(rng: np.random.Generator, count: int = 120) -> np.ndarray:
    return np.concatenate([lines(rng, count)[:, :, :2], circles(rng, count)]) + 0.02 * rng.standard_normal(
        (2 * count, 40, 2)
    )


@pytest.mark.parametrize("kind", [walks, lines, circles, noisy])
def test_sets_without_copies_have_none(kind: Callable) -> None:
    for seed in range(8):
        assert not find_near_copies(made(kind(np.random.default_rng(seed)))), seed


def jittered(path: np.ndarray, clock: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = np.sqrt(((path - path.mean(axis=0)) ** 2).sum(axis=1).mean())
    return path + 0.005 * size * np.random.default_rng(1).standard_normal(path.shape), clock


CHANGES = {
    "jittered": jittered,
    "moved, larger and slower": lambda path, clock: (5 + 3 * jittered(path, clock)[0], 4 * clock),
    "rounded": lambda path, clock: (np.round(path, 2), clock),
    "resampled": lambda path, clock: (
        np.stack([np.interp(np.linspace(0, 2, 93), clock, axis) for axis in path.T], axis=1),
        np.linspace(0, 2, 93),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found_and_no_others(change: str) -> None:
    planted = [3, 10, 11, 40, 77]
    whole = with_copies(made(walks(np.random.default_rng(0))), planted, CHANGES[change])
    found = {(copy.item, copy.other) for copy in find_near_copies(whole)}
    pairs = {(original, 120 + at) for at, original in enumerate(planted)}
    assert found == pairs | {(copy, original) for original, copy in pairs}


def test_a_set_in_which_all_items_have_many_copies() -> None:
    whole = made(walks(np.random.default_rng(0), 60))
    for _ in range(3):  # 2, 4 and 8 of each
        whole = with_copies(whole, list(range(len(whole.points))), jittered)
    whole = replace(whole, groups=[str(index) for index in range(480)])
    assert len(find_near_copies(whole)) == 480


def test_copies_in_one_group_or_of_another_class_do_not_count() -> None:
    whole = with_copies(made(walks(np.random.default_rng(0))), [3, 10], jittered)
    assert not find_near_copies(replace(whole, groups=[*whole.groups[:120], "p3", "p10"]))
    assert not find_near_copies(replace(whole, labels=[*whole.labels[:120], "a", "b"]))
    assert not find_near_copies(made(walks(np.random.default_rng(0), 6)))


@pytest.mark.parametrize("dimension", [1, 2, 3, 6])
def test_chance_brings_as_many_items_below_the_threshold_as_promised(
    dimension: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points on a torus, without edges, embedded isometrically up to a factor in 2 * dimension coordinates."""
    monkeypatch.setattr(near_copies, "CLOSEST", 1.0)
    counts = []
    for seed in range(150):
        angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (100, dimension))
        shapes = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
        distances = near_copies.cdist(shapes, shapes) + 9 * np.eye(100)
        counts.append((distances.min(axis=1) < near_copies._threshold(shapes, 1.0)).sum())
    # The dense parts of a class are taken for all of it, so that it may be fewer.
    assert 0.05 < np.mean(counts) < 2


def test_distances_are_the_root_mean_square_of_those_between_points() -> None:
    clock = np.arange(near_copies.SAMPLES, dtype=float)
    path = np.stack([np.cos(clock), np.sin(clock)], axis=1)
    path -= path.mean(axis=0)
    path /= np.sqrt((path**2).sum(axis=1).mean())
    turned = path @ np.array([[0.0, 1], [-1, 0]])
    shapes = normalized_shapes([path, turned, 7 * path + 3], [clock, clock, clock / 9 + 1])
    expected = np.sqrt(((path - turned) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(np.linalg.norm(shapes[0] - shapes[1]), expected)
    np.testing.assert_allclose(shapes[0], shapes[2], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(shapes, axis=1), 1)


def test_the_warning_counts_names_and_says_what_to_do() -> None:
    whole = made(walks(np.random.default_rng(0)))
    assert warn_of_near_copies(whole) == []
    (line,) = warn_of_near_copies(with_copies(whole, [3, 10, 11, 40], jittered))
    assert line.startswith("warning: 8 items are nearly the same path as one of their class in another group")
    assert line.count(" and copy") == 3
    assert "give copies one `group` (a column, or a table id,label,group by --labels)" in line
    assert "\n" not in line
