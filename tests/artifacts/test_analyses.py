"""data/analyses/<encoder>.json: it is read as it was written, and any other file is refused with one line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from made_study import make_analyses
from trajprobe.artifacts.analyses import LabelEfficiency, read_analyses, write_analyses
from trajprobe.core.errors import UserError

FOUND = make_analyses("e", 4, 0.9, 0.6, inits=3, asked=("label_efficiency", "knn"))
CONTENT: dict[str, Any] = FOUND.model_dump()


def test_a_file_is_read_as_it_was_written_but_for_rounding(tmp_path: Path) -> None:
    write_analyses(tmp_path / "first.json", FOUND)
    found = read_analyses(tmp_path / "first.json", "e")
    assert found.selectivity is None
    assert found.probes[0].gain.value == pytest.approx(FOUND.probes[0].gain.value, abs=1e-6)
    write_analyses(tmp_path / "again.json", found)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "first.json").read_bytes()


def signed(**changes: object) -> str:
    """The file with these changes, and a digest that fits them."""
    content = {**CONTENT, **changes}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "sha256": digest})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is missing"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        (json.dumps(CONTENT), "is damaged"),
        (signed(encoder="other"), "does not hold the analyses of e"),
        (signed(seeds=None), "seeds: .*number"),
        (signed(confidence=float("nan")), "confidence: .*finite number"),
    ],
)
def test_another_file_is_one_line_with_its_remedy(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "e.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=rf"e\.json: {complaint}.*; run `dvc repro analyse@e`"):
        read_analyses(path, "e")


def test_curves_of_other_lengths_are_refused() -> None:
    found = CONTENT["label_efficiency"]
    with pytest.raises(ValueError, match="one entry for each of its labels"):
        LabelEfficiency.model_validate(found | {"labels": found["labels"][:5]})
