"""`trajprobe tidy` removes files of encoders that are no longer listed, and nothing that could not be restored."""

from pathlib import Path

import pytest

from trajprobe.commands import tidy
from trajprobe.core.errors import UserError

KEPT = {
    "data/predictions/listed.parquet",
    "data/predictions/controls.parquet",
    "data/predictions/.gitignore",
    "data/analyses/listed.json",
    "data/analyses/.gitignore",
    "data/predictions/dtw.parquet",
    "data/costs/dtw.json",
    "data/costs/listed.json",
}
LEFT = {
    "data/predictions/left.parquet",
    "data/analyses/left.json",
    "data/predictions/kinematics.parquet",
    "data/costs/kinematics.json",
    "data/costs/left.json",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*KEPT, *LEFT, "models/listed/card.yaml", "models/left/card.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def there() -> set[str]:
    return {str(path) for path in Path("data").rglob("*") if path.is_file()}


@pytest.mark.usefixtures("files")
def test_files_of_encoders_that_left_are_removed_and_named() -> None:
    message = tidy.run(["listed"], ["dtw"])
    assert there() == KEPT
    assert message is not None
    assert all(name in message for name in LEFT)
    assert tidy.run(["listed"], ["dtw"]) is None


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    "unknown",
    [
        "data/predictions/stranger.parquet",
        "data/analyses/left.txt",
        "data/predictions/left.json",
        "data/analyses/dtw.json",
        "data/costs/stranger.json",
        "data/costs/left.parquet",
    ],
)
def test_an_unknown_file_is_refused_and_nothing_is_removed(unknown: str) -> None:
    Path(unknown).touch()
    with pytest.raises(
        UserError, match=f"^{unknown}: expected only files of encoders with a card .* move it"
    ):
        tidy.run(["listed"], ["dtw"])
    assert there() == KEPT | LEFT | {unknown}


def test_a_project_without_results_is_tidy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tidy.run(["listed"], ["dtw"]) is None
