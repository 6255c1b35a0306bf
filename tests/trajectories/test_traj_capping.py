"""The cap on the items of a class: exact counts, shares of the published parts, spread over groups, one draw for
one seed (the invariants are recounted independently on random data)."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.trajectories.capping import capped
from trajprobe.trajectories.parsed import Parsed, parse

PATH = np.array([[0.0, 0], [1, 1]])


def make(labels: list[str], splits: list[str] | None = None, groups: list[str] | None = None) -> Parsed:
    return parse(
        labels, [PATH] * len(labels), splits=splits, groups=groups or [f"g{i}" for i in range(len(labels))]
    )


def test_the_parts_get_their_shares() -> None:
    parsed = make(
        ["a"] * 900 + ["b"] * 30, splits=(["train"] * 600 + ["test"] * 300) + ["train"] * 10 + ["test"] * 20
    )
    kept = capped(parsed, list(range(930)), 60, seed=0)
    assert Counter((parsed.labels[i], parsed.splits[i]) for i in kept) == {
        ("a", "train"): 40,
        ("a", "test"): 20,
        ("b", "train"): 10,
        ("b", "test"): 20,
    }
    assert kept == sorted(kept)


def test_a_small_part_keeps_a_place() -> None:
    parsed = make(["a"] * 1000, splits=["train"] * 999 + ["test"])
    assert 999 in capped(parsed, list(range(1000)), 5, seed=0)
    assert len(capped(parsed, list(range(1000)), 1, seed=0)) == 1


def test_many_groups_before_many_items_of_one() -> None:
    groups = ["big"] * 90 + [f"g{i}" for i in range(10)]
    parsed = make(["a"] * 100, groups=groups)
    kept = capped(parsed, list(range(100)), 15, seed=3)
    assert Counter(groups[i] for i in kept) == {"big": 5} | {f"g{i}": 1 for i in range(10)}


def test_the_draw_depends_on_the_seed_and_the_ids_alone() -> None:
    parsed = make(["a"] * 50 + ["b"] * 50)
    everything = list(range(100))
    first = capped(parsed, everything, 10, seed=0)
    assert first == capped(parsed, everything, 10, seed=0)
    assert first != capped(parsed, everything, 10, seed=1)
    assert [i for i in first if i < 50] == capped(parsed, everything[:50], 10, seed=0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["", "train", "test"]), st.sampled_from("pqrs"))
    ),
    st.integers(1, 6),
    st.integers(0, 5),
)
def test_no_class_exceeds_the_cap_and_no_place_stays_empty(
    rows: list[tuple[str, str, str]], per_class: int, seed: int
) -> None:
    labels, splits, groups = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    parsed = make(labels, splits, groups)
    kept = capped(parsed, list(range(len(rows))), per_class, seed)
    before, after = Counter(labels), Counter(labels[i] for i in kept)
    assert after == {label: min(count, per_class) for label, count in before.items()}
