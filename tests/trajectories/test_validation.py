"""Validation: every kind of invalid item is named with its reason and refused, or set aside by the explicit policy;
copies and groups are never on both sides of a split; subsampling keeps exact counts, the shares of the published parts
and many groups (hypothesis: independent checks of the invariants on random sets)."""

import csv
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.artifacts.source_card import Card
from trajprobe.artifacts.trajectories import TrajectorySet
from trajprobe.core.errors import UserError
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.validation import SetAside, accept, subsample, summarize, write_manifest

REFUSE = TrajectoriesParams(invalid="refuse", min_per_class=2)
QUARANTINE = TrajectoriesParams(invalid="quarantine", min_per_class=2)


def card(**rules: object) -> Card:
    return Card.model_validate({"name": "mine", "summary": "a test"} | rules)


def paths(count: int, dimension: int = 2, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((4 + i % 3, dimension)) for i in range(count)]


def sound(count: int = 8, **changes: object) -> Parsed:
    labels = ["ab"[i % 2] for i in range(count)]
    return parse(Raw(**({"labels": labels, "points": paths(count)} | changes)))  # type: ignore[arg-type]


def replaced(values: Sequence, index: int, value: object) -> list:
    return [value if i == index else old for i, old in enumerate(values)]


NAN_AT_2 = np.array([[0, 0], [1, 1], [np.nan, 2], [3, np.inf]])
DEFECTS = {
    "NaN": ({"points": replaced(paths(8), 3, NAN_AT_2)}, "point 2 is NaN or infinite, as are 1 more"),
    "too large for float32": (
        {"points": replaced(paths(8), 3, np.array([[0.0, 0], [1e300, 0]]))},
        "point 1 is NaN or infinite",
    ),
    "empty": ({"points": replaced(paths(8), 3, np.zeros((0, 2)))}, "no points"),
    "one point": ({"points": replaced(paths(8), 3, np.ones((1, 2)))}, "a single point"),
    "no extent": ({"points": replaced(paths(8), 3, np.full((5, 2), 7.0))}, "all 5 points are the same"),
    "shape": ({"points": replaced(paths(8), 3, np.ones((5, 4)))}, r"points have shape \(5, 4\)"),
    "flat": ({"points": replaced(paths(8), 3, np.ones(5))}, r"points have shape \(5,\)"),
    "dimension": ({"points": replaced(paths(8), 3, paths(8, 3)[3])}, "3-D among 2-D paths"),
    "label": ({"labels": replaced(list("abababab"), 3, " ")}, "no label"),
    "split": (
        {"splits": replaced(["train", "train", "test", "test"] * 2, 3, "valid")},
        "unknown split 'valid': must be train, test or empty",
    ),
    "half split": (
        {"splits": replaced(["train", "train", "test", "test"] * 2, 3, "")},
        "in neither train nor test, while other items are",
    ),
    "reader": ({"defects": {3: "more than one label"}}, "more than one label"),
    "time repeats": (
        {"times": replaced([np.arange(len(p)) for p in paths(8)], 3, np.array([0.0, 1, 1, 2]))},
        "point 2 repeats the time stamp of the one before it, 1 s after the start",
    ),
    "time NaN": (
        {"times": replaced([np.arange(len(p)) for p in paths(8)], 3, np.array([0.0, 1, np.nan, 2]))},
        "time of point 2 is NaN or infinite",
    ),
    "times missing": (
        {"times": replaced([np.arange(len(p)) for p in paths(8)], 3, np.array([0.0, 1]))},
        "2 times for 4 points",
    ),
}


@pytest.mark.parametrize("case", DEFECTS)
def test_each_defect_is_named_refused_or_set_aside(case: str) -> None:
    changes, reason = DEFECTS[case]
    parsed = sound(**changes)  # type: ignore[arg-type]
    with pytest.raises(
        UserError, match=rf"source mine: 1 of 8 items cannot be used \(000003: {reason}"
    ) as error:
        accept(parsed, card(), REFUSE)
    assert "\n" not in str(error.value)
    assert "quarantine" in str(error.value)
    kept, aside = accept(parsed, card(), QUARANTINE)
    assert [item.item_id for item in aside] == ["000003"]
    assert kept.item_ids == [f"{i:06d}" for i in (0, 1, 2, 4, 5, 6, 7)]


