"""`trajprobe import` in a DVC repository: the files, their pointers and the card appear together or not at all, even
if the process is killed; the stage reads what was imported, and every refusal leaves the repository as it was."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from running import run
from trajprobe.artifacts.trajectories import read_trajectories
from trajprobe.commands import importing
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.params import load_params

ROOT = Path(__file__).resolve().parents[2]
MINE = Path("data/sources/mine")
FOLDER = [".gitignore", "card.yaml", "mine.npz", "mine.npz.dvc"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC repository: params, the synthetic card, a card of an encoder, this project's ignore files."""
    folder = tmp_path_factory.mktemp("template")
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"encoders": ["placeholder"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    for path in (folder / "data/sources/synthetic/card.yaml", folder / "models/placeholder/card.yaml"):
        path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "data/sources/synthetic/card.yaml", folder / "data/sources/synthetic/card.yaml")
    (folder / "models/placeholder/card.yaml").write_text("name: placeholder\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def repository(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    shutil.copytree(template, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for `dvc add` in tests of something else: it writes pointers, in no time."""

    def add(raw: list[Path], outcome: str) -> None:
        for path in raw:
            path.with_name(f"{path.name}.dvc").write_text(files.sha256(path))

    monkeypatch.setattr(importing, "dvc_add", add)


def npz(path: Path, seed: int = 0, **changes: object) -> Path:
    rng = np.random.default_rng(seed)
    arrays = {"trajectories": rng.standard_normal((12, 6, 3)), "labels": ["a", "b"] * 6} | changes
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def csv(path: Path, seed: int = 0, label: str = "label") -> Path:
    rng = np.random.default_rng(seed)
    lines = [f"{i},{t},{rng.random()},{rng.random()},{'uv'[i % 2]}" for i in range(8) for t in range(3)]
    path.write_text("\n".join([f"track,t,x,y,{label}", *lines, ""]))
    return path


def tree(folder: Path) -> dict[str, str]:
    """Every file outside the folders of git and DVC, with its digest."""
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and not {".dvc", ".git"} & set(path.relative_to(folder).parts)
    }


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a dependency of DVC
@pytest.mark.parametrize("git", [True, False])
def test_an_archive_becomes_a_source_that_dvc_tracks_and_the_stage_reads(
    git: bool, repository: Path, tmp_path: Path
) -> None:
    from dvc.repo import Repo

    if not git:
        shutil.rmtree(".git")
        Path(".dvc/config").write_text("[core]\n    no_scm = True\n")
    original = npz(tmp_path / "from elsewhere.npz")
    for replace in (False, True):
        said = importing.run(original, "mine", y_axis="down", replace=replace)
    assert "mine: 12 trajectories of 2 classes (a 6, b 6)" in said
    assert said.endswith("Next:\n  git add data/sources/mine\n  dvc exp run -n mine -S source=mine")
    assert files.sha256(MINE / "mine.npz") == files.sha256(original)
    assert sorted(os.listdir(MINE)) == FOLDER  # noqa: PTH208
    assert (MINE / ".gitignore").read_text() == "/mine.npz\n"
    (out,) = yaml.safe_load((MINE / "mine.npz.dvc").read_text())["outs"]
    assert out["path"] == "mine.npz"
    with Repo() as repo:
        assert repo.status(targets=[str(MINE / "mine.npz.dvc")]) == {}
        (MINE / "mine.npz").unlink()
        repo.checkout([str(MINE / "mine.npz.dvc")])
    assert files.sha256(MINE / "mine.npz") == files.sha256(original)
    if git:
        listed = subprocess.run(
            ["git", "status", "--short", "-uall", "data/sources/mine"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert listed.stdout.split() == [
            word for name in FOLDER if name != "mine.npz" for word in ("??", f"{MINE}/{name}")
        ]
    run("trajectories", load_params().model_copy(update={"source": "mine"}))
    made = read_trajectories(paths.TRAJECTORIES)
    assert made.y_axis == "down"
    assert f"digest of the content: {made.digest}" in said


def test_tables_name_their_columns_and_test_files_their_part(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    train, test = (csv(tmp_path / f"{name}.csv", seed, "kind") for seed, name in enumerate(("train", "test")))
    said = importing.run(train, "moves", test=test, columns={"id": "track", "label": "kind"})
    assert "published split 8 train, 8 test" in said
    assert sorted(path.name for path in paths.source("moves").glob("moves*")) == [
        "moves_test.csv",
        "moves_test.csv.dvc",
        "moves_train.csv",
        "moves_train.csv.dvc",
    ]
    run("trajectories", load_params().model_copy(update={"source": "moves"}))
    assert read_trajectories(paths.TRAJECTORIES).splits == ["train"] * 8 + ["test"] * 8


def test_a_source_is_replaced_only_if_asked_and_keeps_its_card(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    importing.run(npz(tmp_path / "a.npz"), "mine", y_axis="down")
    text = paths.source_card("mine").read_text()
    text += "classes: {b: right, a: left}  # by eye\ndigest: " + "a" * 64 + "\n"
    paths.source_card("mine").write_text(text)
    before = tree(repository)
    with pytest.raises(
        UserError, match=r"data/sources/mine/card.yaml: there is a source 'mine' already; .* --replace"
    ):
        importing.run(npz(tmp_path / "b.npz", seed=1), "mine")
    assert tree(repository) == before
    said = importing.run(tmp_path / "b.npz", "mine", replace=True)
    assert files.sha256(MINE / "mine.npz") == files.sha256(tmp_path / "b.npz")
    digest = said.split("digest of the content: ")[1].split()[0]
    edited = text.replace("a" * 64, digest).replace("imported from a.npz", "imported from b.npz")
    assert paths.source_card("mine").read_text() == edited
    assert "mine: 12 trajectories of 2 classes (right 6, left 6)" in said
    assert f"\n{MINE}/card.yaml:\n" in said
    for line in ("y_axis: down kept from the card", "summary: imported from a.npz -> imported from b.npz"):
        assert f"  {line}\n" in said
    run("trajectories", load_params().model_copy(update={"source": "mine"}))


def test_the_files_of_the_old_source_go_and_those_of_the_user_stay(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    importing.run(npz(tmp_path / "a.npz"), "mine")
    (MINE / "notes.md").write_text("mine")
    (MINE / ".gitignore").write_text("/mine.npz\n*.bak\n")
    (MINE / "more").mkdir()
    (MINE / "more/card.yaml").write_text("not the card")
    importing.run(csv(tmp_path / "a.csv"), "mine", columns={"id": "track"}, replace=True)
    kept = {"notes.md", "more", ".gitignore", "card.yaml", "mine.csv", "mine.csv.dvc"}
    assert {path.name for path in MINE.iterdir()} == kept
    assert (MINE / ".gitignore").read_text() == "*.bak\n/mine.csv\n"
    assert (MINE / "more/card.yaml").read_text() == "not the card"


def test_a_file_that_lies_in_the_folder_is_overwritten_only_if_asked(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    MINE.mkdir()
    (MINE / "notes.md").write_text("mine")
    own = npz(MINE / "mine.npz", seed=3)
    before = tree(repository)
    with pytest.raises(UserError, match=r"data/sources/mine/mine.npz: would be overwritten; .* --replace"):
        importing.run(npz(tmp_path / "a.npz"), "mine")
    assert tree(repository) == before
    digest = files.sha256(own)
    importing.run(own, "mine", replace=True)
    assert files.sha256(own) == digest
    assert sorted(path.name for path in MINE.iterdir()) == [*FOLDER, "notes.md"]


def test_the_source_that_params_name_can_be_imported(
    repository: Path, tmp_path: Path, without_dvc: None
) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("source: synthetic", "source: mine"))
    importing.run(npz(tmp_path / "a.npz"), "mine")
    assert load_params().source == "mine"


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


KILLED = """
import os, signal, sys
from pathlib import Path
from trajprobe.commands import importing

importing.dvc_add = lambda raw, outcome: [Path(f"{path}.dvc").write_text("pointer") for path in raw]
left = -1

def kill(event, arguments):
    global left
    if left > 0 and event.split(".")[0] in ("open", "os", "shutil"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
for step in range(1, 500):
    child = os.fork()
    if child == 0:
        left = step
        importing.run(Path(sys.argv[1]), "mine", replace=True)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    card = Path("data/sources/mine/card.yaml")
    names = sorted(os.listdir("data/sources/mine"))
    print(killed, len(Path("data/sources/mine/mine.npz").read_bytes()), card.read_text().count("b.npz"), *names)
    if not killed:
        break
"""


def test_a_kill_at_any_step_leaves_the_old_source_or_the_new_one(
    repository: Path, tmp_path: Path, without_dvc: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    if not files._exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system cannot exchange two folders in one step")
    old, new = npz(tmp_path / "a.npz"), npz(tmp_path / "b.npz", seed=1, ids=[str(i) for i in range(12)])
    importing.run(old, "mine")
    arguments = [sys.executable, "-c", KILLED, str(new)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    states = [line.split() for line in done.stdout.splitlines()]
    assert len(states) > 30
    assert [state[0] for state in states] == ["True"] * (len(states) - 1) + ["False"]
    allowed = [[str(path.stat().st_size), count, *FOLDER] for path, count in ((old, "0"), (new, "1"))]
    assert all(state[1:] in allowed for state in states), states
    assert states[0][1:] == allowed[0]
    assert states[-2][1:] == states[-1][1:] == allowed[1]
    assert list(MINE.parent.glob(".*"))
    monkeypatch.setattr(files, "GRACE", 0)
    importing.run(new, "mine", replace=True)
    assert not list(MINE.parent.glob(".*"))


REFUSALS = {
    "name": ({"name": "My Data"}, "--name: 'My Data' must consist of lower-case letters"),
    "taken": ({"name": "synthetic"}, "there is a source 'synthetic' already"),
    "synthetic": ({"name": "synthetic", "replace": True}, "a synthetic source has no files to replace"),
    "no folder": ({"name": "file", "replace": True}, "data/sources/file: must be a folder"),
    "absent": ({"file": "absent.npz"}, "absent.npz: there is no such file"),
    "suffix": ({"file": "a.xlsx"}, "a.xlsx: must be a folder of files, or one of .npz"),
    "y axis": ({"y_axis": "left"}, "y_axis: required one of up, down, got 'left'"),
    "columns": ({"columns": {"id": "track"}}, "a.npz: --column is not an option for files of the format npz"),
    "column": ({"file": "a.csv", "columns": {"ident": "track"}}, "columns.ident"),
    "formats": ({"test": "a.csv"}, "must have one format"),
    "labels": ({"file": "short.npz"}, "short.npz: labels: must have one entry for each of the 12"),
    "items": ({"file": "bad.npz"}, "source mine: 1 of 12 items cannot be used"),
    "contents": ({"file": "broken.npz"}, "broken.npz: cannot be read as .npz"),
    "card": ({"name": "broken", "replace": True}, "data/sources/broken/card.yaml: format is missing"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_every_refusal_is_one_line_and_changes_nothing(case: str, repository: Path, tmp_path: Path) -> None:
    npz(tmp_path / "a.npz")
    npz(tmp_path / "short.npz", labels=["a"])
    npz(tmp_path / "bad.npz", ids=["", *map(str, range(11))])
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "a.xlsx").touch()
    (tmp_path / "a.csv").write_text("id,x,y,label\n")
    paths.source("file").touch()
    paths.source("broken").mkdir()
    paths.source_card("broken").write_text("name: broken\n")
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
