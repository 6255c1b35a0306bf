"""Source cards: the committed ones fit the schema, and each mistake is one line that names the key."""

from pathlib import Path

import pytest
import yaml

from trajprobe.artifacts.source_card import (
    CARDS,
    FileCard,
    FilesCard,
    RowsCard,
    SyntheticCard,
    load_source_card,
)
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted(path.parent.name for path in ROOT.glob("data/sources/*/card.yaml"))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", COMMITTED)
def test_the_committed_cards_are_valid(name: str) -> None:
    card = load_source_card(name)
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
            r"files.0: required either file \(a name in the folder of the card\) or url",
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_from": "key:"}, "label_from: required folder, key:KEY or name:'REGEX', got 'key:'"),
        ({"label_from": "folders"}, "label_from: required folder, key:KEY or name:'REGEX'"),
        ({"label_from": "name:("}, "label_from: required a regular expression after `name:`"),
        ({"label_from": "name:a"}, "label_from: required a regular expression with one group"),
        ({"columns": {"id": 3}}, "columns.id"),
        ({"columns": {"ident": "track"}}, "unknown key columns.ident"),
        ({"header": ["id"]}, "header: required at least 2"),
        ({"time_unit": "days"}, "time_unit: required text like"),
        ({"gaps": "interpolate:0"}, "gaps: required text like"),
        ({"up": "w"}, "up: required one of x, y, z, -x, -y, -z, got 'w'"),
        ({"zeros": "drop"}, "zeros: required one of auto, keep, missing"),
        ({"unlabelled": "keep"}, "unlabelled: required one of refuse, drop"),
        ({"label_file": {"file": "../a"}}, "label_file.file: required text like"),
    ],
)
def test_each_mistake_in_the_choices_of_an_import_is_one_line(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        validate(FilesCard, BASE | {"format": "files"} | changes, "card")
    assert "\n" not in str(error.value)


def test_a_cards_format_and_name_must_be_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("data/sources/mine/card.yaml")
    path.parent.mkdir(parents=True)
    with pytest.raises(UserError, match=r"data/sources/mine/card.yaml: cannot be read"):
        load_source_card("mine")
    for content, message in (
        (
            BASE | {"format": "excel"},
            "format: required one of synthetic, npz, long, files, videos, ts, rows, got 'excel'",
        ),
        ({"name": "mine"}, "format is missing"),
        (BASE | {"name": "other"}, "name: must be that of its folder, 'mine', got 'other'"),
    ):
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(UserError, match=message):
            load_source_card("mine")
    path.write_text(yaml.safe_dump(BASE))
    assert isinstance(load_source_card("mine"), RowsCard)


def test_every_format_has_its_card() -> None:
    for form, schema in CARDS.items():
        assert form in str(schema.model_fields["format"].annotation)
    assert isinstance(load_source_card("synthetic"), SyntheticCard)
