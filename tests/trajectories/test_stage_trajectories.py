"""The trajectories stage in a small repository: the same bytes from run to run, the public sets through the mirror, a
user's own file, the manifest of what was set aside, and no output if the source is unsound."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from running import run
from trajprobe.artifacts.trajectories import read_items, read_trajectories
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.params import Params

ROOT = Path(__file__).resolve().parents[2]
MIRROR = ROOT.parent / "shared" / "mirror"
MINE = paths.source("mine") / "mine.npz"
HEADER = "item_id,label,reason\n"

MakeParams = Callable[..., Params]


@pytest.fixture
def make_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeParams:
    """An empty repository with the committed source cards, and a function that makes its params."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRAJPROBE_MIRROR", raising=False)
    committed = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in ("libras", "pendigits", "synthetic"):
        paths.source(name).mkdir(parents=True)
        shutil.copy(ROOT / paths.source_card(name), paths.source_card(name))
    paths.source("mine").mkdir()

    def make(source: str, **sections: dict) -> Params:
        content = {**committed, "source": source}
        for name, changes in sections.items():
            content[name] = {**content[name], **changes}
        return validate(Params, content, "params.yaml")

    return make


def own_card(**content: object) -> None:
    card = {"name": "mine", "summary": "s", "format": "npz", "files": [{"file": "mine.npz"}]} | content
    paths.source_card("mine").write_text(yaml.safe_dump(card))


def own_file(**changes: object) -> None:
    rng = np.random.default_rng(0)
    arrays = {"trajectories": rng.standard_normal((12, 6, 3)), "labels": ["a", "b"] * 6} | changes
    np.savez(MINE, **arrays)  # type: ignore[arg-type]


def outputs() -> list[str]:
    return sorted(path.name for path in Path("data").iterdir() if path.is_file() or path.suffix == ".part")


def test_the_default_source_is_synthetic_and_repeats_bit_for_bit(make_params: MakeParams) -> None:
    params = make_params("synthetic", synthesis={"per_class": 6})
    said = run("trajectories", params)
    assert "24 trajectories of 4 classes (linear 6, circular 6, helical 6, parabolic 6)" in said
    assert "3-D, 3" in said
    assert "warning" not in said
    assert paths.QUARANTINE.read_text() == HEADER
    first = files.sha256(paths.TRAJECTORIES)
    run("trajectories", params)
    assert files.sha256(paths.TRAJECTORIES) == first
    made = read_trajectories(paths.TRAJECTORIES)
    assert made.classes == ["linear", "circular", "helical", "parabolic"]
    assert made.source == "synthetic"
    assert made.groups == made.item_ids
    assert set(made.splits) == {""}
    assert {path.shape[1] for path in made.points} == {3}


def test_a_users_file_of_ragged_paths(make_params: MakeParams) -> None:
    ragged = np.empty(8, dtype=object)
    for index in range(8):
        ragged[index] = np.random.default_rng(index).standard_normal((3 + index, 3))
    own_file(trajectories=ragged, labels=["up", "down"] * 4, groups=list("aabbccdd"))
    own_card(y_axis="down")
    said = run("trajectories", make_params("mine"))
    assert said.splitlines() == [
        "mine: 8 trajectories of 2 classes (down 4, up 4)",
        "3-D, 3 to 10 points each, y points down, 4 groups",
    ]
    made = read_trajectories(paths.TRAJECTORIES)
    assert [len(path) for path in made.points] == list(range(3, 11))
    assert made.y_axis == "down"


@pytest.mark.skipif(not MIRROR.is_dir(), reason="the public data are not here")
@pytest.mark.parametrize(("source", "items", "aside"), [("libras", 341, 19), ("pendigits", 600, 0)])
def test_public_sets_come_through_the_mirror(
    make_params: MakeParams, monkeypatch: pytest.MonkeyPatch, source: str, items: int, aside: int
) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(MIRROR))
    said = run("trajectories", make_params(source))
    assert f"{source}: {items} trajectories" in said
    assert "published split" in said
    assert len(read_items(paths.TRAJECTORIES).item_ids) == items
    assert len(paths.QUARANTINE.read_text().splitlines()) == 1 + aside
    assert ("set aside" in said) == bool(aside)
    assert "warning" not in said  # of near copies


def test_near_copies_are_warned_of_and_stay(make_params: MakeParams) -> None:
    rng = np.random.default_rng(0)
    walks = np.cumsum(rng.standard_normal((40, 20, 2)), axis=1)
    own_file(trajectories=np.concatenate([walks, walks[:2] + 0.01]), labels=["a", "b"] * 21)
    own_card(group_duplicates=True)
    said = run("trajectories", make_params("mine"))
    assert "warning" not in said  # the path itself is the same: an exact copy, which is grouped
    assert len(set(read_items(paths.TRAJECTORIES).groups)) == 40
    near = walks[:2] + 0.01 * rng.standard_normal((2, 20, 2))
    own_file(trajectories=np.concatenate([walks, near]), labels=["a", "b"] * 21)
    said = run("trajectories", make_params("mine"))
    assert "warning: 4 items are nearly the same path as one of their class in another group" in said
    assert len(set(read_items(paths.TRAJECTORIES).groups)) == 42


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ["a"]}, "data/sources/mine/mine.npz: labels: must have one entry"),
        ({"labels": ["a"] * 12}, "source mine: items of at least 2 classes"),
        ({"trajectories": np.zeros((12, 6, 3))}, "source mine: 12 of 12 items cannot be used"),
    ],
)
def test_an_unsound_source_writes_nothing(make_params: MakeParams, changes: dict, message: str) -> None:
    own_file(**changes)
    own_card()
    with pytest.raises(UserError, match=message):
        run("trajectories", make_params("mine"))
    assert outputs() == []


def test_bad_items_are_set_aside_with_a_manifest(make_params: MakeParams) -> None:
    paths_ = np.random.default_rng(0).standard_normal((12, 6, 3))
    paths_[5, 2, 1] = np.nan
    own_file(trajectories=paths_)
    own_card()
    said = run("trajectories", make_params("mine", trajectories={"invalid": "quarantine"}))
    assert "1 items set aside, the first of them 000005: point 2 is NaN or infinite" in said
    assert paths.QUARANTINE.read_text() == HEADER + "000005,b,point 2 is NaN or infinite\n"
    assert "000005" not in read_items(paths.TRAJECTORIES).item_ids


def test_a_file_that_is_missing_or_not_the_pinned_one(make_params: MakeParams) -> None:
    own_card()
    with pytest.raises(
        UserError, match=f"{MINE}: is missing; put it there, or .* FILE --name mine --replace`"
    ):
        run("trajectories", make_params("mine"))
    MINE.with_name("mine.npz.dvc").touch()
    with pytest.raises(UserError, match=f"{MINE}: is missing; `dvc pull {MINE}.dvc` .*`dvc remote list`"):
        run("trajectories", make_params("mine"))
    own_file()
    own_card(files=[{"file": "mine.npz", "sha256": "0" * 64}])
    with pytest.raises(UserError, match=f"{MINE}: its SHA-256 is .* but the card pins 0000"):
        run("trajectories", make_params("mine"))
    own_card(files=[{"file": "mine.npz", "sha256": files.sha256(MINE)}])
    run("trajectories", make_params("mine"))


def test_an_unknown_family_is_refused_before_anything_is_written(make_params: MakeParams) -> None:
    with pytest.raises(UserError, match="no family 'spirals'; did you mean spiral"):
        run("trajectories", make_params("synthetic", synthesis={"families": ["linear", "spirals"]}))
    assert outputs() == []
