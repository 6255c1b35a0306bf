"""The preview against the pipeline: the clips of `render`, the input of the encoder, a tree that it leaves alone."""

import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.trajectories import ReadyClips, write_trajectories
from trajprobe.commands.preview import chosen_items, preview_sheet, previewing
from trajprobe.commands.preview.chosen_items import PER_CLASS, ChosenItems, choose_items, evenly_by_class
from trajprobe.commands.preview.run_costs import RunOptions, measure_work, stage_costs
from trajprobe.commands.preview.seen_clips import is_approximate, seen_clips
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.encoders.preprocess import prepare
from trajprobe.params import Params, load_params
from trajprobe.render import stage as render_stage
from trajprobe.render.rendering import render_batches

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"per_class": 12, "families": ["linear", "circular"]}
ON_CPU = RunOptions(device="cpu", batch=4, workers=1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download_cache: Path) -> Path:
    """A folder with the cards and a small study; whoever opens a connection fails."""
    folder = tmp_path / "project"
    for name in ("models", "data/sources"):
        for card in (ROOT / name).glob("*/card.yaml"):
            target = folder / card.relative_to(ROOT)
            target.parent.mkdir(parents=True)
            shutil.copy2(card, target)
    shutil.copy2(ROOT / "models/magvit2_mini/encoder.safetensors", folder / "models/magvit2_mini")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["synthesis"] |= SMALL
    content["render"]["size"] = 64
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(folder)

    def refuse(*arguments: object) -> None:
        raise AssertionError("a preview opens no connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def changed(params: Params, section: str, **keys: Any) -> Params:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=keys)})


def test_pictures_and_an_estimate_and_nothing_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(project)
    previewing.run(load_params(), None, Path("preview"), 3.0, ON_CPU)
    said = capsys.readouterr().out
    made = {Path(name).relative_to(project) for name in tree(project).keys() - before.keys()}
    assert {path.as_posix() for path in made} == {
        "preview/magvit2_mini.png",
        "preview/magvit2_mini-1-linear.gif",
        "preview/magvit2_mini-2-circular.gif",
    }
    assert {name: content for name, content in tree(project).items() if name in before} == before
    with Image.open("preview/magvit2_mini-1-linear.gif") as animation:
        assert animation.n_frames == 5
        assert animation.size == (6 * 128 + 5 * 2, 128)  # six items of 64 pixels, twice as large
    for stage in ("trajectories", "render", "extract magvit2_mini", "probe magvit2_mini", "in all"):
        assert stage in said
    assert "9 arms x 24 clips" in said
    assert "At 3 per hour: 0." in said
    assert "sizes, which differ by a factor of" in " ".join(said.split())


def test_the_clips_are_those_of_the_stage(project: Path) -> None:
    params = load_params()
    for fit in ("item", "dataset"):
        params = changed(params, "render", fit=fit, time=fit, noise=3.0)
        chosen = choose_items(params)
        items = chosen.trajectories
        (clips,) = render_batches(items.points, items.times, params.render, items.y_axis)
        rows = [row for own in chosen.rows.values() for row in own]
        np.testing.assert_array_equal(chosen.clips, clips[rows])
        np.testing.assert_array_equal(chosen.clips_of("circular"), clips[chosen.rows["circular"]])
        assert chosen.rows["linear"] == [0, 2, 4, 7, 9, 11]


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_ready_made_clips_are_those_of_the_stage(
    project: Path, monkeypatch: pytest.MonkeyPatch, noise: float
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (8, 5, 64, 64, 3), np.uint8)
    folder = project / "data/sources/mine"
    folder.mkdir()
    np.savez(folder / "mine.npz", videos=frames)
    items = choose_items(load_params()).trajectories
    own = replace(
        items,
        source="mine",
        item_ids=items.item_ids[:8],
        labels=["linear", "circular"] * 4,
        groups=items.groups[:8],
        splits=items.splits[:8],
        times=[np.arange(5.0)] * 8,
        points=[],
        clips=ReadyClips(
            [f"mine.npz/videos/{row}" for row in range(8)], [5] * 8, {"mine.npz": "bytes"}, ["0" * 64] * 8
        ),
    )
    params = changed(load_params(), "render", noise=noise).model_copy(update={"source": "mine"})
    write_trajectories(own, paths.TRAJECTORIES)
    # The set as `trajectories` would accept it; reading a source has its own tests.
    monkeypatch.setattr(chosen_items, "items_of", lambda *given: (None, None))
    monkeypatch.setattr(chosen_items, "accept", lambda *given: (own, []))
    render_stage.run(params.render)
    stored = open_clips(paths.VIDEOS)
    chosen = choose_items(params)
    assert chosen.rows == {"linear": [0, 2, 4, 6], "circular": [1, 3, 5, 7]}
    np.testing.assert_array_equal(chosen.clips, stored[0:8][[0, 2, 4, 6, 1, 3, 5, 7]])
    rows = stage_costs(measure_work(params, [load_encoder_card("placeholder")], chosen, ON_CPU), params)
    assert all(row.seconds is not None for row in rows[:-1])
    (line,) = previewing.show_clips(chosen, load_encoder_card("placeholder"), params, Path("preview"))
    assert "is shown, 5 frames of 64 x 64 pixels" in line


def test_items_are_spaced_evenly_and_few_if_there_are_many_classes() -> None:
    labels = ["a"] * 5 + ["b"] * 101
    chosen = evenly_by_class(labels, ["a", "b"])
    assert chosen["a"] == [0, 1, 2, 3, 4]
    assert chosen["b"] == [5, 25, 45, 65, 85, 105]
    assert PER_CLASS == 6
    many = [f"{number:03d}" for number in range(300)]
    assert {len(own) for own in evenly_by_class(many * 3, many).values()} == {1}
    assert len(evenly_by_class(many * 3, many)) == 240


@pytest.mark.parametrize("name", ["magvit2_mini", "transnetv2", "cifar_resnet20", "open_magvit2"])
def test_pictures_scaled_again_are_the_input_of_the_encoder(name: str, project: Path) -> None:
    card = load_encoder_card(name)
    clips = np.random.default_rng(0).integers(0, 256, (2, 5, 64, 64, 3), np.uint8)
    seen = seen_clips(clips, card, project / "none")
    expected = prepare(torch.from_numpy(clips), card.input)
    assert seen.shape == tuple(expected.permute(0, 1, 3, 4, 2).shape)
    square = card.input.model_copy(update={"size": seen.shape[2], "width": seen.shape[2]})
    # The same scale, pixel by pixel: one grey level is 1 / 127.5, or less than 1 / 57 in units of ImageNet's deviation.
    for row in range(0, seen.shape[2], 9):
        again = prepare(torch.from_numpy(np.ascontiguousarray(_as_square(seen, row))), square)
        np.testing.assert_allclose(again[:, :, :, 0, 0], expected[:, :, :, row, 3], atol=0.51 / 57)


def _as_square(seen: np.ndarray, row: int) -> np.ndarray:
    """Pictures of one colour, that of the pixel (row, 3), which no resizing changes."""
    side = seen.shape[2]
    return np.broadcast_to(seen[:, :, row : row + 1, 3:4], (*seen.shape[:2], side, side, 3))


def test_a_grey_encoder_is_shown_grey(project: Path) -> None:
    from trajprobe.encoders.light_asd import initialise

    card = load_encoder_card("light_asd")
    clips = np.random.default_rng(0).integers(0, 256, (1, 3, 128, 128, 3), np.uint8)
    seen = seen_clips(clips, card, project / "none")
    np.testing.assert_array_equal(seen[..., 0], seen[..., 2])
    encoder = initialise(card, project / "none", 0, torch.device("cpu"))
    theirs = encoder._prepared(torch.from_numpy(clips))[:, 0].numpy()
    np.testing.assert_allclose((seen[..., 0] / 255 - 0.4161) / 0.1688, theirs, atol=0.51 / 255 / 0.1688)


def test_an_encoder_of_the_hub_is_shown_what_its_processor_makes(project: Path) -> None:
    from trajprobe.encoders.transformers.processor import read_processor

    card = load_encoder_card("videomae_base")
    clips = np.random.default_rng(0).integers(0, 256, (1, 5, 64, 64, 3), np.uint8)
    folder = project / "models/videomae_base/weights"
    assert is_approximate(card, folder)
    assert seen_clips(clips, card, folder).shape == (1, 16, 224, 224, 3)
    folder.mkdir()
    (folder / "provenance.json").write_text("{}")
    (folder / "preprocessor_config.json").write_text(
        '{"image_processor_type": "VideoMAEImageProcessor", "size": {"shortest_edge": 40}, '
        '"crop_size": {"height": 32, "width": 32}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}'
    )
    seen = seen_clips(clips, card, folder)
    processor = read_processor(folder)
    assert seen.shape == (1, 16, 32, 32, 3)
    theirs = processor(torch.from_numpy(clips[0, :1]))[0].permute(1, 2, 0).numpy()
    ours = (seen[0, 0] / 255 - np.array(processor.mean)) / np.array(processor.std)
    np.testing.assert_allclose(ours, theirs, atol=0.51 / 255 / 0.2)


def test_an_encoder_that_cannot_be_timed_is_said_and_the_rest_is_estimated(project: Path) -> None:
    params = changed(load_params(), "analyse", mlp=True)
    params = params.model_copy(update={"baselines": ["kinematics", "finetune", "cnn3d"]})
    cards = [load_encoder_card(name) for name in ("videomae_base", "light_asd")]
    rows = {
        row.stage: row
        for row in stage_costs(measure_work(params, cards, choose_items(params), ON_CPU), params)
    }
    unknown = rows["extract videomae_base"]
    assert unknown.seconds is None
    assert "after `dvc repro fetch@videomae_base` it can be timed" in unknown.note
    assert rows["extract light_asd"].seconds > 0  # type: ignore[operator]  # without its weights
    assert rows["probe light_asd"].seconds > 0  # type: ignore[operator]
    analyse = rows["analyse light_asd"]
    assert (analyse.seconds, analyse.note) == (None, "mlp: not estimated")
    assert rows["baseline cnn3d"].seconds > rows["baseline kinematics"].seconds > 0  # type: ignore[operator]
    assert rows["baseline finetune"].note == "its encoder was not timed"  # that of the first


def test_a_source_that_is_not_here_is_not_downloaded(project: Path) -> None:
    params = load_params().model_copy(update={"source": "libras"})
    with pytest.raises(UserError, match=r"movement_libras\.data is not on this machine") as caught:
        previewing.run(params, None, Path("preview"), None, ON_CPU)
    assert "\n" not in str(caught.value)
    assert not Path("preview").exists()


@pytest.mark.parametrize("out", ["data/x", "metrics", "report", "models/a", "."])
def test_no_picture_is_written_into_the_pipeline(project: Path, out: str) -> None:
    with pytest.raises(UserError, match="--out: a folder outside data, metrics"):
        previewing.run(load_params(), None, Path(out), None, ON_CPU)


def test_clips_that_the_encoder_refuses_are_refused_before_anything_is_drawn_on_a_sheet(
    project: Path,
) -> None:
    params = changed(load_params(), "render", frames=6)
    with pytest.raises(UserError, match=r"set render\.frames to 5"):
        previewing.run(params, None, Path("preview"), None, ON_CPU)
    assert not Path("preview").exists()


def test_a_sheet_names_all_classes_side_by_side_and_old_animations_go(tmp_path: Path) -> None:
    clips = {f"class {number} Ж": np.full((4, 9, 16, 16, 3), number, np.uint8) for number in range(12)}
    preview_sheet.write_sheet(tmp_path / "e.png", clips, dict.fromkeys(clips, 1234), "What e is shown", "")
    with Image.open(tmp_path / "e.png") as sheet:
        width, height = sheet.size
        pixels = np.asarray(sheet.convert("RGB"))
    assert width <= 2200 + 2 * preview_sheet.MARGIN
    assert 0.3 < width / height < 3
    # Each class is a block of 3 items x 8 frames of 16 pixels, eight times as large: its flat colour has that area.
    for number in (0, 7, 11):
        area = (pixels == number).all(axis=-1).sum()
        assert 3 * 8 * 128**2 <= area <= 1.001 * 3 * 8 * 128**2
    preview_sheet.write_animations(tmp_path, "e", clips)
    assert len(list(tmp_path.glob("e-*.gif"))) == 12
    (tmp_path / "e_other-1-x.gif").write_bytes(b"")
    written = preview_sheet.write_animations(tmp_path, "e", {"one": clips["class 3 Ж"]})
    assert [path.name for path in written] == ["e-1-one.gif"]
    assert sorted(path.name for path in tmp_path.glob("*.gif")) == ["e-1-one.gif", "e_other-1-x.gif"]


def test_many_classes_are_cut_off_and_that_is_said(project: Path) -> None:
    params = load_params()
    chosen = choose_items(params)
    few = ChosenItems(
        chosen.trajectories,
        {"linear": chosen.rows["linear"]},
        chosen.clips[:PER_CLASS],
        chosen.read,
        chosen.drawn,
    )
    lines = previewing.show_clips(few, load_encoder_card("magvit2_mini"), params, Path("preview"))
    assert "the first 1 classes; 1 more are not shown" in lines
