"""`trajprobe import` of what trackers wrote: one command each, without --format; the card keeps every option, so that
`--replace` needs none again, and says where the rate of frames came from."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import made_trackers as made
from trajprobe.cli import app
from trajprobe.commands import importing
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TRACKS = {str(track): made.walk(6, seed=track) for track in range(12)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and a table of labels for the tracks 0 to 11."""

    def add(raw: list[Path], outcome: str) -> None:
        for path in raw:
            path.with_name(f"{path.name}.dvc").write_text(files.sha256(path))

    monkeypatch.setattr(importing, "dvc_add", add)
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    paths.source("other").mkdir(parents=True)
    rows = [f"Track_{track},{'ab'[track % 2]}" for track in range(12)]
    Path("who.csv").write_text("\n".join(["id,label", *rows, ""]))
    return tmp_path


def card() -> dict:
    return dict(yaml.safe_load(paths.source_card("mine").read_text()))


def test_spots_are_imported_by_one_command(project: Path) -> None:
    said = importing.run(made.spots(project / "s.csv", TRACKS, stray=2), "mine", labels=project / "who.csv")
    assert "mine: 12 trajectories of 2 classes (a 6, b 6)" in said
    for line in (
        "tracks: 2 spots that are in no track are left out",
        "axes: x to the right, y down as in images, assumed (--y-axis up if y points up)",
        "time: POSITION_T, in sec",
        "spacing: 0.5 s between points; paths last 2.5 s",
    ):
        assert line in said
    assert card()["format"] == "trackmate"
    assert card()["y_axis"] == "down"


def test_a_replacement_needs_no_option_again(project: Path) -> None:
    for part in ("old", "new"):
        for track, path in TRACKS.items():
            made.poses(project / part / f"{track}{made.SCORER}.csv", {"": {"nose": path, "tail": path * 3}})
    options = {"keypoint": "tail", "likelihood": 0.2, "time_unit": "25fps", "y_axis": "up", "gaps": "split"}
    first = importing.run(project / "old", "mine", labels=project / "who.csv", **options)
    assert {key: card()[key] for key in options} == options
    again = importing.run(project / "new", "mine", replace=True)
    assert {key: card()[key] for key in options} == options
    assert card()["label_file"] == {"file": "mine_labels.csv"}
    for line in ("keypoint: tail kept from the card", "likelihood: 0.2 kept from the card"):
        assert line in again
    digest = [text.split("digest of the content: ")[1].split()[0] for text in (first, again)]
    assert digest[0] == digest[1]
    changed = importing.run(project / "new", "mine", replace=True, keypoint="nose")
    assert "keypoint: tail -> nose" in changed


def test_the_rate_beside_the_boxes_is_kept_in_the_card(project: Path) -> None:
    made.boxes(project / "seq/gt/gt.txt", TRACKS)
    (project / "seq/seqinfo.ini").write_text("[Sequence]\nframeRate=30\n")
    said = importing.run(project / "seq/gt/gt.txt", "mine", labels=project / "who.csv")
    assert "time_unit: 30fps, by seqinfo.ini beside gt.txt" in said
    assert card()["time_unit"] == "30fps"
    chosen = importing.run(project / "seq/gt/gt.txt", "mine", replace=True, time_unit="60fps")
    assert "seqinfo.ini" not in chosen
    assert card()["time_unit"] == "60fps"


def test_trackpy_keeps_its_own_columns_beside_those_that_are_given(project: Path) -> None:
    lines = [f"{y},{x},{frame},{track},{'ab'[int(track) % 2]}" for track, path in TRACKS.items()
             for frame, (x, y) in enumerate(path.tolist())]  # fmt: skip
    Path("t.csv").write_text("\n".join(["y,x,frame,particle,kind", *lines, ""]))
    said = importing.run(Path("t.csv"), "mine", columns={"label": "kind"}, time_unit="20fps")
    assert "columns: id is particle; t is frame; label is kind" in said
    assert card()["columns"] == {"id": "particle", "t": "frame", "label": "kind"}
    assert (card()["y_axis"], card()["time_unit"]) == ("down", "20fps")


def test_labels_that_do_not_match_are_in_the_refusal(project: Path) -> None:
    Path("who.csv").write_text(Path("who.csv").read_text().replace("Track_3", "Track_33"))
    with pytest.raises(
        UserError, match=r"1 of 12 items .*3: no label.* as 1 of 12 ids in who.csv have no item \(Track_33\)"
    ):
        importing.run(made.spots(project / "s.csv", TRACKS), "mine", labels=project / "who.csv")
    said = importing.run(project / "s.csv", "mine", labels=project / "who.csv", unlabelled="drop")
    assert "labels: 1 of 12 items are not in who.csv (3)" in said


