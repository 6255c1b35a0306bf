"""What an import says and keeps: every assumption is a line, what a later stage would refuse is said with a remedy that
works, and the card holds the options, so that --replace needs none of them again."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from running import run
from trajprobe.artifacts.trajectories import read_trajectories
from trajprobe.commands import importing
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.params import load_params
from trajprobe.probe.folds import make_folds

ROOT = Path(__file__).resolve().parents[2]
MIRROR = ROOT.parent / "shared" / "mirror"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, and a `dvc add` that only writes pointers."""
    folder = tmp_path / "project"
    (folder / "models/placeholder").mkdir(parents=True)
    (folder / "models/placeholder/card.yaml").write_text("name: placeholder\n")
    shutil.copytree(ROOT / "data/sources/synthetic", folder / "data/sources/synthetic")
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"encoders": ["placeholder"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(folder)

    def add(raw: list[Path], outcome: str) -> None:
        for path in raw:
            path.with_name(f"{path.name}.dvc").touch()

    monkeypatch.setattr(importing, "dvc_add", add)
    return tmp_path


def table(path: Path, labels: str, head: str = "id,Frame,x,y,label", points: int = 4) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        f"{item},{t},{rng.random()},{rng.random()},{label}"
        for item, label in enumerate(labels)
        for t in range(points)
    ]
    path.write_text("\n".join([head, *rows, ""]))
    return path


def card() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(paths.source_card("mine").read_text())
    return content


def made() -> Any:
    run("trajectories", load_params().model_copy(update={"source": "mine"}))
    return read_trajectories(paths.TRAJECTORIES)


def test_every_assumption_is_a_line(project: Path) -> None:
    said = importing.run(table(project / "a.csv", "ab" * 6), "mine").splitlines()
    assert said[:7] == [
        "mine: 12 trajectories of 2 classes (a 6, b 6)",
        "2-D, 4 points each, y points up",
        "columns: t is Frame",
        "time: column 'Frame', numbers, taken as seconds (--time-unit ms, frames, 30fps, ... if they are others)",
        "spacing: 1 s between points; paths last 3 s",
        "axes: x to the right, y up, assumed (--y-axis down if these are image coordinates)",
        "groups: every item by itself; name a group if items belong together, as of a subject or a video",
    ]
    assert not any(line.startswith("warning") for line in said)


def test_uneven_times_axes_and_groups_are_described(project: Path) -> None:
    rng = np.random.default_rng(0)
    path = project / "a.npz"
    times = np.tile([0, 1, 2, 4, 4.5], (12, 1))
    times[0] = range(5)
    arrays = {
        "positions": rng.random((12, 5, 3)),
        "y": [0, 1] * 6,
        "times": times,
        "groups": [*range(11), 10],
    }
    np.savez(path, **arrays)  # type: ignore[arg-type]
    said = importing.run(path, "mine", up="y", time_unit="ms")
    for line in (
        "spacing: 0.0005 to 0.002 s between points, median 0.001, uneven within 11 items; paths last 0.004 to 0.0045 s",
        "axes: y points up in the file; rotated so that z does",
        "axes: z up after the rotation",
        "groups: 11 of 12 items; items of a group, and exact copies, stay on one side of every split",
        "arrays: points is positions; labels is y",
        "time: array 'times', numbers in ms",
    ):
        assert f"\n{line}\n" in said
    assert "axes: z up, assumed (--up y if y points up)" in importing.run(path, "mine2")
    assert "\naxes: z up\n" in importing.run(path, "mine2", up="z", replace=True)
    said = importing.run(table(project / "a.csv", "ab" * 6), "mine3", y_axis="down")
    assert "axes: x to the right, y down\n" in said


def test_missing_labels_are_counted_and_dropped_if_asked(project: Path) -> None:
    path = table(project / "a.csv", "ababababab??")
    with pytest.raises(UserError, match=r"2 of 12 items cannot be used .*without a label by --drop-unl"):
        importing.run(path, "mine")
    said = importing.run(path, "mine", unlabelled="drop")
    assert "mine: 10 trajectories of 2 classes (a 5, b 5)" in said
    assert "2 items set aside (2 no label), the first of them 10: no label" in said
    assert card()["unlabelled"] == "drop"
    assert len(made().item_ids) == 10
    assert paths.QUARANTINE.read_text() == "item_id,label,reason\n10,,no label\n11,,no label\n"


def test_a_class_too_small_for_the_folds_is_foreseen_and_every_remedy_works(project: Path) -> None:
    path = table(project / "a.csv", "aaaaaabbbbbbcccc")
    said = importing.run(path, "mine")
    (warning,) = (line for line in said.splitlines() if line.startswith("warning"))
    assert "`probe` will refuse this set: class 'c' has 4 independent groups of items; 5 folds" in warning
    assert "or add `-S probe.folds=4` below" in warning
    assert warning.endswith("or import again with `--replace --min-per-class 5`")

    def folds(count: int) -> int:
        items, probe = made(), load_params().probe
        y = np.array([items.classes.index(label) for label in items.labels])
        rest = {"split": "auto", "repeats": 1, "inner_folds": probe.inner_folds, "seed": 0}
        return len(make_folds(y, items.groups, items.splits, items.classes, folds=count, **rest))

    with pytest.raises(UserError):
        folds(5)
    assert folds(4) == 4
    said = importing.run(path, "mine", replace=True, min_per_class=5)
    assert "mine: 12 trajectories of 2 classes (a 6, b 6)" in said
    assert "4 items set aside" in said
    assert "of class 'c', which has 4 groups of items and needs 5 (min_per_class of the card)" in said
    assert "warning" not in said
    assert folds(5) == 5


