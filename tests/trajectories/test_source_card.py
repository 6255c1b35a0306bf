"""Source cards: the committed ones fit the schema, each mistake is one line that names the key, and the readers give
for the public sets what independent counts and the pinned digests say."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from trajprobe.errors import UserError
from trajprobe.params.loading import validate
from trajprobe.params.source_card import CARDS, FileCard, RowsCard, SyntheticCard, load_source_card
from trajprobe.params.study import Trajectories
from trajprobe.trajectories.reading import read_source
from trajprobe.trajectories.table import TrajectorySet
from trajprobe.trajectories.validation import accept

ROOT = Path(__file__).resolve().parents[2]
MIRROR = ROOT.parent / "shared" / "mirror"
STRICT = Trajectories(invalid="refuse", min_per_class=4)

needs_mirror = pytest.mark.skipif(not MIRROR.is_dir(), reason="the public data are not here")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", sorted((ROOT / "data/sources").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_committed_cards_are_valid(path: Path) -> None:
    card = load_source_card(path.stem)
    assert card.summary
    if isinstance(card, FileCard) and any(entry.url for entry in card.files):
        assert card.licence
        assert card.citation
        assert card.digest


BASE = {"name": "mine", "summary": "s", "format": "rows", "files": [{"file": "a.txt"}]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fromat": "rows"}, "unknown key fromat; did you mean format"),
        ({"files": []}, "files: required at least 1"),
        (
            {"files": [{"split": "train"}]},
            r"files.0: required either file \(a name under data/raw/\) or url",
        ),
        ({"files": [{"file": "a", "url": "https://x/a"}]}, "required either file"),
        ({"files": [{"file": "../a"}]}, "files.0.file: required text like"),
        ({"files": [{"file": ".hidden"}]}, "files.0.file: required text like"),
        ({"files": [{"url": "ftp://x/a"}]}, "files.0.url: required text like"),
        ({"digest": "abc"}, "digest: required "),
        ({"y_axis": "left"}, "y_axis: required one of up, down"),
        ({"classes": {1: "a", 2: "a"}}, "classes: required each once, not a twice"),
        ({"max_per_class": 0}, "max_per_class: required at least 1"),
        ({"time_step": 0}, "time_step: required more than 0"),
        (
            {"test_rows": [1], "files": [{"file": "a"}, {"file": "b"}]},
            "required a single file without a split",
        ),
        (
            {"test_rows": [1], "files": [{"file": "a", "split": "test"}]},
            "required a single file without a split",
        ),
    ],
)
def test_each_mistake_is_one_line_that_names_the_key(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        validate(RowsCard, BASE | changes, "card")
    assert "\n" not in str(error.value)


def test_a_cards_format_and_name_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/sources").mkdir(parents=True)
    with pytest.raises(UserError, match=r"data/sources/mine.yaml: cannot be read"):
        load_source_card("mine")
    for content, message in (
        (
            BASE | {"format": "excel"},
            "format: required one of synthetic, npz, long, ts, rows, got 'excel'",
        ),
        ({"name": "mine"}, "format is missing"),
        (BASE | {"name": "other"}, "name: must be that of its file, 'mine', got 'other'"),
    ):
        Path("data/sources/mine.yaml").write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=message):
            load_source_card("mine")
    Path("data/sources/mine.yaml").write_text(yaml.safe_dump(BASE))
    assert isinstance(load_source_card("mine"), RowsCard)


def test_every_format_has_its_card() -> None:
    for form, schema in CARDS.items():
        assert form in str(schema.model_fields["format"].annotation)
    assert isinstance(load_source_card("synthetic"), SyntheticCard)


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
        card = validate(CARDS[form], BASE | {"format": form, "files": [{"file": name}]}, "card")
        assert isinstance(card, FileCard)
        digests.add(read_source(card, [tmp_path / name])[1])
    assert len(digests) == 1