def test_repeated_and_empty_ids_are_invalid() -> None:
    parsed = sound(10, item_ids=["p", "q", "p", "r", "", "s", "t", "u", "v", "w"])
    with pytest.raises(
        UserError, match=r"3 of 10 .*p: id occurs 2 times; p: id occurs 2 times; \(no id\): empty id"
    ):
        accept(parsed, card(), REFUSE)
    kept, aside = accept(parsed, card(), QUARANTINE)
    assert kept.item_ids == ["q", "r", "s", "t", "u", "v", "w"]
    assert [item.item_id for item in aside] == ["p", "p", ""]


def test_an_error_names_the_first_few_and_counts_the_rest() -> None:
    points = [*paths(3), *(np.zeros((3, 2)) for _ in range(5))]
    with pytest.raises(UserError, match=r"5 of 8 .*000003.*000004.*000005.*; and 2 more\)") as error:
        accept(sound(points=points), card(), REFUSE)
    assert "000006" not in str(error.value)


def test_sound_items_come_through_untouched() -> None:
    parsed = sound(splits=["train", "train", "test", "test"] * 2)
    kept, aside = accept(parsed, card(y_axis="down"), REFUSE)
    assert aside == []
    assert (kept.item_ids, kept.labels, kept.splits) == (parsed.item_ids, parsed.labels, parsed.splits)
    assert kept.groups == kept.item_ids
    assert kept.classes == ["a", "b"]
    assert (kept.source, kept.y_axis, kept.digest) == ("mine", "down", parsed.digest())
    for path, clock, original in zip(kept.points, kept.times, paths(8), strict=True):
        np.testing.assert_allclose(path, original - original[0], atol=1e-6)
        assert clock[0] == 0


def test_a_start_far_from_the_origin_costs_no_precision() -> None:
    far = [path + np.array([5.8e6, 4.5e5]) for path in paths(8)]
    kept, _ = accept(sound(points=far, times=[1.7e9 + np.arange(len(p)) / 8 for p in far]), card(), REFUSE)
    for path, clock, original in zip(kept.points, kept.times, paths(8), strict=True):
        np.testing.assert_allclose(path, original - original[0], atol=1e-8, rtol=1e-6)
        np.testing.assert_array_equal(clock, np.arange(len(path)) / 8)


def test_too_few_classes_and_too_few_items_are_refused_under_both_policies() -> None:
    for settings_ in (REFUSE, QUARANTINE):
        with pytest.raises(UserError, match="at least 2 classes are required, got only 'a'"):
            accept(sound(labels=["a"] * 8), card(), settings_)
        with pytest.raises(UserError, match=r"every class needs at least 2 items .* but 'b' has 1"):
            accept(sound(labels=[*"aaaaaaab"]), card(), settings_)
    points = replaced(replaced(paths(8), 6, np.zeros((0, 2))), 7, np.zeros((0, 2)))
    with pytest.raises(UserError, match="'c' has 0 after 2 were set aside"):
        accept(sound(labels=[*"ababbacc"], points=points), card(), QUARANTINE)
    with pytest.raises(UserError, match="got none after 8 were set aside"):
        accept(sound(points=[np.zeros((0, 2))] * 8), card(), QUARANTINE)


def test_each_published_part_needs_every_class() -> None:
    with pytest.raises(UserError, match="the published train part has no item of b"):
        accept(sound(splits=["train", "test"] * 4), card(), REFUSE)


def with_copies(*pairs: tuple[int, int], **changes: object) -> Parsed:
    points = paths(8)
    for first, second in pairs:
        points[second] = points[first]
    return sound(points=points, **changes)


def test_copies_with_one_label_share_a_group_where_the_card_says_so() -> None:
    parsed = with_copies((0, 2), (2, 6), (1, 5))
    kept, aside = accept(parsed, card(group_duplicates=True), REFUSE)
    assert aside == []
    assert kept.groups == [f"{i:06d}" for i in (0, 1, 0, 3, 4, 1, 0, 7)]
    with pytest.raises(
        UserError, match=r"3 of 8 .*000002: exact copy of 000000, in another group \(group_dup"
    ):
        accept(parsed, card(), REFUSE)
    kept, aside = accept(parsed, card(), QUARANTINE)
    assert [item.item_id for item in aside] == ["000002", "000005", "000006"]


