"""From a source's files to its items: files and formats together give what independent counts and the pinned digests
of the public sets say, and the digest is that of its definition and depends on the content alone."""

import hashlib
import json
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trajprobe.artifacts.source_card import CARDS, FileCard, RowsCard, load_source_card
from trajprobe.artifacts.trajectories import TrajectorySet
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.validation import accept

ROOT = Path(__file__).resolve().parents[2]
MIRROR = ROOT.parent / "shared" / "mirror"
STRICT = TrajectoriesParams(invalid="refuse", min_per_class=4)
BASE = {"name": "mine", "summary": "s", "format": "rows", "files": [{"file": "a.txt"}]}

needs_mirror = pytest.mark.skipif(not MIRROR.is_dir(), reason="the public data are not here")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def public(name: str, *files: str, **changes: object) -> tuple[TrajectorySet, list]:
    card = load_source_card(name).model_copy(update=changes)
    assert isinstance(card, FileCard)
    parsed, _ = read_source(card, [MIRROR / file for file in files])
    return accept(parsed, card, STRICT)


@needs_mirror
def test_libras_is_what_its_file_and_the_published_split_say() -> None:
    table = np.loadtxt(MIRROR / "movement_libras.data")
    split = json.loads((MIRROR / "uea_split.json").read_text())
    kept, aside = public("libras", "movement_libras.data")
    assert len(kept.item_ids) == 341
    assert len(kept.classes) == len(set(kept.labels)) == 15
    assert Counter(kept.splits) == {"train": 161, "test": 180}
    assert kept.y_axis == "down"
    rows = [int(item) for item in kept.item_ids]
    assert [row for row, part in zip(rows, kept.splits, strict=True) if part == "test"] == sorted(
        split["test"]
    )
    assert {row for row, part in zip(rows, kept.splits, strict=True) if part == "train"} < set(split["train"])
    for row, label, path in zip(rows, kept.labels, kept.points, strict=True):
        assert label == kept.classes[int(table[row, 90]) - 1]
        expected = table[row, :90].reshape(45, 2)
        np.testing.assert_allclose(path, expected - expected[0], atol=1e-7)
    # What was left out has its copy in the test part, and no two rows that remain apart are copies.
    tested = {table[row, :90].tobytes() for row in split["test"]}
    assert len(aside) == 19
    assert all(table[int(item.item_id), :90].tobytes() in tested for item in aside)
    owners: dict[bytes, set[str]] = {}
    for row, group in zip(rows, kept.groups, strict=True):
        owners.setdefault(table[row, :90].tobytes(), set()).add(group)
    assert all(len(groups) == 1 for groups in owners.values())
    assert len(set(kept.groups)) == len(owners) == 330


@needs_mirror
def test_pendigits_is_capped_within_its_published_parts() -> None:
    files = ("pendigits.tra", "pendigits.tes")
    whole, aside = public("pendigits", *files, max_per_class=None)
    assert (len(whole.item_ids), aside) == (10_992, [])
    assert Counter(whole.splits) == {"train": 7494, "test": 3498}
    train, test = (np.loadtxt(MIRROR / file) for file in files)
    expected = np.concatenate([train, test])[:, :16].reshape(-1, 8, 2)
    np.testing.assert_array_equal(np.stack(whole.points), expected - expected[:, :1])
    assert Counter(whole.labels) == Counter(str(int(code)) for code in [*train[:, 16], *test[:, 16]])
    kept, _ = public("pendigits", *files)
    assert Counter(kept.labels) == dict.fromkeys(map(str, range(10)), 60)
    assert Counter(kept.splits) == {"train": 410, "test": 190}
    assert set(kept.item_ids) < set(whole.item_ids)
    assert kept.digest == whole.digest


@needs_mirror
def test_pendigits_reads_alike_with_commas(tmp_path: Path) -> None:
    # The archive has " 47,100, 27, ..."; copies of it have blanks instead.
    files = []
    for name in ("pendigits.tra", "pendigits.tes"):
        lines = (MIRROR / name).read_text().splitlines()
        text = "\n".join(",".join(line[at : at + 3] for at in range(0, len(line), 4)) for line in lines)
        (tmp_path / name).write_text(text + "\n")
        files.append(tmp_path / name)
    assert "," in files[0].read_text()
    card = load_source_card("pendigits")
    assert isinstance(card, FileCard)
    assert read_source(card, files)[1] == card.digest


