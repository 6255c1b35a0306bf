"""From videos that somebody has to a verdict: a folder of files, and an archive with and without paths. The oracle for
the page is arms.csv; the clips that the encoder got are the source's own frames."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from made_videos import disc_clip, write_folder
from running import run
from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.features import read_features, write_features
from trajprobe.artifacts.predictions import read_predictions
from trajprobe.commands import importing, show
from trajprobe.commands.pretrain.clip_pool import clips_pool
from trajprobe.commands.pretrain.source_pool import source_pool
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.fetch import stage as fetch
from trajprobe.params import load_params

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["right", "down"] * 8
CLIPS = np.stack([disc_clip(label, n, height=32) for n, label in enumerate(LABELS)])
STUDY = {
    "render": {"size": 32, "frames": 3},
    "extract": {"random_inits": 2},
    "probe": {"folds": 2, "repeats": 1, "inner_folds": 2, "split_halves": 2},
    "analyse": {"label_efficiency": False, "description_length": False, "selectivity": False, "knn": False},
    "plot": {"clips_per_class": 2},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download_cache: Path) -> Path:
    """A tiny study of the source `mine` with the encoder of noise, and a `dvc add` that only writes pointers."""
    folder = tmp_path / "project"
    (folder / "models/placeholder").mkdir(parents=True)
    shutil.copy(ROOT / "models/placeholder/card.yaml", folder / "models/placeholder/card.yaml")
    content = yaml.safe_load((ROOT / "params.yaml").read_text()) | {
        "encoders": ["placeholder"],
        "baselines": [],
        "source": "mine",
    }
    for section, values in STUDY.items():
        content[section] |= values
    content["probe"]["l2_grid"]["count"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(importing, "dvc_add", lambda raw, _: [Path(f"{path}.dvc").touch() for path in raw])
    return folder


def run_all(page: bool = True) -> tuple[dict[str, float], str]:
    """All stages, those of the page if asked; the accuracy of each control, and the page."""
    params = load_params()
    run("trajectories", params)
    run("render", params)
    fetch.run("placeholder")
    run("extract", params, "placeholder", device="cpu")
    run("controls", None)
    for name in ("placeholder", paths.CONTROLS):
        run("probe", params, name)
    run("compare", params)
    if page:
        run("analyse", params, "placeholder")
        run("plot", params)
    with paths.ARMS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["arm"] == "control"]
    text = (paths.REPORT / "index.html").read_text() if page else ""
    return {row["encoder"]: float(row["accuracy"]) for row in rows}, text


def test_a_folder_of_videos_gives_a_verdict_without_coordinates(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = write_folder(project / "raw", 16)
    said = importing.run(project / "raw", "mine")
    assert said.startswith(
        "mine: 16 clips of 2 classes (down 8, right 8)\nready-made clips of 6 frames each\n"
    )
    for line in (
        "time: 12.5 frames per second, as the files say, taken as constant",
        "spacing: clips last 0.4 s from the first frame to the last",
        "clips: shown as they are, resized; no trajectories, so there is no control `coordinates`, and no "
        "alternatives that need paths",
    ):
        assert f"\n{line}\n" in said
    assert "warning" not in said
    controls, page = run_all()
    assert controls.keys() == {"hash_noise", "pixels", "random_projection"}
    assert controls["pixels"] > 0.9  # the discs move to the right or down
    store = open_clips(paths.VIDEOS)
    for index, clip in enumerate(clips):  # 24 rows between bars of 4
        np.testing.assert_array_equal(store[index : index + 1][0, :, 4:28], clip[[0, 3, 5]])
    assert not store[0:16][:, :, :4].any()
    summary = json.loads(paths.SUMMARY.read_text())
    assert "coordinates_accuracy" not in summary
    assert summary["verdict"] == "inconclusive"
    capsys.readouterr()
    show.run()
    assert (
        "Note: no control `coordinates`, and no alternatives that need paths (kinematics, "
        in capsys.readouterr().out
    )
    assert "on 16 mine clips in 2 classes" in page
    assert '<td class="first name">coordinates</td><td class="n">none</td>' in page
    assert "<b>coordinates</b> are the trajectories themselves" not in page
    assert "ready-made, resized, with black bars beside frames that are not square" in page
    assert "Anything about other versions of the same clips." in page


def test_an_archive_of_clips_and_paths_gives_a_verdict_with_coordinates_and_can_be_drawn(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths_ = np.stack(
        [np.linspace(0, 1, 9)[:, None] * [[1, 0, 0] if label == "right" else [0, -1, 0]] for label in LABELS]
    )
    paths_ += np.random.default_rng(0).normal(0, 0.01, paths_.shape)
    np.savez(project / "a.npz", videos=CLIPS, labels=LABELS, trajectory_3d=paths_)
    said = importing.run(project / "a.npz", "mine")
    assert "3-D, 9 points each, ready-made clips of 6 frames each" in said
    assert "the trajectories are the control `coordinates` only (--draw draws them" in said
    controls, page = run_all()
    assert controls["coordinates"] > 0.9
    np.testing.assert_array_equal(open_clips(paths.VIDEOS)[0:16], CLIPS[:, [0, 3, 5]])
    assert "<b>coordinates</b> are the trajectories themselves" in page
    assert "on 16 mine trajectories in 2 classes" in page
    capsys.readouterr()
    show.run()
    assert "Note" not in capsys.readouterr().out

    said = importing.run(project / "a.npz", "mine", replace=True, clips="ignore")
    assert "  clips: use -> ignore\n" in said
    assert "arrays: not used: videos" in said
    run("trajectories", load_params())
    assert "ready-made" not in run("render", load_params())
    assert open_clips(paths.VIDEOS).drawn["content"] == "trajectories"
    assert "  clips: ignore kept from the card\n" in importing.run(project / "a.npz", "mine", replace=True)


def test_an_archive_of_clips_alone_gives_a_verdict(project: Path) -> None:
    np.savez(project / "a.npz", videos=CLIPS, labels=LABELS)
    said = importing.run(project / "a.npz", "mine", time_unit="10fps")
    assert "\ntime: frames 0.1 s apart\n" in said
    controls, _ = run_all(page=False)
    # Pretraining takes the source or the stored clips, and knows both by the same digests of the clips in their file.
    source, stored = source_pool("mine", None), clips_pool(paths.VIDEOS)
    assert source.count == stored.count == 16
    assert source.digests == {"file": stored.digests["file"]}
    assert stored.digests.keys() == {"clip", "file"}
    features = read_features(paths.features("placeholder"))
    seen = {"points": ["0" * 16], "file": source.digests["file"][5:6], "rows": [2, 5, 7], "recorded": 9}
    metadata = dict(features.metadata) | {"seen": seen}
    write_features(paths.features("placeholder"), features.arrays, metadata)
    run("probe", load_params(), "placeholder")
    assert read_predictions(paths.predictions("placeholder")).features["seen"] == {
        "recorded": 9,
        "held_out": 3,
    }
    assert controls.keys() == {"hash_noise", "pixels", "random_projection"}
    assert json.loads(paths.SUMMARY.read_text())["verdict"] == "inconclusive"


def test_a_zip_of_videos_a_folder_of_both_and_few_frames(project: Path) -> None:
    write_folder(project / "raw", 8)
    shutil.make_archive("packed", "zip", project / "raw")
    said = importing.run(Path("packed.zip"), "zipped")
    assert "zipped: 8 clips of 2 classes" in said
    for number in range(8):
        (project / f"raw/{number}.csv").write_text("t,x,y\n0,1,2\n1,2,3\n")
    with pytest.raises(
        UserError, match=r"contains 8 videos, and tables or JSON files; choose by --format videos"
    ):
        importing.run(project / "raw", "both")
    shutil.make_archive("both", "zip", project / "raw")
    with pytest.raises(UserError, match=r"both.zip: contains 8 videos, and tables or JSON files; choose"):
        importing.run(Path("both.zip"), "both")
    assert not paths.source("both").exists()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["render"]["frames"] = 9
    Path("params.yaml").write_text(yaml.safe_dump(params))
    said = importing.run(project / "raw", "both", format="videos")
    assert (
        "\nwarning: 8 clips have fewer than 9 frames (render.frames), so `render` repeats some; add `-S"
        in said
    )
    with pytest.raises(UserError, match=r"raw: contains no .mp4, .*files|must be one of"):
        shutil.rmtree(project / "raw/down")
        shutil.rmtree(project / "raw/right")
        importing.run(project / "raw", "none", format="videos")
    with pytest.raises(UserError, match=r"--draw is not an option for files of the format videos"):
        importing.run(Path("packed.zip"), "drawn", clips="ignore")