def test_videos_beside_their_tables_need_one_word(project: Path) -> None:
    folder = videos(project / "folder")
    (folder / "0.mp4").write_bytes(b"not read")
    with pytest.raises(UserError, match=r"contains 1 videos, and tables .* \(or, of a tracker, its name\)"):
        importing.run(folder, "mine", labels=project / "who.csv", keypoint="nose")
    said = importing.run(folder, "mine", labels=project / "who.csv", keypoint="nose", format="deeplabcut")
    assert "mine: 12 trajectories of 2 classes (a 6, b 6)" in said


def test_near_copies_are_said_at_import(project: Path) -> None:
    tracks = {
        str(track): made.walk(20, seed=track % 30) + 0.001 * made.walk(20, seed=track) for track in range(34)
    }
    Path("who.csv").write_text(
        "\n".join(["id,label", *(f"{track},{'ab'[track % 2]}" for track in range(34)), ""])
    )
    said = importing.run(made.spots(project / "s.csv", tracks), "mine", labels=project / "who.csv")
    assert "warning: 8 items are nearly the same path as one of their class in another group" in said


def test_options_of_another_format_are_refused(project: Path) -> None:
    made.spots(project / "s.csv", TRACKS)
    with pytest.raises(UserError, match="--keypoint is not an option for files of the format trackmate"):
        importing.run(project / "s.csv", "mine", keypoint="nose")
    with pytest.raises(
        UserError, match=r"time_unit: required one of s, ms, .* or a rate of more than 0 such as 30fps, got"
    ):
        importing.run(project / "s.csv", "mine", time_unit="30 fps", labels=project / "who.csv")
    with pytest.raises(
        UserError, match=r"gaps: required one of refuse, interpolate, interpolate:N .*, got 'fill'"
    ):
        importing.run(project / "s.csv", "mine", gaps="fill", labels=project / "who.csv")
    (project / "odd.h5").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"odd.h5: must be a folder of files, or one of .npz, .* --format"):
        importing.run(project / "odd.h5", "mine")


def test_a_table_whose_columns_are_named_stays_a_table(project: Path) -> None:
    made.boxes(project / "gt.txt", TRACKS, tail=",a")
    options = {"header": ["t", "id", "x", "y", "w", "h", "label"]}
    with pytest.raises(UserError, match="items of at least 2 classes are required"):
        importing.run(project / "gt.txt", "mine", **options)
    made.spots(project / "s.csv", TRACKS)
    with pytest.raises(UserError, match="needs a column 'x'"):
        importing.run(project / "s.csv", "mine", columns={"id": "TRACK_ID"})


def trackpy(path: Path) -> Path:
    rows = [
        f"{y},{x},{frame},{track}" for track, points in TRACKS.items()
        for frame, (x, y) in enumerate(points.tolist())
    ]  # fmt: skip
    path.write_text("\n".join(["y,x,frame,particle", *rows, ""]))
    return path


def ground_truth(path: Path) -> Path:
    made.boxes(path, TRACKS, ",1,1,0.9")
    lines = [
        line.replace(",1,1,0.9", f",1,{1 + int(line.split(',')[1]) % 2},0.9")
        for line in path.read_text().splitlines(True)
    ]
    path.write_text("".join(lines))
    return path


def videos(folder: Path) -> Path:
    for track, path in TRACKS.items():
        made.poses(folder / f"{track}{made.SCORER}.csv", {"": {"nose": path, "tail": path * 3}})
    return folder


FILES = {
    "spots.csv": lambda path: made.spots(path, TRACKS),
    "tracks.xml": lambda path: made.tracks_xml(path, list(TRACKS.values())),
    "folder": videos,
    "a.analysis.h5": lambda path: made.analysis_h5(path, {track: {"head": own} for track, own in TRACKS.items()}),
    "gt.txt": ground_truth,
    "trajectories.npy": lambda path: made.session(
        "npy", path.parent, np.stack(list(TRACKS.values()), axis=1), labels=list(TRACKS)
    ),
    "tracks.csv": trackpy,
}  # fmt: skip


TRACKERS = ("TrackMate", "DeepLabCut", "SLEAP", "MOTChallenge", "idtracker.ai", "trackpy")


def documented() -> dict[str, str]:
    """File -> the command for it, from the lines on trackers in the table of formats."""
    lines = (ROOT / "docs/formats.md").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith(tuple(f"| {name}" for name in TRACKERS))]
    commands = [row[2].split("`")[1] for row in rows]
    return {command.split()[1]: command for command in commands}


def test_every_documented_command_is_tried() -> None:
    assert set(documented()) == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_the_documented_command_works_as_written(file: str, project: Path) -> None:
    if file.endswith("h5"):
        pytest.importorskip("h5py")
    FILES[file](project / file)
    arguments = [*documented()[file].split(), "--name", "mine"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "mine: 12 trajectories of 2 classes" in result.output
    assert "y down as in images, assumed" in result.output
