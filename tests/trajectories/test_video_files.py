"""A folder of videos, packed: ids, labels, frames, rates and digests; a bad video is an invalid item with its reason,
and an archive that is a trap is one line."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_videos import disc_clip, write_folder, write_video
from trajprobe.artifacts.source_card import VideosCard
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.core.schema import validate
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.sources.video_files import pack_folder
from trajprobe.trajectories.validation import accept
from trajprobe.videos import video_archive

SETTINGS = TrajectoriesParams(invalid="refuse", min_per_class=2)


def card(**rules: Any) -> VideosCard:
    base = {"name": "mine", "summary": "s", "format": "videos", "files": [{"file": "mine.zip"}]}
    return validate(VideosCard, base | rules, "card")


def read(folder: Path, labels: Path | None = None, **rules: Any) -> Parsed:
    archive = folder.with_suffix(".zip")
    pack_folder(folder, archive, labels, None)
    if labels is not None:
        rules["label_file"] = {"file": "labels.csv"}
    return read_source(card(**rules), [archive, *([labels] if labels else [])])[0]


def test_folders_are_labels_and_paths_are_ids(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", 6)
    write_video(
        tmp_path / "data/right/006.gif", disc_clip("right", 6, frames=4, height=40, width=20), rate=25
    )
    (tmp_path / "data/.hidden.avi").write_text("no video")
    parsed = read(tmp_path / "data")
    ids = [f"down/{n:03d}" for n in (1, 3, 5)] + [f"right/{n:03d}" for n in (0, 2, 4, 6)]
    assert parsed.item_ids == ids
    assert parsed.labels == ["down"] * 3 + ["right"] * 4
    assert parsed.clips is not None
    assert [clip.frames for clip in parsed.clips] == [6] * 6 + [4]
    assert parsed.clips[0].place == "mine.zip/down/001.avi"
    assert parsed.clips[0].sha256 == sha256(tmp_path / "data/down/001.avi")
    np.testing.assert_allclose(parsed.times[0], np.arange(6) / 12.5)
    np.testing.assert_allclose(parsed.times[6], np.arange(4) / 25)
    assert list(parsed.notes) == [
        "clips: frames of 32 x 24, 20 x 40 pixels",
        "time: 12.5 to 25 frames per second, as the files say, taken as constant",
        "labels: from the folder of each file",
    ]


def test_labels_from_names_and_from_a_table(tmp_path: Path) -> None:
    for number, label in enumerate(["up", "in", "up", "in"]):
        write_video(tmp_path / f"data/{label}_{number}.avi", disc_clip("right", number))
    assert read(tmp_path / "data", label_from=r"name:'?(\w+)_\d+").labels == ["in", "in", "up", "up"]
    labels = tmp_path / "data/labels.csv"
    rows = [
        f"{name}.avi,{label},g{label}"
        for name, label in zip(["up_0", "in_1", "up_2", "in_3"], "abab", strict=True)
    ]
    labels.write_text("\n".join(["id,label,group", *rows, ""]))
    parsed = read(tmp_path / "data", labels)
    assert dict(zip(parsed.item_ids, parsed.labels, strict=True)) == {
        "up_0": "a",
        "in_1": "b",
        "up_2": "a",
        "in_3": "b",
    }
    assert parsed.groups == ["gb", "gb", "ga", "ga"]
    with pytest.raises(
        UserError, match=r"contains 4 videos, and tables or JSON files; choose by --format .* --labels"
    ):
        read(tmp_path / "data")
    labels.unlink()
    with pytest.raises(
        UserError, match=r"have no label and lie in one folder; say where labels are by --label-from"
    ):
        read(tmp_path / "data")
    with pytest.raises(UserError, match=r"card: required a label_from of folder or name"):
        card(label_from="key:class")


def test_a_bad_video_is_an_invalid_item_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    write_folder(folder, 12)
    write_video(folder / "down/001.avi", disc_clip("down", 1, frames=1))
    (folder / "right/text.mp4").write_text("hello, I am a text")
    whole = (folder / "down/003.avi").read_bytes()
    (folder / "down/003.avi").write_bytes(whole[: len(whole) // 2])
    parsed = read(folder)
    with pytest.raises(UserError) as caught:
        accept(parsed, card(), SETTINGS)
    said = str(caught.value)
    assert "3 of 13 items cannot be used" in said
    assert "down/001: the video has a single frame, of at least 2" in said
    assert "down/003: the video is truncated: " in said
    assert "right/text: the video is no video (it begins with hello, I); known: .mp4, " in said
    assert "\n" not in said
    kept, aside = accept(parsed, card(), SETTINGS.model_copy(update={"invalid": "quarantine"}))
    assert len(aside) == 3
    assert kept.clips is not None
    assert len(kept.clips.places) == 10


def test_copies_are_grouped_and_conflicts_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", 8)
    copied = (tmp_path / "data/right/000.avi").read_bytes()
    (tmp_path / "data/right/100.avi").write_bytes(copied)
    parsed = read(tmp_path / "data")
    with pytest.raises(UserError, match=r"right/100: exact copy of right/000, in another group"):
        accept(parsed, card(), SETTINGS)
    kept, _ = accept(parsed, card(group_duplicates=True), SETTINGS)
    groups = dict(zip(kept.item_ids, kept.groups, strict=True))
    assert groups["right/100"] == groups["right/000"] == "right/000"
    (tmp_path / "data/down/100.avi").write_bytes(copied)
    with pytest.raises(UserError, match=r"down/100: labelled 'down', and its exact copy right/000 'right'"):
        accept(read(tmp_path / "data"), card(group_duplicates=True), SETTINGS)


def test_equal_folders_give_equal_bytes(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", 4)
    for name in ("a.zip", "b.zip"):
        pack_folder(tmp_path / "data", tmp_path / name, None, None)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("name", ["../a.avi", "/a.avi", "x/../../a.avi", "x\\..\\a.avi"])
def test_a_name_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "inner" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, write_video(tmp_path / "v.avi", disc_clip("down")).read_bytes())
    with pytest.raises(UserError, match=r"a.zip: .*: leads out of the folder; refused"):
        read_source(card(), [path])


def test_a_bomb_a_damaged_and_an_empty_archive_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.avi", bytes(1_000_000))
    monkeypatch.setattr(video_archive, "BOMB", 1000)
    with pytest.raises(UserError, match=r"unpacks to more than 200 times its size; refused"):
        read_source(card(), [path])
    write_folder(tmp_path / "data", 4)
    pack_folder(tmp_path / "data", path, None, None)
    whole = bytearray(path.read_bytes())
    whole[200:210] = bytes(10)
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"a.zip: down/001.avi: cannot be unpacked \(BadZipFile: Bad CRC"):
        read_source(card(), [path])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "t,x,y")
    with pytest.raises(UserError, match=r"contains no .mp4, .m4v, .*files, one for each item"):
        read_source(card(), [path])
    path.write_text("no archive")
    with pytest.raises(UserError, match=r"a.zip: cannot be read as .zip"):
        read_source(card(), [path])
