"""The record beside an encoder's weights: what it accepts, and that any change of card or files is noticed.

The digest of a folder is in the keys of finished shards; its oracle is a closed form.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.artifacts.weights import (
    PROVENANCE,
    describe_record,
    file_digests,
    fits_card,
    folder_digest,
    load_record,
    read_record,
    write_record,
)
from trajprobe.core.errors import UserError

FOLDER = Path("models/e/weights")
COMMIT = "c" * 40


def card(**changes: Any) -> EncoderCard:
    content = {
        "name": "e",
        "summary": "An encoder",
        "family": "resnet",
        "architecture": {"depth": 20},
        "weights": {"hub": "someone/something", "file": "x.pt"},
        "training": "none",
        "licence": "MIT",
        "input": {"frames": "any", "size": 64, "scale": "x/255"},
        "features": {"layer": "last", "pooling": "mean"},
    }
    return EncoderCard.model_validate({**content, **changes})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights in two folders, of which neither sorts as its text does."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/x", "a-b", "encoder.safetensors"):
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(name.encode())
    write_record({"summary": "1 of 1 tensors", "revision": COMMIT}, card(), FOLDER)
    return FOLDER


def refusal(**changes: Any) -> str:
    with pytest.raises(UserError) as error:
        load_record(card(**changes))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_record_and_the_digest_of_all_files(folder: Path) -> None:
    record, digest = load_record(card())
    sha = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a-b", "a/x", "encoder.safetensors")}
    assert record["files"] == sha
    listing = "\n".join(f"{name} {sha[name]}" for name in ("a/x", "a-b", "encoder.safetensors"))
    assert digest == hashlib.sha256(listing.encode()).hexdigest() == folder_digest(file_digests(folder))


def test_any_change_of_a_file_is_noticed(folder: Path) -> None:
    (folder / "a-b").write_bytes(b"a-c")
    assert refusal().startswith("models/e/weights/a-b: is not what was fetched: expected sha256 ")
    (folder / "a-b").unlink()
    assert "found no such file; run `dvc checkout --force models/e/weights` or" in refusal()
    (folder / "a-b").write_bytes(b"a-b")
    (folder / "more").write_bytes(b"")
    assert "models/e/weights/more: is not what was fetched: expected no such file, found sha256 " in refusal()
    (folder / "more").unlink()
    load_record(card())


def test_weights_of_another_card(folder: Path) -> None:
    for change in ({"architecture": {"depth": 32}}, {"weights": {"file": "x.pt"}}, {"family": "transnetv2"}):
        assert refusal(**change).startswith("models/e/weights: was fetched for another card: its family")
    assert "another card" in refusal(weights=card().weights.model_dump() | {"prefix": "net."})
    for same in ({"summary": "other words"}, {"weights": card().weights.model_dump() | {"sha256": "0" * 64}}):
        load_record(card(**same))


def test_a_revision_may_be_pinned_after_it_was_fetched(folder: Path) -> None:
    record = load_record(card())[0]
    for revision, fits in ((COMMIT, True), ("d" * 40, False), ("main", False)):
        pinned = card(weights={"hub": "someone/something", "file": "x.pt", "revision": revision})
        assert fits_card(record, pinned) is fits
    other = card(weights={"hub": "someone/else", "file": "x.pt", "revision": COMMIT})
    assert not fits_card(record, other)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '{"summary": "x"}', '{"summary": 1, "card_sha256": "", "files": {}}', b"\xff", "{}"],
)
def test_a_damaged_record_is_none(content: str | bytes, folder: Path) -> None:
    (folder / PROVENANCE).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_record(folder) is None
    assert "provenance.json: is damaged, or of an older version; run `dvc repro fetch@e`" in refusal()


@pytest.mark.parametrize("files", [[], {"a": 1}, "a"])
def test_digests_of_another_kind(files: object, folder: Path) -> None:
    content = json.loads((folder / PROVENANCE).read_text())
    (folder / PROVENANCE).write_text(json.dumps(content | {"files": files}))
    assert read_record(folder) is None


def test_the_digest_of_weights_that_the_card_does_not_name_is_part_of_the_record(folder: Path) -> None:
    def seen(**weights: str) -> object:
        made = card(weights=weights)
        write_record({"summary": "1 of 1 tensors", "sha256": "ab"}, made, folder)
        return load_record(made)[0].get("first_seen")

    assert seen(hub="a/b") == seen(url="https://example.org/x.pt") == "ab"
    assert seen(hub="a/b", revision="v1") is seen(url="https://example.org/x.pt", sha256="0" * 64) is None
    assert seen(file="x.pt") is None
    write_record({"summary": "no weights"}, card(weights="none"), folder)
    assert "first_seen" not in load_record(card(weights="none"))[0]


def test_weights_are_identified_by_content_and_origin() -> None:
    provenance = {"summary": "133 of 133 tensors", "source": "hub", "revision": "1f2e", "sha256": "ab"}
    assert describe_record(provenance) == ["133 of 133 tensors", "hub · 1f2e", "sha256 ab"]
    unpinned = describe_record({**provenance, "first_seen": "ab"})
    assert unpinned[-1] == "sha256 ab, as first seen: the card pins none"
    assert describe_record({"summary": "no weights: seeded noise"}) == ["no weights: seeded noise"]
    assert describe_record({"summary": "recipe", "source": "card", "revision": None}) == ["recipe", "card"]
