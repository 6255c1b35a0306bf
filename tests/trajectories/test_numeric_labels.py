"""Labels that are numbers: what is refused, in which words, and what is kept."""

from pathlib import Path

import numpy as np
import pytest

from trajprobe.artifacts.source_card import Card
from trajprobe.artifacts.trajectories import (
    label_values,
    read_items,
    read_trajectories,
    shown_classes,
    write_trajectories,
)
from trajprobe.core.errors import UserError
from trajprobe.trajectories.near_copies import find_near_copies, warn_of_near_copies
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed, Raw, parse
from trajprobe.trajectories.validation import accept, summarize

REFUSE, QUARANTINE = (TrajectoriesParams(invalid=rule, min_per_class=4) for rule in ("refuse", "quarantine"))
NUMBERS = [f"{0.1 * index:.2f}" for index in range(24)]
CARD = Card(name="mine", summary="a test", target="regression")


def items(labels: list[str], splits: list[str] | None = None) -> Parsed:
    rng = np.random.default_rng(0)
    return parse(Raw(labels, [rng.normal(size=(4, 2)) for _ in labels], splits=splits))


def test_numbers_are_kept_as_they_are_and_are_no_classes(tmp_path: Path) -> None:
    labels = ["-1e-3", "+.5", "2.", "1e3", *NUMBERS]
    trajectories, aside = accept(items(labels), CARD, REFUSE)
    assert (trajectories.labels, trajectories.classes, aside) == (labels, [], [])
    write_trajectories(trajectories, tmp_path / "t.parquet")
    assert read_trajectories(tmp_path / "t.parquet").classes == []
    found = read_items(tmp_path / "t.parquet")
    values = label_values(found.labels, found.classes)
    assert values[:4].tolist() == [-0.001, 0.5, 2, 1000]
    assert summarize(trajectories, []).startswith(
        f"mine: 28 trajectories with numbers to predict, -0.001 to 1000 (mean {values.mean():g}, "
    )
    names, thirds = shown_classes(found.labels, found.classes)
    assert thirds[0].startswith("lowest third, -0.001 to 0.")
    assert [names.count(third) for third in thirds] == [9, 9, 10]


@pytest.mark.parametrize("wrong", ["fast", "nan?", "inf", "1_000", "0,5", "1e16", "0x10", "١"])
def test_what_is_no_finite_number_is_refused_by_name(wrong: str) -> None:
    labels = [*NUMBERS, wrong]
    said = f"000024: label {wrong!r} is not a finite number of at most 1e\\+15".replace("?", "\\?")
    with pytest.raises(UserError, match=said):
        accept(items(labels), CARD, REFUSE)
    kept, aside = accept(items(labels), CARD, QUARANTINE)
    assert (len(kept.labels), [each.label for each in aside]) == (24, [wrong])


def test_too_few_and_equal_numbers_are_refused() -> None:
    with pytest.raises(UserError, match="needs at least 20 items, got 19"):
        accept(items(NUMBERS[:19]), CARD, REFUSE)
    with pytest.raises(UserError, match=r"needs labels that differ, but all are 2\.5"):
        accept(items(["2.5", "2.50"] * 12), CARD, REFUSE)
    splits = ["train"] * 12 + ["test"] * 12
    with pytest.raises(UserError, match="labels of the published test part that differ, but all are 1"):
        accept(items([*NUMBERS[:12], *["1"] * 12], splits), CARD, REFUSE)
    assert accept(items(NUMBERS, splits), CARD, REFUSE)[0].splits == splits


def test_rules_about_classes_are_refused_and_numbers_among_classes_pointed_out() -> None:
    with pytest.raises(ValueError, match="no min_per_class with target: regression"):
        Card(name="mine", summary="a test", target="regression", min_per_class=3)
    plain = Card(name="mine", summary="a test")
    with pytest.raises(UserError, match="or say that labels are numbers to predict by `--target regression`"):
        accept(items(NUMBERS), plain, REFUSE)
    with pytest.raises(UserError) as refused:
        accept(items([f"kind {number}" for number in NUMBERS]), plain, REFUSE)
    assert "--target" not in str(refused.value)


def test_near_copies_are_looked_for_among_all_items() -> None:
    """Each number occurs once, so a class of it would have no second item."""
    rng = np.random.default_rng(1)
    paths = [np.cumsum(rng.normal(size=(20, 2)), axis=0) for _ in range(60)]
    paths[7] = paths[30] + 1e-6 * rng.normal(size=(20, 2))
    parsed = parse(Raw([f"{0.1 * index:.1f}" for index in range(60)], paths))
    trajectories, _ = accept(parsed, CARD, REFUSE)
    assert {copy.item for copy in find_near_copies(trajectories)} == {7, 30}
    (said,) = warn_of_near_copies(trajectories)
    assert "2 items are nearly the same path as one in another group, for example 000007 and 000030" in said