def test_copies_at_other_times_are_other_paths_and_copies_elsewhere_are_copies() -> None:
    points = replaced(paths(8), 2, paths(8)[0])
    slower = [np.arange(len(p)) * (2.0 if i == 2 else 1.0) for i, p in enumerate(points)]
    accept(sound(points=points, times=slower), card(), REFUSE)
    whole = [np.round(path * 8) for path in paths(8)]
    with pytest.raises(UserError, match="exact copy"):
        accept(sound(points=replaced(whole, 2, whole[0] + 5)), card(), REFUSE)


def test_copies_join_their_groups() -> None:
    parsed = with_copies((0, 2), (4, 6), groups=["p", "q", "r", "s", "r", "t", "u", "v"])
    kept, _ = accept(parsed, card(group_duplicates=True), REFUSE)
    assert kept.groups == ["p", "q", "p", "s", "p", "t", "p", "v"]


def test_copies_with_different_labels_are_all_invalid() -> None:
    parsed = with_copies((0, 1))
    for rules in ({}, {"group_duplicates": True}):
        with pytest.raises(UserError, match=r"2 of 8 .*000000: labelled 'a', and its exact copy 000001 'b'"):
            accept(parsed, card(**rules), REFUSE)
    _, aside = accept(parsed, card(), QUARANTINE)
    assert [item.item_id for item in aside] == ["000000", "000001"]


SPLITS = ["train", "train", "test", "test"] * 2


def test_a_train_copy_of_a_test_item_is_refused_set_aside_or_dropped_by_the_card() -> None:
    parsed = with_copies((0, 2), (4, 6), (0, 4), (0, 6), splits=SPLITS)  # 0, 4 in train; 2, 6 in test
    with pytest.raises(UserError, match=r"2 of 8 .*000000: in train, and its exact copy 000002 in test"):
        accept(parsed, card(group_duplicates=True), REFUSE)
    for rules, policy in (({"across_split": "drop_train"}, REFUSE), ({}, QUARANTINE)):
        labels = [*"ababaaab"]
        spare = sound(labels=labels, points=parsed.points, splits=replaced(SPLITS, 5, "train"))
        kept, aside = accept(spare, card(group_duplicates=True, **rules), policy)
        assert [item.item_id for item in aside] == ["000000", "000004"]
        assert kept.groups[kept.item_ids.index("000006")] == "000002"


def test_a_group_across_the_split_loses_its_train_items() -> None:
    parsed = sound(10, groups=["p", "", "p", "", "", "", "", "", "", ""], splits=[*SPLITS, "train", "test"])
    with pytest.raises(UserError, match=r"1 of 10 .*000000: in train, and others of its group 'p' in test"):
        accept(parsed, card(), REFUSE)
    kept, aside = accept(parsed, card(across_split="drop_train"), REFUSE)
    assert aside == [SetAside("000000", "a", "in train, and others of its group 'p' in test")]
    assert "000002" in kept.item_ids


def test_the_manifest_lists_what_was_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "quarantine.csv"
    write_manifest([], path)
    assert path.read_text() == "item_id,label,reason\n"
    rows = [SetAside("a,1", 'x"y', "no points"), SetAside("ü", "", "no label")]
    write_manifest(rows, path)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1:] == [[r.item_id, r.label, r.reason] for r in rows]


@st.composite
def random_sets(draw: st.DrawFn) -> Parsed:
    count = draw(st.integers(4, 24))
    shapes = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    pick = lambda options: draw(st.lists(st.sampled_from(options), min_size=count, max_size=count))  # noqa: E731
    library = [np.array([[0, 0], [1, k]], float) for k in range(6)] + [np.full((2, 2), np.nan)]
    return parse(
        Raw(
            labels=pick(["a", "b"]),
            points=[library[k] for k in shapes],
            groups=pick(["", "", "p", "q", "r"]),
            splits=pick(["train", "test"]) if draw(st.booleans()) else None,
        )
    )