@needs_mirror
def test_another_content_than_the_pinned_one_is_an_error(tmp_path: Path) -> None:
    lines = (MIRROR / "movement_libras.data").read_text().splitlines()
    lines[7] = lines[7].replace("0.6", "0.7", 1)
    (tmp_path / "movement_libras.data").write_text("\n".join(lines))
    card = load_source_card("libras")
    assert isinstance(card, FileCard)
    with pytest.raises(UserError, match=r"movement_libras.data: the content has the digest .* 'libras' pins"):
        read_source(card, [tmp_path / "movement_libras.data"])


def rows_source(tmp_path: Path, files: dict[str, str], **changes: object) -> tuple[FileCard, list[Path]]:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    entries = [{"file": name, **({"split": name[:-4]} if len(files) > 1 else {})} for name in files]
    return validate(RowsCard, BASE | {"files": entries} | changes, "card"), [
        tmp_path / name for name in files
    ]


def test_classes_are_named_after_the_digest_is_taken(tmp_path: Path) -> None:
    card, files = rows_source(tmp_path, {"a.txt": "0 0 1 1 1\n0 0 1 2 2\n0 0 1 3 3\n"})
    named, _ = rows_source(tmp_path, {"a.txt": files[0].read_text()}, classes={2: "two", 1: "one"})
    plain, digest = read_source(card, files)
    parsed, same = read_source(named, files)
    assert digest == same == plain.digest()
    assert parsed.labels == ["one", "two", "3"]
    assert parsed.classes == ["two", "one"]
    assert parsed.defects == {2: "label '3' is not among the classes of the card"}


def test_several_files_are_joined_with_their_splits(tmp_path: Path) -> None:
    card, files = rows_source(tmp_path, {"train.txt": "0 0 1 1 b\n0 0 1 2 10\n", "test.txt": "0 0 1 3 9\n"})
    parsed, _ = read_source(card, files)
    assert parsed.item_ids == ["train_000000", "train_000001", "test_000000"]
    assert parsed.splits == ["train", "train", "test"]
    assert parsed.classes == ["9", "10", "b"]


def test_every_format_is_read_by_its_card(tmp_path: Path) -> None:
    paths = np.arange(16.0).reshape(4, 2, 2) ** 1.5
    labels = ["a", "b", "a", "b"]
    np.savez(tmp_path / "a.npz", trajectories=paths, labels=labels)
    lines = [f"{i:06d},{x!r},{y!r},{label}" for i, label in enumerate(labels) for x, y in paths[i].tolist()]
    (tmp_path / "a.csv").write_text("\n".join(["id,x,y,label", *lines, ""]))
    cases = [":".join(",".join(map(repr, axis)) for axis in path.T.tolist()) for path in paths]
    body = "\n".join(f"{case}:{label}" for case, label in zip(cases, labels, strict=True))
    (tmp_path / "a.ts").write_text(f"@classLabel true a b\n@data\n{body}\n")
    rows = [" ".join(map(repr, path.ravel().tolist())) for path in paths]
    (tmp_path / "a.txt").write_text(
        "\n".join(f"{row} {label}" for row, label in zip(rows, labels, strict=True))
    )
    digests = set()
    for form, name in (("npz", "a.npz"), ("long", "a.csv"), ("ts", "a.ts"), ("rows", "a.txt")):
        card = validate(
            CARDS[form],
            BASE
            | {"format": form, "files": [{"file": name}]}
            | ({"no_time": True} if form == "long" else {}),
            "card",
        )
        assert isinstance(card, FileCard)
        digests.add(read_source(card, [tmp_path / name])[1])
    assert len(digests) == 1


CLOCK, PATH = np.array([0.0, 0.5]), np.array([[0, 0], [1, 2]], np.float32)
ITEM = Parsed(["i"], ["ä"], ["g"], [""], [CLOCK], [PATH], ["ä"])


def test_the_digest_is_that_of_its_definition() -> None:
    expected = hashlib.sha256(b'[["i"], ["\xc3\xa4"], ["g"], [""]]')
    expected.update(struct.pack("<3q2d4f", 2, 2, 2, 0.0, 0.5, 0, 0, 1, 2))
    assert ITEM.digest() == expected.hexdigest()


def test_the_digest_depends_on_every_part_and_on_no_memory_layout() -> None:
    assert replace(ITEM, points=[np.asfortranarray(PATH)]).digest() == ITEM.digest()
    others = [
        replace(ITEM, item_ids=["j"]),
        replace(ITEM, labels=["m"]),
        replace(ITEM, groups=["h"]),
        replace(ITEM, splits=["test"]),
        replace(ITEM, times=[CLOCK + 1e-12]),
        replace(ITEM, points=[PATH + np.float32(1e-6)]),
        replace(ITEM, points=[PATH.reshape(1, 4)]),
    ]
    assert len({item.digest() for item in (ITEM, *others)}) == 8
