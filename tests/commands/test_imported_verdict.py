"""From what people have to a verdict: one import, then every stage up to `compare`, with nothing edited by hand. The
oracles are the classes themselves: straight tracks and circling ones are told apart, and every item arrives."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

import made_trackers as made
from running import run
from small_project import set_params
from trajprobe.artifacts.trajectories import read_items
from trajprobe.commands import importing
from trajprobe.core import files, paths
from trajprobe.params import load_params

ROOT = Path(__file__).resolve().parents[2]
ENCODER = "placeholder"  # seeded noise: the smallest encoder
TINY = {
    "encoders": [ENCODER],
    "baselines": [],
    "render.size": 32,
    "extract.random_inits": 2,
    "probe.folds": 2,
    "probe.repeats": 1,
    "probe.inner_folds": 2,
    "probe.split_halves": 4,
    "probe.l2_grid.count": 2,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one tiny encoder, without DVC: its pointers are written by hand and its stages run in process."""

    def add(raw: list[Path], outcome: str) -> None:
        for path in raw:
            path.with_name(f"{path.name}.dvc").write_text(files.sha256(path))

    monkeypatch.setattr(importing, "dvc_add", add)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "models" / ENCODER, folder / "models" / ENCODER)
    shutil.copytree(ROOT / "data/sources/synthetic", folder / "data/sources/synthetic")
    shutil.copy(ROOT / "params.yaml", folder / "params.yaml")
    set_params(folder, TINY)
    monkeypatch.chdir(folder)
    return folder


def verdict() -> dict:
    """The headline of the source `mine`, after all stages."""
    params = load_params().model_copy(update={"source": "mine"})
    for stage, name in (
        ("trajectories", ""), ("render", ""), ("fetch", ENCODER), ("extract", ENCODER), ("controls", ""),
        ("probe", ENCODER), ("probe", "controls"), ("compare", ""),
    ):  # fmt: skip
        run(stage, params, name, workers=1, device="cpu")
    return dict(json.loads(Path("metrics/summary.json").read_text()))


def path_of(kind: str, seed: int, dimensions: int = 2) -> np.ndarray:
    """A noisy path that is straight, circling, oscillating or wandering."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 20)
    angle = 6 * t + rng.uniform(0, 6)
    shapes = {
        "straight": np.outer(t, rng.standard_normal(3)),
        "circling": np.stack([np.cos(angle), np.sin(angle), 0 * t], axis=1),
        "swinging": np.outer(np.sin(20 * t + rng.uniform(0, 6)), rng.standard_normal(3)),
        "wandering": np.cumsum(rng.standard_normal((20, 3)), axis=0) / 4,
    }
    return (shapes[kind] + 0.01 * rng.standard_normal((20, 3)))[:, :dimensions]


def coordinates_accuracy() -> float:
    with Path("metrics/arms.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return float(next(row["accuracy"] for row in rows if "coordinates" in row.values()))


def test_a_trackmate_file_with_a_table_of_labels(project: Path, tmp_path: Path) -> None:
    kinds = ("straight", "circling")
    tracks = {str(track): path_of(kinds[track % 2], track) for track in range(40)}
    spots = made.spots(tmp_path / "spots.csv", tracks, stray=3)
    (tmp_path / "who.csv").write_text(
        "id,label\n" + "".join(f"Track_{track},{kinds[track % 2]}\n" for track in range(40))
    )
    said = importing.run(spots, "mine", labels=tmp_path / "who.csv")
    assert "warning" not in said
    summary = verdict()
    assert (summary["n_items"], summary["n_classes"]) == (40, 2)
    assert summary["verdict"] in ("helps", "hurts", "no_difference", "inconclusive")
    assert coordinates_accuracy() > 0.8
    assert read_items(paths.TRAJECTORIES).labels == [kinds[track % 2] for track in range(40)]


def test_a_folder_of_json_files_of_four_classes(project: Path, tmp_path: Path) -> None:
    kinds = ("straight", "circling", "swinging", "wandering")
    (tmp_path / "json").mkdir()
    for number in range(120):
        positions = np.round(path_of(kinds[number % 4], number, 3), 4).tolist()
        text = json.dumps({"class": kinds[number % 4], "positions": positions})
        (tmp_path / "json" / f"{number:03d}.json").write_text(text)
    importing.run(tmp_path / "json", "mine")
    summary = verdict()
    assert (summary["n_items"], summary["n_classes"]) == (120, 4)
    assert summary["verdict"] in ("helps", "hurts", "no_difference", "inconclusive")
    assert coordinates_accuracy() > 0.5
    card = yaml.safe_load(paths.source_card("mine").read_text())
    assert card["format"] == "files"