@settings(deadline=None, max_examples=120)
@given(random_sets(), st.booleans(), st.sampled_from(["refuse", "drop_train"]), st.sampled_from([None, 2, 3]))
def test_what_is_accepted_is_sound_whatever_came_in(
    parsed: Parsed, grouping: bool, across: str, cap: int | None
) -> None:
    rules = card(group_duplicates=grouping, across_split=across, max_per_class=cap)
    try:
        kept, aside = accept(parsed, rules, QUARANTINE)
    except UserError:
        return
    assert_sound(kept)
    assert not {item.item_id for item in aside} & set(kept.item_ids)
    assert cap is not None or len(aside) + len(kept.item_ids) == len(parsed.item_ids)
    assert cap is None or max(Counter(kept.labels).values()) <= cap


def assert_sound(kept: TrajectorySet) -> None:
    sides, labels, groups = defaultdict(set), defaultdict(set), defaultdict(set)
    for group, split, label, path in zip(kept.groups, kept.splits, kept.labels, kept.points, strict=True):
        assert np.isfinite(path).all()
        sides[group].add(split)
        labels[path.tobytes()].add(label)
        groups[path.tobytes()].add(group)
    assert all(len(found) == 1 for table in (sides, labels, groups) for found in table.values())


def test_a_summary_names_the_first_classes_and_counts_what_was_set_aside() -> None:
    labels = [f"{i:02d}" for i in range(24) for _ in range(2)]
    kept, _ = accept(sound(labels=labels, points=paths(48, 3), groups=["g"] * 48), card(), REFUSE)
    first, second, third = summarize(kept, [SetAside("p", "00", "no points")]).splitlines()
    assert first.startswith("mine: 48 trajectories of 24 classes (00 2, 01 2, ")
    assert first.endswith("19 2, ...)")
    assert second == "3-D, 4 to 6 points each, 1 groups"
    assert third == "1 items set aside, the first of them p: no points"


def same_paths(labels: list[str], splits: list[str] | None = None, groups: list[str] | None = None) -> Parsed:
    names = groups or [f"g{i}" for i in range(len(labels))]
    return parse(Raw(labels, [np.eye(2)] * len(labels), groups=names, splits=splits))


def test_the_parts_get_their_shares() -> None:
    parsed = same_paths(
        ["a"] * 900 + ["b"] * 30, splits=(["train"] * 600 + ["test"] * 300) + ["train"] * 10 + ["test"] * 20
    )
    kept = subsample(parsed, list(range(930)), 60, seed=0)
    assert Counter((parsed.labels[i], parsed.splits[i]) for i in kept) == {
        ("a", "train"): 40,
        ("a", "test"): 20,
        ("b", "train"): 10,
        ("b", "test"): 20,
    }
    assert kept == sorted(kept)


def test_a_small_part_keeps_a_place() -> None:
    parsed = same_paths(["a"] * 1000, splits=["train"] * 999 + ["test"])
    assert 999 in subsample(parsed, list(range(1000)), 5, seed=0)
    assert len(subsample(parsed, list(range(1000)), 1, seed=0)) == 1


def test_many_groups_before_many_items_of_one() -> None:
    groups = ["big"] * 90 + [f"g{i}" for i in range(10)]
    parsed = same_paths(["a"] * 100, groups=groups)
    kept = subsample(parsed, list(range(100)), 15, seed=3)
    assert Counter(groups[i] for i in kept) == {"big": 5} | {f"g{i}": 1 for i in range(10)}


def test_the_draw_depends_on_the_seed_and_the_ids_alone() -> None:
    parsed = same_paths(["a"] * 50 + ["b"] * 50)
    everything = list(range(100))
    first = subsample(parsed, everything, 10, seed=0)
    assert first == subsample(parsed, everything, 10, seed=0)
    assert first != subsample(parsed, everything, 10, seed=1)
    assert [i for i in first if i < 50] == subsample(parsed, everything[:50], 10, seed=0)


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
    parsed = same_paths(labels, splits, groups)
    kept = subsample(parsed, list(range(len(rows))), per_class, seed)
    before, after = Counter(labels), Counter(labels[i] for i in kept)
    assert after == {label: min(count, per_class) for label, count in before.items()}