def test_groups_count_not_items(project: Path) -> None:
    rng = np.random.default_rng(0)
    groups = [*range(8), *(f"g{i % 3}" for i in range(8))]
    np.savez(project / "a.npz", X=rng.random((16, 5, 2)), y=["a"] * 8 + ["b"] * 8, groups=groups)
    assert "class 'b' has 3 independent groups" in importing.run(project / "a.npz", "mine")
    with pytest.raises(
        UserError, match="at least 2 classes are required, got only 'a' after 8 were set aside"
    ):
        importing.run(project / "a.npz", "other", min_per_class=4)


def test_a_view_and_a_split_that_do_not_fit_are_foreseen(project: Path) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["render"]["view"] = "xz"
    Path("params.yaml").write_text(yaml.safe_dump(content))
    train = table(project / "train.csv", "aaaaaab")
    test = table(project / "test.csv", "abbb", points=3)
    said = importing.run(train, "mine", test=test)
    assert (
        "warning: `render` will refuse 2-D paths with render.view xz; add `-S render.view=xy` below" in said
    )
    (warning,) = (line for line in said.splitlines() if line.startswith("warning: `probe`"))
    assert "class 'b' has 1 independent groups" in warning
    assert "-S probe.folds" not in warning  # a published split has no folds to lower


def test_the_card_keeps_the_options(project: Path) -> None:
    tracks = [(v, i) for v in "uv" for i in range(6)]
    rows = [
        f"{v};{i};{t};{i * t * t};{t + ord(v) * t * i};{'ab'[i % 2]}" for v, i in tracks for t in (0, 40, 80)
    ]
    (project / "a.csv").write_text("\n".join(["video;track;ms;x;y;kind", *rows, ""]))
    options = {
        "columns": {"id": ["video", "track"], "t": "ms", "label": "kind"},
        "time_unit": "ms",
        "gaps": "interpolate:2",
        "zeros": "keep",
        "y_axis": "down",
        "group_duplicates": True,
    }
    importing.run(project / "a.csv", "mine", **options)
    assert {key: card()[key] for key in options} == options
    first = made()
    assert first.item_ids[0] == "u/0"
    np.testing.assert_allclose(first.times[0], [0, 0.04, 0.08])
    said = importing.run(project / "a.csv", "mine", replace=True)
    assert "time_unit: ms kept from the card" in said
    assert made().digest == first.digest
    importing.run(project / "a.csv", "mine", replace=True, time_unit="s", columns={"label": "kind"})
    assert card()["columns"]["t"] == "ms"
    assert made().times[0][1] == 40


def test_a_time_column_that_is_named_later_counts(project: Path) -> None:
    path = table(project / "a.csv", "ab" * 6, head="id,step,x,y,label")
    importing.run(path, "mine", no_time=True, time_step=0.5)
    assert made().times[0][1] == 0.5
    importing.run(path, "mine", replace=True)
    assert card()["no_time"]
    importing.run(path, "mine", replace=True, columns={"t": "step"})
    assert "no_time" not in card()
    assert made().times[0][1] == 1


