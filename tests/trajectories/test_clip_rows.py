"""Clips in an archive, with and without paths: which array is taken for them, what is said, and what is refused; the
digest of a clip is that of its content."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trajprobe.artifacts.source_card import NpzCard
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.trajectories.params import TrajectoriesParams
from trajprobe.trajectories.sources.parsed import Parsed
from trajprobe.trajectories.sources.reading import read_source
from trajprobe.trajectories.validation import accept

RNG = np.random.default_rng(0)
CLIPS = RNG.integers(0, 256, (8, 5, 6, 7, 3), dtype=np.uint8)
PATHS = RNG.standard_normal((8, 9, 3)).cumsum(axis=1)
LABELS = ["a", "b"] * 4
BASE = {"name": "mine", "summary": "s", "format": "npz", "files": [{"file": "mine.npz"}]}
SETTINGS = TrajectoriesParams(invalid="refuse", min_per_class=2)


def card(**rules: Any) -> NpzCard:
    return validate(NpzCard, BASE | rules, "card")


def read(folder: Path, arrays: dict[str, Any], **rules: Any) -> Parsed:
    np.savez(folder / "a.npz", **arrays)
    return read_source(card(**rules), [folder / "a.npz"])[0]


def test_clips_without_paths(tmp_path: Path) -> None:
    parsed = read(tmp_path, {"videos": CLIPS, "labels": LABELS}, time_unit="25fps")
    assert not parsed.has_paths
    assert parsed.clips is not None
    assert [clip.place for clip in parsed.clips] == [f"mine.npz/videos/{row}" for row in range(8)]
    assert {clip.frames for clip in parsed.clips} == {5}
    assert len({clip.sha256 for clip in parsed.clips}) == 8
    assert parsed.scales == {"mine.npz": "bytes"}
    assert list(parsed.notes) == [
        "clips: array 'videos' (8, 5, 6, 7, 3), taken as NTHWC: 5 frames of 7 x 6 pixels, RGB; values 0 to 255 (found "
        "0 to 255)",
        "time: frames 0.04 s apart",
    ]
    kept, aside = accept(parsed, card(), SETTINGS)
    assert (kept.points, aside, kept.classes) == ([], [], ["a", "b"])
    np.testing.assert_allclose(kept.times[0], np.arange(5) / 25)


def test_clips_beside_paths(tmp_path: Path) -> None:
    arrays = {"videos": CLIPS, "labels": LABELS, "trajectory_3d": PATHS, "fit": np.zeros((8, 4, 3))}
    parsed = read(tmp_path, arrays)
    assert parsed.has_paths
    assert "arrays: points is trajectory_3d" in parsed.notes
    assert "arrays: not used: fit" in parsed.notes  # of a shape that could be paths, but not of such a name
    kept, _ = accept(parsed, card(), SETTINGS)
    assert kept.clips is not None
    assert len(kept.points) == len(kept.clips.places) == 8
    # The card can leave the clips out; then the set is the one without them.
    drawn = read(tmp_path, arrays | {"fit": np.zeros(3)}, clips="ignore")
    assert drawn.clips is None
    del arrays["videos"], arrays["fit"]
    assert drawn.digest() == read(tmp_path, arrays).digest() != parsed.digest()


@pytest.mark.parametrize("name", ["X", "data", "anything"])
def test_five_axes_are_clips_under_any_name(name: str, tmp_path: Path) -> None:
    parsed = read(tmp_path, {name: CLIPS / np.float32(255), "y": LABELS})
    assert parsed.scales == {"mine.npz": "unit"}
    assert f"arrays: videos is {name}; labels is y" in parsed.notes


def test_one_hot_labels_ids_groups_and_names_of_classes(tmp_path: Path) -> None:
    parsed = read(
        tmp_path,
        {
            "clips": CLIPS[..., 0],
            "y": np.eye(2)[[0, 1] * 4],
            "class_names": ["left", "right"],
            "ids": [f"i{row}" for row in range(8)],
            "groups": np.arange(8) // 2,
        },
    )
    assert parsed.labels == ["left", "right"] * 4
    assert parsed.item_ids[:2] == ["i0", "i1"]
    assert parsed.groups == list("00112233")
    assert "taken as NTHW: 5 frames of 7 x 6 pixels, grey" in parsed.notes[1]


def test_an_npy_of_clips_with_labels_in_a_second_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CLIPS)
    np.save(tmp_path / "labels.npy", LABELS)
    rules = card(files=[{"file": "mine.npy"}], label_file={"file": "l.npy"})
    parsed, _ = read_source(rules, [tmp_path / "a.npy", tmp_path / "labels.npy"])
    assert parsed.labels == LABELS
    assert parsed.clips is not None
    assert parsed.clips[7].place == "mine.npy/points/7"


def test_copies_of_a_clip_are_found_in_both_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", videos=CLIPS, labels=LABELS)
    again = RNG.integers(0, 256, CLIPS.shape, dtype=np.uint8)
    again[5] = CLIPS[3]
    np.savez(tmp_path / "b.npz", videos=again, labels=LABELS)
    rules = card(
        files=[{"file": "mine_train.npz", "split": "train"}, {"file": "mine_test.npz", "split": "test"}],
        group_duplicates=True,
    )
    parsed, _ = read_source(rules, [tmp_path / "a.npz", tmp_path / "b.npz"])
    with pytest.raises(
        UserError, match=r"a_?train_000003|train_000003: in train, and its exact copy test_000005 in test"
    ):
        accept(parsed, rules, SETTINGS)
    kept, aside = accept(parsed, rules.model_copy(update={"across_split": "drop_train"}), SETTINGS)
    assert [item.item_id for item in aside] == ["train_000003"]
    assert kept.clips is not None
    assert kept.clips.places[3:5] == ["mine_train.npz/videos/4", "mine_train.npz/videos/5"]


def test_copies_of_a_path_share_a_group_and_may_differ_in_their_label(tmp_path: Path) -> None:
    paths = PATHS.copy()
    paths[1] = paths[0]
    parsed = read(tmp_path, {"videos": CLIPS, "labels": LABELS, "positions": paths})
    kept, _ = accept(parsed, card(group_duplicates=True), SETTINGS)
    assert kept.groups[0] == kept.groups[1] != kept.groups[2]
    clips = CLIPS.copy()
    clips[1] = clips[0]
    parsed = read(tmp_path, {"videos": clips, "labels": LABELS})
    with pytest.raises(UserError, match=r"000000: labelled 'a', and its exact copy 000001 'b'"):
        accept(parsed, card(group_duplicates=True), SETTINGS)


@pytest.mark.parametrize(
    ("arrays", "rules", "reason"),
    [
        (
            {"videos": CLIPS.astype(float)},
            {},
            r"videos: must be uint8, .* got float64 from 0 to 255; save them as uint8",
        ),
        ({"videos": CLIPS[:, :1]}, {}, r"videos: must be clips of at least 2 frames, got \(8, 1, 6, 7, 3\)"),
        ({"videos": CLIPS[:, 0]}, {}, r"videos: must be clips .* got \(8, 6, 7, 3\), images"),
        (
            {"videos": CLIPS[:6], "positions": PATHS},
            {},
            r"has 6 clips and 8 paths; required one clip for each path",
        ),
        ({"videos": CLIPS[:6]}, {}, r"labels: must have one entry for each of the 6 trajectories, got 8"),
        ({"a": CLIPS, "b": CLIPS}, {}, r"a \(8, .*, b \(8, .* can be the clips; choose by --array videos=a"),
        ({"videos": CLIPS}, {"gaps": "interpolate"}, r"gaps: is a rule for paths, and the items are clips"),
        ({"videos": CLIPS, "positions": PATHS}, {"gaps": "split"}, r"gaps: split cuts paths, .* --draw"),
        ({"videos": CLIPS}, {"clips": "ignore"}, r"needs an array trajectories or points"),
        ({"other": PATHS[0]}, {}, r"name it by --array points=NAME, or clips by --array videos=NAME"),
        (
            {"videos": CLIPS},
            {"files": [{"url": "https://example.org/a.npz"}]},
            r"must lie beside the card; import",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(
    arrays: dict[str, Any], rules: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        read(tmp_path, {"labels": LABELS} | arrays, **rules)
    assert "\n" not in str(caught.value)


def test_a_clip_with_nan_is_an_invalid_item_and_no_other(tmp_path: Path) -> None:
    clips = CLIPS / 255
    clips[2, 3, 1, 1, 0] = np.nan
    parsed = read(tmp_path, {"videos": clips, "labels": LABELS})
    with pytest.raises(
        UserError, match=r"1 of 8 items .*000002: its clip has values that are NaN or infinite"
    ):
        accept(parsed, card(), SETTINGS)
    kept, _ = accept(parsed, card(), SETTINGS.model_copy(update={"invalid": "quarantine"}))
    assert kept.clips is not None
    assert "mine.npz/videos/2" not in kept.clips.places


def test_clips_that_are_almost_black_are_warned_of(tmp_path: Path) -> None:
    parsed = read(tmp_path, {"videos": CLIPS // 128, "labels": LABELS})
    assert any(note.startswith("warning: the clips have values of 0 to 1 of 255") for note in parsed.notes)
