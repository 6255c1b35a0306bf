"""`trajprobe import` in a real DVC repository: the file, its pointer and its card appear together or not at all, the
stage reads what was imported, and every refusal leaves the repository byte for byte as it was."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from trajprobe import files, paths
from trajprobe.commands import importing
from trajprobe.errors import UserError
from trajprobe.params.study import load_params
from trajprobe.stages import trajectories as stage
from trajprobe.trajectories.table import read_trajectories

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with params, the synthetic card, a card of an encoder, and DVC without git."""
    folder = tmp_path_factory.mktemp("template")
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"encoders": ["placeholder"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    for path in (folder / "data/sources/synthetic.yaml", folder / "models/placeholder/card.yaml"):
        path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "data/sources/synthetic.yaml", folder / "data/sources/synthetic.yaml")
    (folder / "models/placeholder/card.yaml").write_text("name: placeholder\n")
    (folder / "data/raw").mkdir()
    (folder / "data/raw/.gitignore").touch()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for `dvc add` where a test is not about it: it writes what that writes, in no time."""

    def add(raw: list[Path]) -> None:
        for path in raw:
            path.with_name(f"{path.name}.dvc").write_text(files.sha256(path))
        (paths.RAW / ".gitignore").write_text("".join(f"/{path.name}\n" for path in raw))

    monkeypatch.setattr(importing, "_dvc_add", add)


def npz(path: Path, seed: int = 0, **changes: object) -> Path:
    rng = np.random.default_rng(seed)
    arrays = {"trajectories": rng.standard_normal((12, 6, 3)), "labels": ["a", "b"] * 6} | changes
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def tree(folder: Path) -> dict[str, str]:
    """Every file outside of DVC's own folder, with its digest."""
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and ".dvc/" not in str(path.relative_to(folder))
    }


def test_an_archive_becomes_a_source_that_the_stage_reads(repository: Path, tmp_path: Path) -> None:
    original = npz(tmp_path / "from elsewhere.npz")
    said = importing.run(original, "mine", y_axis="down")
    assert "mine: 12 trajectories of 2 classes (a 6, b 6)" in said
    assert "git add data/raw/mine.npz.dvc data/raw/.gitignore data/sources/mine.yaml" in said
    assert "dvc exp run -n mine -S source=mine" in said
    assert files.sha256("data/raw/mine.npz") == files.sha256(original)
    pointer = yaml.safe_load(Path("data/raw/mine.npz.dvc").read_text())
    assert pointer["outs"][0]["path"] == "mine.npz"
    assert not list(Path("data").glob(".*"))
    params = load_params().model_copy(update={"source": "mine"})
    stage.run(params)
    made = read_trajectories(paths.TRAJECTORIES)
    assert made.y_axis == "down"
    assert f"digest of the content: {made.digest}" in said


def test_tables_name_their_columns_and_test_files_their_part(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    for name, seed in (("train", 0), ("test", 1)):
        rng = np.random.default_rng(seed)
        lines = [f"{i},{t},{rng.random()},{rng.random()},{'uv'[i % 2]}" for i in range(8) for t in range(3)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["track,t,x,y,kind", *lines, ""]))
    columns = {"id": "track", "label": "kind"}
    said = importing.run(tmp_path / "train.csv", "moves", test=tmp_path / "test.csv", columns=columns)
    assert "published split 8 train, 8 test" in said
    assert sorted(path.name for path in Path("data/raw").glob("moves*")) == [
        "moves_test.csv",
        "moves_test.csv.dvc",
        "moves_train.csv",
        "moves_train.csv.dvc",
    ]
    stage.run(load_params().model_copy(update={"source": "moves"}))
    assert read_trajectories(paths.TRAJECTORIES).splits == ["train"] * 8 + ["test"] * 8


def test_a_source_is_replaced_only_when_asked(repository: Path, tmp_path: Path, without_dvc: None) -> None:
    importing.run(npz(tmp_path / "a.npz"), "mine")
    before = tree(repository)
    with pytest.raises(
        UserError, match=r"data/sources/mine.yaml: there is a source 'mine' already; .* --replace"
    ):
        importing.run(npz(tmp_path / "b.npz", seed=1), "mine")
    assert tree(repository) == before
    importing.run(tmp_path / "b.npz", "mine", replace=True)
    assert files.sha256("data/raw/mine.npz") == files.sha256(tmp_path / "b.npz")


def test_a_failure_of_dvc_leaves_everything_as_it_was(
    repository: Path, tmp_path: Path, without_dvc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing.run(npz(tmp_path / "a.npz"), "mine")
    monkeypatch.undo()
    monkeypatch.chdir(repository)
    before = tree(repository)
    shutil.rmtree(".dvc")
    with pytest.raises(UserError, match=r"dvc add: .*not inside of a DVC repository.*; nothing was imported"):
        importing.run(npz(tmp_path / "b.npz", seed=1), "mine", replace=True)
    assert tree(repository) == before


def test_an_interrupt_leaves_everything_as_it_was(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(raw: object) -> None:
        assert Path("data/raw/mine.npz").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "_dvc_add", interrupted)
    before = tree(repository)
    with pytest.raises(KeyboardInterrupt):
        importing.run(npz(tmp_path / "a.npz"), "mine")
    assert tree(repository) == before
    assert not list(Path("data").glob(".*"))


REFUSALS = {
    "name": ({"name": "My Data"}, "--name: 'My Data' must consist of lower-case letters"),
    "taken": ({"name": "synthetic"}, "there is a source 'synthetic' already"),
    "absent": ({"file": "absent.npz"}, "absent.npz: there is no such file"),
    "suffix": ({"file": "a.xlsx"}, "a.xlsx: must be one of .npz, .csv, .parquet, .ts"),
    "y axis": ({"y_axis": "left"}, "y_axis: required one of up, down, got 'left'"),
    "columns": ({"columns": {"id": "track"}}, "a.npz: has no columns to name"),
    "column": ({"file": "a.csv", "columns": {"ident": "track"}}, "columns.ident"),
    "formats": ({"test": "a.csv"}, "must have one format"),
    "labels": ({"file": "short.npz"}, "short.npz: labels: must have one entry for each of the 12"),
    "items": ({"file": "bad.npz"}, "source mine: 1 of 12 items cannot be used"),
    "contents": ({"file": "broken.npz"}, "broken.npz: cannot be read as .npz"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_every_refusal_is_one_line_and_changes_nothing(case: str, repository: Path, tmp_path: Path) -> None:
    npz(tmp_path / "a.npz")
    npz(tmp_path / "short.npz", labels=["a"])
    npz(tmp_path / "bad.npz", ids=["", *map(str, range(11))])
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "a.xlsx").touch()
    (tmp_path / "a.csv").write_text("id,x,y,label\n")
    arguments, message = REFUSALS[case]
    arguments = {"file": "a.npz", "name": "mine"} | arguments
    for key in ("file", "test"):
        if key in arguments:
            arguments[key] = tmp_path / str(arguments[key])
    before = tree(repository)
    with pytest.raises(UserError, match=message) as error:
        importing.run(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    assert tree(repository) == before
