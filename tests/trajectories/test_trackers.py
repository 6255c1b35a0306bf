"""The output of every tracker, written in its own layout from known paths, reads back to those paths, with the times
that they were given (oracle: the paths before they were written, also by hand in `test_the_published_layouts`)."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import made_trackers as made
from trajprobe.artifacts.source_card import CARDS, FileCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.sources.item_files import pack
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.sources.trackers.recognition import recognise_tracker

WALKS = {str(track): made.walk(5 + track, seed=track) for track in (0, 7, 12)}


def read(path: Path, form: str | None = None, **rules: Any) -> Parsed:
    """The items of a file, or of a folder, in the format that is recognised, with labels from a table."""
    if path.is_dir():
        pack(path, path.with_suffix(".zip"))
        path = path.with_suffix(".zip")
    found, keys = recognise_tracker(path)
    assert found or form, "not recognised"
    base: dict[str, Any] = {"name": "mine", "summary": "s", "format": form or found, "files": [{"file": "a"}]}
    files = [path]
    if not {"label_from", "own_labels"} & rules.keys():
        table = path.with_name("labels.npy")
        base["label_file"] = {"file": "b"}
        count = rules.pop("count", 3)
        np.save(table, np.array(["u", "v", "w", "x", "y", "z"][:count]))
        files.append(table)
    rules.pop("own_labels", None)
    card = validate(CARDS[base["format"]], base | keys | rules, "card")
    assert isinstance(card, FileCard)
    return read_source(card, files)[0]


def check(parsed: Parsed, paths: Any, step: float, ids: list[str] | None = None) -> None:
    if ids is not None:
        assert parsed.item_ids == ids
    assert len(parsed.points) == len(paths)
    for own, clock, path in zip(parsed.points, parsed.times, paths, strict=True):
        np.testing.assert_allclose(own, path - path[0], atol=1e-3)
        np.testing.assert_allclose(clock, np.arange(len(path)) * step, atol=1e-9)


def refused(message: str, path: Path, *arguments: Any, **rules: Any) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(path, *arguments, **rules)
    assert "\n" not in str(error.value)


# TrackMate


def test_spots_of_trackmate(tmp_path: Path) -> None:
    parsed = read(made.spots(tmp_path / "spots.csv", WALKS, stray=4))
    check(parsed, WALKS.values(), 0.5, list(WALKS))
    for note in (
        "coordinates: in micron",
        "coordinates: 2-D, as z never changes",
        "time: POSITION_T, in sec",
        "tracks: 4 spots that are in no track are left out",
    ):
        assert note in parsed.notes


@pytest.mark.parametrize(
    ("unit", "rules", "step", "note"),
    [
        ("min", {}, 30.0, "time: POSITION_T, in min"),
        ("msec", {}, 0.0005, "time: POSITION_T, in msec"),
        ("frame", {}, 1.0, "time: frames, taken as 1 s apart (--time-unit 30fps says"),
        ("frame", {"time_unit": "20fps"}, 0.05, "time: frames, 20 in a second"),
        ("sec", {"time_unit": "frames", "time_step": 0.2}, 0.2, "time: frames, taken as 0.2 s apart"),
        ("sec", {"time_unit": "h"}, 1800.0, "time: POSITION_T, in h"),
        ("Sekunden", {}, 0.5, "time: POSITION_T, in Sekunden, taken as seconds (--time-unit"),
    ],
)
def test_units_of_trackmate(unit: str, rules: dict, step: float, note: str, tmp_path: Path) -> None:
    parsed = read(made.spots(tmp_path / "spots.csv", WALKS, time=unit), **rules)
    check(parsed, WALKS.values(), step)
    assert any(own.startswith(note) for own in parsed.notes), parsed.notes


def test_spots_in_three_dimensions_and_in_one_header_row(tmp_path: Path) -> None:
    deep = {track: made.walk(6, 3, seed=int(track)) for track in WALKS}
    path = made.spots(tmp_path / "spots.csv", deep)
    check(read(path), deep.values(), 0.5, list(deep))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([f",{lines[0]}", *(f"{n},{line}" for n, line in enumerate(lines[4:]))]))
    parsed = read(path)
    check(parsed, deep.values(), 0.5, list(deep))
    assert "coordinates: in units that the file does not name" in parsed.notes


def test_a_track_that_splits_is_named(tmp_path: Path) -> None:
    path = made.spots(tmp_path / "spots.csv", WALKS)
    with path.open("a") as file:
        file.write("ID99,99,7,8.1,1.0,2.0,0.0,1.0,2,5.0,1,\n")
    assert read(path).defects == {
        1: "a track with several spots at one time, as one that splits or merges has"
    }


def test_tracks_xml_of_trackmate(tmp_path: Path) -> None:
    parsed = read(made.tracks_xml(tmp_path / "tracks.xml", list(WALKS.values()), 0.25))
    check(parsed, WALKS.values(), 0.25, ["0", "1", "2"])
    assert "time: frames, 4 in a second by the file" in parsed.notes
    check(read(tmp_path / "tracks.xml", time_unit="10fps"), WALKS.values(), 0.1)
    check(read(made.tracks_xml(tmp_path / "tracks.xml", list(WALKS.values()), 1, "frame")), WALKS.values(), 1)


def test_each_mistake_in_trackmate_is_one_clear_line(tmp_path: Path) -> None:
    path = made.spots(tmp_path / "spots.csv", {"": made.walk(4)})
    refused("none of its 4 spots is in a track", path)
    path.write_text(path.read_text().replace("TRACK_ID", "TRACK"))
    refused("has no column TRACK_ID", path, "trackmate")
    path.write_text(made.SPOTS)
    refused("has no rows", path)
    made.spots(path, WALKS)
    path.write_text(path.read_text().replace(",8.1,", ",8.1,x"))
    refused("POSITION_X must contain numbers", path)
    xml = tmp_path / "a.xml"
    for text, message in (
        (
            "<TrackMate version='7'><Model/></TrackMate>",
            "is an XML file of <TrackMate>, .*`Export tracks to XML",
        ),
        ("<Tracks nTracks='0' frameInterval='1'></Tracks>", "has no tracks"),
        (
            "<Tracks nTracks='1'><particle><detection t='0'/></particle></Tracks>",
            "cannot be read as TrackMate's XML",
        ),
        ("<!DOCTYPE t [<!ENTITY a 'b'>]><Tracks/>", "it declares a document type"),
        ("<Tracks", "cannot be read as TrackMate's XML"),
    ):
        xml.write_text(text)
        refused(message, xml)


# DeepLabCut


def test_the_keypoint_of_a_folder_of_videos(tmp_path: Path) -> None:
    for name, path in WALKS.items():
        made.poses(
            tmp_path / "in" / f"mouse{name}{made.SCORER}.csv", {"": {"nose": path, "tail": path[::-1]}}
        )
    refused(
        r"tracks 2 keypoints \(nose, tail\); choose one by --keypoint nose, .* --keypoint mean",
        tmp_path / "in",
    )
    refused("has no keypoint 'nos' .* did you mean nose", tmp_path / "in", keypoint="nos")
    parsed = read(tmp_path / "in", keypoint="tail", time_unit="25fps")
    order = ["0", "12", "7"]
    check(parsed, [WALKS[name][::-1] for name in order], 0.04, [f"mouse{name}" for name in order])
    assert "keypoint: tail" in parsed.notes
    mean = read(tmp_path / "in", keypoint="mean")
    check(mean, [(WALKS[name] + WALKS[name][::-1]) / 2 for name in order], 1.0)


def test_animals_in_one_video_and_what_is_unlikely(tmp_path: Path) -> None:
    path = made.walk(8)
    unsure = np.array([0.1, 0.9, 0.9, 0.59, 0.6, 0.9, 0.9, 0.2])
    file = made.poses(
        tmp_path / "a.csv",
        {"female": {"nose": path}, "male": {"nose": path * 2}, "single": {"corner": path}},
        {"nose": unsure},
    )
    parsed = read(file, keypoint="nose", gaps="interpolate", count=2)
    assert parsed.item_ids == ["female", "male"]
    middle = path[1:7].copy()
    middle[2] = (path[2] + path[4]) / 2
    check(parsed, [middle, middle * 2], 1.0)
    for note in (
        "likelihood: 6 points below 0.6 are taken as missing, the default (--likelihood)",
        "tracks: 1 animals without this keypoint are left out",
    ):
        assert note in parsed.notes
    whole = read(file, keypoint="nose", likelihood=0, count=2)
    check(whole, [path, path * 2], 1.0)
    assert (
        "likelihood: 4 points below 0.5 are taken as missing"
        in read(file, keypoint="nose", likelihood=0.5, count=2).notes
    )


def test_the_mean_takes_the_keypoints_that_are_present(tmp_path: Path) -> None:
    nose, tail = made.walk(6), made.walk(6, seed=1)
    gap = nose.copy()
    gap[3] = np.nan
    parsed = read(
        made.poses(tmp_path / "a.csv", {"m": {"nose": gap, "tail": tail}}), keypoint="mean", count=1
    )
    mean = (nose + tail) / 2
    mean[3] = tail[3]
    check(parsed, [mean], 1.0)


def test_triangulated_keypoints_have_three_coordinates(tmp_path: Path) -> None:
    path = made.walk(5, 3)
    rows = [f"{frame},{x},{y},{z}" for frame, (x, y, z) in enumerate(path.tolist())]
    head = ["scorer,DLC_3D,DLC_3D,DLC_3D", "bodyparts,nose,nose,nose", "coords,x,y,z"]
    (tmp_path / "a.csv").write_text("\n".join([*head, *rows, ""]))
    parsed = read(tmp_path / "a.csv", count=1)
    check(parsed, [path], 1.0)
    assert "coordinates: in the units of the calibration" in parsed.notes


def test_each_mistake_in_deeplabcut_is_one_clear_line(tmp_path: Path) -> None:
    path = made.poses(tmp_path / "a.csv", {"m": {"nose": made.walk(4)}})
    text = path.read_text()
    for changed, message in (
        (text.replace("m,m,m", "m,m"), "must begin with the header rows of DeepLabCut"),
        (text.replace("coords,x,y", "coords,x,z"), "nose must have columns x and y"),
        (text.replace("\n0,", "\nlabeled-data/img0.png,"), "the first column must contain numbers"),
        (text.replace("\n0,", "\n,"), "must number the frames, and has empty cells"),
        ("\n".join(text.splitlines()[:4]), "has no rows"),
        (text + "4,1\n", "cannot be read as a table"),
    ):
        path.write_text(changed)
        refused(message, path, count=1)
    path.write_text(text)
    refused("counts frames; --time-unit must be frames or a rate such as 30fps, got ms", path, time_unit="ms")


# SLEAP


def test_the_analysis_file_of_sleap(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    tracks = {f"track_{name}": {"head": path, "thorax": path + 5} for name, path in WALKS.items()}
    tracks["ghost"] = {"head": np.full((9, 2), np.nan), "thorax": np.full((9, 2), np.nan)}
    path = made.analysis_h5(tmp_path / "a.analysis.h5", tracks)
    parsed = read(path, keypoint="head", time_unit="50fps")
    check(parsed, WALKS.values(), 0.02, [f"track_{name}" for name in WALKS])
    assert "tracks: 1 of fewer than two points are left out" in parsed.notes
    assert not any(note.startswith("likelihood") for note in parsed.notes)
    with pytest.raises(UserError, match="has no track of two points or more"):
        read(path, keypoint="head", likelihood=0.95)
    one = made.analysis_h5(tmp_path / "b.h5", {"": {"head": made.walk(5)}})
    check(read(one, count=1), [made.walk(5)], 1.0, ["000000"])
    refused(r"tracks 2 keypoints \(head, thorax\)", path)


def test_hdf5_files_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused("need the package h5py; install it by `pip install -c constraints.txt h5py`", tmp_path / "a.h5")


def test_hdf5_files_that_are_not_to_be_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    for names, message in (
        ({"df_with_missing/table": 1}, "is DeepLabCut's .h5, .* import the .csv of the same name"),
        ({"other": 1}, "is neither SLEAP's analysis file .* found other"),
        ({"tracks": np.zeros((1, 3, 1, 4)), "node_names": [b"a"]}, r"must have the shape \(tracks, 2, 1 nodes"),
        ({"tracks": np.zeros((1, 2, 1, 4)), "node_names": [b"a"], "track_names": [b"a", b"b"]}, "1 different names"),
        ({"tracks": np.zeros((1, 2, 1, 4)), "node_names": [b"a"], "point_scores": np.zeros(3)}, "point_scores: must"),
        ({"tracks": [b"a"], "node_names": [b"a"]}, "required numbers"),
        ({"trajectories": np.zeros((4, 2))}, r"must be numbers of shape \(frames, animals, 2\)"),
    ):  # fmt: skip
        with h5py.File(path, "w") as file:
            for name, value in names.items():
                file[name] = value
        refused(message, path)
    with h5py.File(path, "w") as file:
        file["node_names"] = [b"a"]
        file["tracks"] = h5py.ExternalLink("/etc/passwd", "tracks")
    refused("needs a data set 'tracks'", path)
    (tmp_path / "raw").write_bytes(b"\0" * 64)
    with h5py.File(path, "w") as file:
        file["node_names"] = [b"a"]
        file.create_dataset("tracks", (1, 2, 1, 4), "f8", external=[(str(tmp_path / "raw"), 0, 64)])
    refused("refers to other files", path)
    with h5py.File(path, "w") as file:
        file["node_names"] = [b"a"]
        file.create_dataset("tracks", (10**6, 2, 1, 10**6), "f8", chunks=True)
    refused("unpacks to .* bytes; refused", path)
    path.write_bytes(path.read_bytes()[:100])
    refused("cannot be read as HDF5", path)


# MOTChallenge


def test_boxes_of_motchallenge(tmp_path: Path) -> None:
    parsed = read(made.boxes(tmp_path / "results.txt", WALKS))
    check(parsed, WALKS.values(), 1.0, list(WALKS))
    assert "coordinates: the centre of each box, in pixels" in parsed.notes
    check(read(made.boxes(tmp_path / "gt.txt", WALKS), time_unit="10fps"), WALKS.values(), 0.1)
    world = read(made.boxes(tmp_path / "gt.txt", WALKS, ",1,3.5,2,0"))
    assert "coordinates: those in the world, x, y, z, are not used" in world.notes


def test_ground_truth_with_classes_and_flags(tmp_path: Path) -> None:
    path = made.boxes(tmp_path / "gt.txt", WALKS, ",1,1,0.9")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.replace(",1,1,0.9", ",1,3,0.9") if line.split(",")[1] == "7" else line
                              for line in lines) + "\n9,5,1,1,4,4,0,8,1\n10,5,1,1,4,4,0,8,1\n")  # fmt: skip
    parsed = read(path, own_labels=True)
    check(parsed, WALKS.values(), 1.0, list(WALKS))
    assert parsed.labels == ["1", "3", "1"]
    assert "tracks: 2 boxes that are flagged to be ignored are left out" in parsed.notes
    assert "labels: the class of each track in the file" in parsed.notes


def test_the_rate_is_beside_the_ground_truth(tmp_path: Path) -> None:
    info = "[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate={}\nseqLength=9\nimWidth=1920\nimHeight=1080\nimExt=.jpg\n"
    for name, rate in (("A", 25), ("B", 50)):
        made.boxes(tmp_path / "train" / name / "gt/gt.txt", {"1": WALKS["7"]}, ",1,1,0.9")
        made.boxes(tmp_path / "train" / name / "det/det.txt", {"-1": WALKS["7"]}, ",1,-1,-1,-1")
        (tmp_path / "train" / name / "seqinfo.ini").write_text(info.format(rate))
    assert recognise_tracker(tmp_path / "train/A/gt/gt.txt") == ("mot", {"time_unit": "25fps"})
    parsed = read(tmp_path / "train", count=2)
    assert parsed.item_ids == ["A/1", "B/1"]
    np.testing.assert_allclose(parsed.times[0], np.arange(12) / 25)
    np.testing.assert_allclose(parsed.times[1], np.arange(12) / 50)
    refused("detections that are in no track", tmp_path / "train/A/det/det.txt")
    (tmp_path / "train/A/seqinfo.ini").write_text("[Sequence]\nframeRate=fast\n")
    refused("must have a number frameRate under", tmp_path / "train/A/gt/gt.txt")
    refused("seqinfo.ini: must have a number frameRate", tmp_path / "train")


def test_each_mistake_in_motchallenge_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    for text, message in (
        ("1,2,3\n", "line 1: has 3 numbers; required 7, 9 or 10"),
        ("1,2,3,4,5,6,1\n\n1,2,3,4,5,6,1,2,3\n", "line 3: has 9 numbers"),
        ("1,2,3,4,5,x,1\n", "line 1: could not convert"),
        ("\n", "has no rows"),
    ):
        path.write_text(text)
        refused(message, path, "mot")
    # Nine whole numbers can also be a path of four points and a label, so that nothing is guessed.
    (tmp_path / "a.txt").write_text("1,1,5,5,9,9,1,1,1\n")
    assert recognise_tracker(tmp_path / "a.txt") == ("", {})


# idtracker.ai


@pytest.mark.parametrize("kind", ["npy", "h5", "csv"])
def test_the_sessions_of_idtrackerai(kind: str, tmp_path: Path) -> None:
    if kind == "h5":
        pytest.importorskip("h5py")
    points = np.stack([made.walk(9, seed=seed) for seed in range(3)], axis=1)
    points[7:, 2] = np.nan
    paths = [points[:, 0], points[:, 1], points[:7, 2]]
    check(read(made.session(kind, tmp_path, points)), paths, 0.04, ["1", "2", "3"])
    if kind != "csv":
        named = made.session(kind, tmp_path, points, labels=["Ada", "Bob", "Cy"])
        parsed = read(named)
        check(parsed, paths, 0.04, ["Ada", "Bob", "Cy"])
        assert "time: frames, 25 in a second by the file" in parsed.notes
        check(read(named, time_unit="50fps"), paths, 0.02)
    for name in ("one", "two"):
        made.session(kind, tmp_path / "all" / name, points[:, :1], rate=10)
    (tmp_path / "all/one/attributes.json").unlink(missing_ok=True)
    (tmp_path / "all/two/attributes.json").unlink(missing_ok=True)
    check(read(tmp_path / "all", count=2), paths[:1] * 2, 0.1, ["one/1", "two/1"])


def test_an_old_table_of_idtrackerai_has_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x1,y1,x2,y2\n0,0,5,5\n1,2,nan,nan\n2,3,7,9\n")
    parsed = read(path, count=2, gaps="interpolate", time_unit="2fps")
    check(parsed, [np.array([[0, 0], [1, 2], [2, 3]]), np.array([[5, 5], [6, 7], [7, 9]])], 0.5, ["1", "2"])
    path.write_text("time,x1,y1\n0,0,x\n")
    refused("must contain numbers", path)
    path.write_text("time,x1,y1,speed\n0,0,1,2\n")
    refused("must have the columns time, x1, y1", path, "idtrackerai")
    path.write_text("time,x1,y1\n0,1,1\n1000,1,2\n")
    assert read(path, count=1, time_unit="ms").times[0].tolist() == [0, 1]


def test_a_pickle_that_is_more_than_data_is_refused(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "executed",))

    points = np.zeros((4, 2, 2))
    for record, message in (
        ({"trajectories": points, "video_path": Attack()}, "refused: it asks for .*; import the .h5 or .csv"),
        ({"video_paths": [Path("a")], "trajectories": points}, "refused: it asks for pathlib"),
        ({"areas": points}, "needs `trajectories` in its dictionary; found areas"),
        ({"trajectories": "none"}, "needs `trajectories`"),
        ({"trajectories": points[0]}, r"must be numbers of shape \(frames, animals, 2\), got float64"),
    ):  # fmt: skip
        np.save(tmp_path / "a.npy", record)  # type: ignore[arg-type]
        refused(message, tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.array({1, 2}))
    refused("refused", tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", points)
    refused("it is float64 of shape", tmp_path / "a.npy", "idtrackerai")
    assert not (tmp_path / "executed").exists()


# trackpy, and tables of idtracker.ai in Parquet


def test_tables_of_trackpy_are_long_tables(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(y, x, 7.0, frame, int(track)) for track, path in WALKS.items()
            for frame, (x, y) in enumerate(path.tolist())]  # fmt: skip
    rows.sort(key=lambda row: row[3])
    lines = [f"{n},{y},{x},{mass},3.1,{frame},{track}.0" for n, (y, x, mass, frame, track) in enumerate(rows)]
    (tmp_path / "t.csv").write_text("\n".join([",y,x,mass,size,frame,particle", *lines, ""]))
    form, keys = recognise_tracker(tmp_path / "t.csv")
    assert (form, keys["y_axis"], keys["columns"]) == ("long", "down", {"id": "particle", "t": "frame"})
    check(read(tmp_path / "t.csv"), WALKS.values(), 1.0, ["0.0", "7.0", "12.0"])
    columns = dict(zip(("y", "x", "mass", "frame", "particle"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    parsed = read(tmp_path / "t.parquet", time_unit="4fps")
    check(parsed, WALKS.values(), 0.25, list(WALKS))
    columns = {
        "individual": columns["particle"],
        "frame": columns["frame"],
        "x": columns["x"],
        "y": columns["y"],
    }
    clock = [frame / 5 for frame in columns["frame"]]
    pq.write_table(pa.table(columns | {"time": clock, "probability": clock}), tmp_path / "i.parquet")
    check(read(tmp_path / "i.parquet"), WALKS.values(), 0.2, list(WALKS))
    (tmp_path / "bad.parquet").write_bytes(b"no")
    refused("cannot be read as a table", tmp_path / "bad.parquet")


# What all have in common


def test_labels_come_from_folders_names_or_a_table(tmp_path: Path) -> None:
    for number, name in enumerate(("walk", "run", "walk", "run")):
        path = tmp_path / "in" / name / f"m{number}_{name}{made.SCORER}.csv"
        made.poses(path, {"": {"nose": made.walk(5, seed=number)}})
    parsed = read(tmp_path / "in", own_labels=True)
    assert dict(zip(parsed.item_ids, parsed.labels, strict=True)) == {
        "run/m1_run": "run", "run/m3_run": "run", "walk/m0_walk": "walk", "walk/m2_walk": "walk",
    }  # fmt: skip
    assert read(tmp_path / "in", label_from=r"name:m\d+_([a-z]+)").labels == parsed.labels
    refused(
        "its tracks have no labels; give a table .* --labels FILE",
        tmp_path / "in/walk",
        own_labels=True,
    )
    with pytest.raises(UserError, match="required a label_from of folder or name:'REGEX'"):
        read(tmp_path / "in", label_from="key:class")
    path = made.spots(tmp_path / "s.csv", WALKS)
    refused(r"columns id and label \(ids are 0, 7, 12", path, own_labels=True)


def test_a_folder_of_videos_beside_their_tables(tmp_path: Path) -> None:
    """As DeepLabCut leaves it: the video, its table, and other files that are not read."""
    import zipfile

    for name, path in WALKS.items():
        made.poses(tmp_path / "in" / f"m{name}{made.SCORER}.csv", {"": {"nose": path}})
        for ending in (".mp4", f"{made.SCORER}.h5", f"{made.SCORER}_meta.pickle"):
            (tmp_path / "in" / f"m{name}{ending}").write_bytes(b"not read")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (tmp_path / "in").iterdir():
            archive.write(path, path.name)
        archive.writestr("notes.json", "{}")
    assert recognise_tracker(tmp_path / "all.zip") == ("deeplabcut", {})
    (tmp_path / "in" / "m0.mp4").unlink()
    parsed = read(tmp_path / "in")
    assert parsed.item_ids == ["m0", "m12", "m7"]


def test_a_broken_archive_and_what_no_tracker_wrote(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK broken")
    refused("cannot be read as .zip", tmp_path / "a.zip", "sleap")
    for name, data in (
        ("a.bin", b"\x00\x01"),
        ("a.csv", b""),
        ("b.csv", b"id,t,x,y\n1,2,3,4\n"),
        ("a.html", b"<html>"),
    ):
        (tmp_path / name).write_bytes(data)
        assert recognise_tracker(tmp_path / name) == ("", {})
    (tmp_path / "d.csv").write_bytes(b"\0\0")
    refused("cannot be read as text", tmp_path / "d.csv", "trackmate")
