"""The card of an import: a new one loads as what the files are; an existing one keeps its text and comments except for
the keys that change, and every change and every kept choice is one line."""

from pathlib import Path

import numpy as np
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trajprobe.commands.imported_card import (
    card_text,
    describe_changes,
    edited_text,
    new_card,
    updated_card,
)
from trajprobe.core import files

CARD = """\
# Tracks of the second campaign.
name: mine
summary: larvae on agar  # by hand
licence: CC0

format: long
files:
# one file
- file: mine.csv
y_axis: down  # as in images

# A track is a larva.
columns:
  id: track
classes: {1: crawl, 2: turn}  # from the protocol
max_per_class: 40
group_duplicates: true
# the end
"""


def updated(
    tmp_path: Path, name: str = "new.csv", text: str = CARD, **options: object
) -> tuple[dict, str, list[str]]:
    """The content and text of the card after an import of a file called `name`, and the lines about it."""
    file = tmp_path / name
    file.write_bytes(b"any")
    old = yaml.safe_load(text)
    new = new_card([file], "mine", options, usual=old["format"])
    content = updated_card(old, new, [file], options)
    edited, lost = edited_text(text, content)
    assert yaml.safe_load(edited) == content
    return content, edited, describe_changes(old, new, content) + lost


def test_an_import_without_options_leaves_the_card_byte_for_byte(tmp_path: Path) -> None:
    _, text, lines = updated(tmp_path)
    assert text == CARD
    assert lines == [
        "summary: larvae on agar kept from the card",
        "licence: CC0 kept from the card",
        "y_axis: down kept from the card",
        "columns: {'id': 'track'} kept from the card",
        "classes: {1: 'crawl', 2: 'turn'} kept from the card",
        "max_per_class: 40 kept from the card",
    ]


def test_a_given_option_changes_its_key_alone(tmp_path: Path) -> None:
    content, text, lines = updated(tmp_path, y_axis="up", columns={"id": "particle", "label": "kind"})
    assert content["columns"] == {"id": "particle", "label": "kind"}
    kept = CARD.replace("y_axis: down  # as in images\n", "y_axis: up\n")
    assert text == kept.replace("  id: track\n", "  id: particle\n  label: kind\n")
    assert "y_axis: down -> up" in lines
    assert lines.index("columns.id: track -> particle") + 1 == lines.index("columns.label: label -> kind")
    assert lines[-1] == "comments in y_axis: not kept"
    assert "classes: {1: 'crawl', 2: 'turn'} kept from the card" in lines


def test_another_format_drops_the_keys_that_it_does_not_have(tmp_path: Path) -> None:
    content, text, lines = updated(tmp_path, "new.npz")
    assert content["format"] == "npz"
    assert "columns" not in content
    assert "# A track is a larva." in text
    assert "classes: {1: crawl, 2: turn}  # from the protocol" in text
    assert "format: long -> npz" in lines
    assert "files: mine.csv -> mine.npz" in lines
    assert "columns: dropped, as cards of the format npz do not have it" in lines
    assert "comments in files: not kept" in lines


def test_a_pinned_file_is_pinned_again_and_a_generated_summary_follows_the_file(tmp_path: Path) -> None:
    text = f"name: mine\nsummary: imported from a.npz\nformat: npz\nfiles:\n- {{file: mine.npz, sha256: {'a' * 64}}}\n"
    content, _, lines = updated(tmp_path, "b.npz", text)
    digest = files.sha256(tmp_path / "b.npz")
    assert content["files"] == [{"file": "mine.npz", "sha256": digest}]
    assert lines == [
        "summary: imported from a.npz -> imported from b.npz",
        f"files: mine.npz with SHA-256 aaaaaaaaaaaa... -> mine.npz with SHA-256 {digest[:12]}...",
    ]


def test_two_parts_become_one_file(tmp_path: Path) -> None:
    text = CARD.replace(
        "- file: mine.csv", "- {file: mine_train.csv, split: train}\n- {url: https://x/a, split: test}"
    )
    content, _, lines = updated(tmp_path, text=text)
    assert content["files"] == [{"file": "mine.csv"}]
    assert "files: mine_train.csv (train), https://x/a (test) -> mine.csv" in lines


def test_a_card_that_cannot_be_edited_by_line_is_written_again(tmp_path: Path) -> None:
    for text in (
        "{name: mine, summary: s, format: npz, files: [{file: mine.npz}], y_axis: down}  # flow style",
        "name: mine\nsummary: s\nformat: npz\nfiles: [{file: mine.npz}]\ny_axis: &y down\ncitation: *y\n",
    ):
        content, edited, lines = updated(tmp_path, "a.npz", text, y_axis="up")
        assert edited == card_text(content)
        assert lines[-1] == "comments: not kept, as the card does not have one key per line"


NAMES = st.text("abc", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers(0, 99) | st.booleans() | st.text("ab #:\n'", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
CARDS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=5)


@settings(max_examples=60)
@given(CARDS, CARDS, st.booleans())
def test_the_edited_text_says_what_it_should_and_keeps_unchanged_keys(
    old: dict, new: dict, keep: bool
) -> None:
    content = (old | new) if keep else new
    text = "# top\n" + "".join(f"# before {key}\n{yaml.safe_dump({key: old[key]})}\n" for key in old)
    edited, _ = edited_text(text, content | {"name": "mine"})
    assert yaml.safe_load(edited) == content | {"name": "mine"}
    if keep:
        assert all(f"# before {key}\n" in edited for key in old)


def test_a_long_value_is_shortened() -> None:
    old = {"format": "npz", "citation": "x" * 99}
    assert describe_changes(old, {"format": "npz"}, old) == [f"citation: {'x' * 57}... kept from the card"]


def test_new_cards_name_their_files_by_part(tmp_path: Path) -> None:
    for name in ("a.NPZ", "b.npz"):
        np.savez(tmp_path / name, x=1)
        (tmp_path / name).touch()
    content = new_card([tmp_path / "a.NPZ", tmp_path / "b.npz"], "mine", {})
    assert content["files"] == [
        {"file": "mine_train.npz", "split": "train"},
        {"file": "mine_test.npz", "split": "test"},
    ]
    assert content["summary"] == "imported from a.NPZ and b.npz"
    assert yaml.safe_load(card_text(content)) == content


def test_a_key_that_the_old_card_lacks_is_compared_with_its_default() -> None:
    old = {"format": "npz", "name": "mine"}
    content = old | {"arrays": {"points": "X"}, "gaps": "split"}
    assert describe_changes(old, content, content) == [
        "arrays: {} -> {'points': 'X'}",
        "gaps: refuse -> split",
    ]