def test_an_option_of_another_format_is_refused(project: Path) -> None:
    path = table(project / "a.csv", "ab" * 6)
    for option, name in (
        ({"arrays": {"points": "X"}}, "--array"),
        ({"label_from": "folder"}, "--label-from"),
    ):
        with pytest.raises(UserError, match=f"{name} is not an option for files of the format long"):
            importing.run(path, "mine", **option)
    with pytest.raises(
        UserError, match="--format: required one of files, long, npz, rows, ts, videos, got 'excel'"
    ):
        importing.run(path, "mine", format="excel")
    with pytest.raises(UserError, match="gaps: required text like"):
        importing.run(path, "mine", gaps="fill")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_folder_of_files_becomes_one_archive(kind: str, project: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(24):
        name, points = "abcd"[index % 4], rng.random((5, 3))
        path = project / "items" / (f"{index}.json" if kind == "json" else f"{name}/{index}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{t},{x},{y},{z}" for t, (x, y, z) in enumerate(points)]
        content = {"class": name, "positions": points.tolist()}
        path.write_text(json.dumps(content) if kind == "json" else "\n".join(["time,x,y,z", *rows]))
    said = importing.run(project / "items", "mine")
    assert "mine: 24 trajectories of 4 classes (a 6, b 6, c 6, d 6)" in said
    assert card()["files"] == [{"file": "mine.zip"}]
    assert card()["summary"] == "imported from items.zip"
    assert made().points[0].shape == (5, 3)
    if kind == "json":
        with pytest.raises(UserError, match="needs a key 'color'"):
            importing.run(project / "items", "mine", replace=True, label_from="key:color")


def test_labels_of_a_second_file_stay_with_the_source(project: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(project / "tracks.npy", rng.random((12, 5, 2)))
    labels = [f"{i:06d},{'uv'[i % 2]},s{i // 2}" for i in range(12)]
    (project / "who.csv").write_text("\n".join(["id,label,group", *labels, ""]))
    said = importing.run(project / "tracks.npy", "mine", labels=project / "who.csv")
    assert "labels: from who.csv" in said
    assert card()["label_file"] == {"file": "mine_labels.csv"}
    assert (paths.source("mine") / ".gitignore").read_text() == "/mine.npy\n/mine_labels.csv\n"
    first = made()
    assert len(set(first.groups)) == 6
    importing.run(project / "tracks.npy", "mine", replace=True)  # the labels need not be given again
    assert made().digest == first.digest
    with pytest.raises(UserError, match=r"none.csv: there is no such file"):
        importing.run(project / "tracks.npy", "mine", replace=True, labels=project / "none.csv")


def test_labels_may_lie_in_the_folder_of_files(project: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(12):
        path = project / f"items/{index % 3}/p{index}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "\n".join(["t,x,y", *(f"{t},{x},{y}" for t, (x, y) in enumerate(rng.random((4, 2))))])
        )
    rows = [f"p{index}.csv,{'uv'[index % 2]}" for index in range(12)]
    (project / "items/labels.csv").write_text("\n".join(["id,label", *rows]))
    importing.run(project / "items", "mine", labels=project / "items/labels.csv")
    items = made()
    assert items.item_ids[:2] == ["0/p0", "0/p3"]
    assert items.labels[:2] == ["u", "v"]


def test_two_folders_of_one_name_are_train_and_test(project: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for index in range(12):
            path = project / part / f"items/{'uv'[index % 2]}/{index}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"positions": rng.random((4, 2)).tolist()}))
    said = importing.run(project / "train/items", "mine", test=project / "test/items")
    assert "published split 12 train, 12 test" in said
    assert len({path.tobytes() for path in made().points}) == 24


@pytest.mark.skipif(not MIRROR.is_dir(), reason="the public data are not here")
def test_row_tables_need_no_card_by_hand(project: Path) -> None:
    with pytest.raises(
        UserError, match="one path in each row, which can be 2-D or 3-D; say so by --dimensions 2 or"
    ):
        importing.run(MIRROR / "movement_libras.data", "mine")
    said = importing.run(MIRROR / "movement_libras.data", "mine", dimensions=[2], y_axis="down")
    assert "360 trajectories of 15 classes" in said
    rows = np.loadtxt(MIRROR / "movement_libras.data")[:, :90].reshape(-1, 45, 2)
    np.testing.assert_allclose(np.stack(made().points), rows - rows[:, :1], atol=1e-6)
    importing.run(MIRROR / "movement_libras.data", "mine", replace=True)
    assert card()["dimensions"] == 2
    said = importing.run(MIRROR / "pendigits.tra", "pen", test=MIRROR / "pendigits.tes")
    assert "pen: 10992 trajectories of 10 classes" in said
    assert "published split 7494 train, 3498 test" in said
    assert "rows: one path in each, 2-D, in the order x1 y1 x2 y2 ..., the label last" in said


def test_rows_by_option(project: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [" ".join([*(f"{x:.3f}" for x in rng.random(6)), "ab"[i % 2]]) for i in range(12)]
    (project / "a.txt").write_text("\n".join([*lines, ""]))
    said = importing.run(project / "a.txt", "mine", layout="axes", dimensions=[2])
    assert "rows: one path in each, 2-D, in the order x1 x2 ... y1 y2 ..., the label last" in said
    assert (card()["format"], card()["layout"]) == ("rows", "axes")
    importing.run(project / "a.txt", "mine", replace=True, format="rows", layout="points")
    assert card()["layout"] == "points"


def test_strokes_reach_the_clips(project: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.random((12, 7, 2))
    X[:, 3] = np.nan
    np.savez(project / "a.npz", X=X, y=["a", "b"] * 6)
    with pytest.raises(
        UserError, match=r"12 of 12 items .*; fix them, or fill or cut gaps by --gaps interpolate or"
    ):
        importing.run(project / "a.npz", "mine")
    importing.run(project / "a.npz", "mine", gaps="strokes")
    items = made()
    assert items.strokes is not None
    np.testing.assert_array_equal(items.strokes[0], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(items.times[0], [0, 1, 2, 4, 5, 6])
    drawn = load_params().model_copy(update={"source": "mine"})
    run("render", drawn)
    from trajprobe.artifacts.clips import open_clips
    from trajprobe.render.rendering import render_clip

    clips = open_clips(paths.VIDEOS)
    expected = render_clip(items.points[0], items.times[0], drawn.render, 0, items.y_axis, items.strokes[0])
    np.testing.assert_array_equal(clips[0:1][0], expected)
