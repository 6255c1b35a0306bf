"""`trajprobe pretrain` on the user's own clips, very small: the same bytes after a kill, a sequence against its
definition, what is recorded as seen against the items themselves, and what is refused. Then whole studies, from the
pretraining to the verdict: if held-out items were seen it never says that pretraining helps, whatever their name is."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from running import run
from trajprobe.artifacts.clips import open_clips
from trajprobe.artifacts.encoder_card import FileWeights, load_encoder_card
from trajprobe.artifacts.predictions import read_predictions, write_predictions
from trajprobe.artifacts.seen_items import clip_digest, points_digest, read_seen_items
from trajprobe.artifacts.trajectories import read_trajectories
from trajprobe.commands import importing
from trajprobe.commands.pretrain import command, encoder_folder, training
from trajprobe.commands.pretrain.clip_pool import ClipPool, clips_pool
from trajprobe.commands.pretrain.clip_sequence import ClipSequence
from trajprobe.commands.pretrain.source_pool import source_pool
from trajprobe.commands.pretrain.unlabelled_clips import HELD_OUT
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.core.schema import validate
from trajprobe.params import Params
from trajprobe.render.rendering import render_batches

ROOT = Path(__file__).parents[2]
CARD = """\
name: tiny
summary: very small
family: open_magvit2
architecture: {channels: 4, multipliers: [1, 2, 2], res_blocks: 1, latent_channels: 6, groups: 2}
weights: none
training: none
licence: Apache-2.0
input: {frames: 4k+1, size: 16, scale: x/127.5 - 1}
features: {layer: mid, pooling: mean}
"""
PER_CLASS, TESTED = 30, 15
CHANGES: dict[str, dict[str, Any]] = {
    "synthesis": {"families": ["linear", "circular"], "per_class": PER_CLASS, "test_per_class": TESTED},
    "render": {"size": 16, "margin": 0.0, "marker_radius": 1.0, "noise": 2.0},
    "extract": {"random_inits": 2},
    "probe": {
        "inner_folds": 2,
        "split_halves": 4,
        "l2_grid": {"low": 1e-2, "high": 1e2, "count": 3},
    },
}
OPTIONS: dict[str, Any] = {"steps": 3, "batch": 18, "learning_rate": 1e-3, "seed": 3, "like": "tiny"}


def small_params(**sections: dict[str, Any]) -> Params:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, changes in [*CHANGES.items(), *sections.items()]:
        content[section] |= changes
    content["encoders"] = ["tiny"]
    Path("params.yaml").write_text(yaml.safe_dump(content))
    return validate(Params, content, "params.yaml")


def add_pointer(raw: list[Path], outcome: str) -> None:
    """Stands in for `dvc add`."""
    Path(f"{raw[0]}.dvc").write_text(sha256(raw[0]))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study of 60 synthetic paths, half of them held out, with its clips; and the same paths as `copy`."""
    folder = tmp_path_factory.mktemp("study")
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJPROBE_CACHE", str(folder / "cache"))
        patch.setattr(encoder_folder, "dvc_add", add_pointer)
        patch.setattr(training, "CHECKPOINT", 2)
        for path, text in (
            ("models/tiny/card.yaml", CARD),
            ("models/image/card.yaml", CARD.replace("tiny", "image").replace("open_magvit2", "placeholder")),
            ("data/sources/synthetic/card.yaml", (ROOT / "data/sources/synthetic/card.yaml").read_text()),
            (
                "data/sources/copy/card.yaml",
                "{name: copy, summary: again, format: npz, files: [{file: copy.npz}]}",
            ),
            (".dvc/config", "[core]\n    no_scm = true\n"),
        ):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        params = small_params()
        run("trajectories", params)
        run("render", params)
        run("controls", None)
        own = read_trajectories(paths.TRAJECTORIES)
        np.savez(
            "data/sources/copy/copy.npz",
            points=np.concatenate(own.points) + np.float32(0),
            lengths=[len(path) for path in own.points],
            labels=["" for _ in own.points],
        )
        yield folder


@pytest.fixture
def here(study: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study as the current folder, with its own params."""
    monkeypatch.chdir(study)
    small_params()
    return study


def pretrain(name: str, **changes: Any) -> str:
    return command.run(name, device="cpu", **{**OPTIONS, **changes})


def outputs(name: str) -> dict[str, bytes]:
    """What a finished run left, but for the seconds that it took, and without the encoder's name."""
    folder = Path("models", name)
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for text in ("recipe.yaml", "card.yaml"):
        found[text] = re.sub(rb"(?m)^seconds: .*\n", b"", found[text]).replace(name.encode(), b"NAME")
    return found


@pytest.mark.parametrize("kind", ["source", "clips"])
def test_a_killed_run_ends_as_one_that_was_not(
    kind: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: dict[str, Any] = {"steps": 5, "batch": 2}
    own |= {"source": "synthetic", "items": "train"} if kind == "source" else {"clips": paths.VIDEOS}
    pretrain(f"whole_{kind}", **own)
    draw, calls = ClipSequence.__call__, []

    def killed(self: ClipSequence, start: int, count: int) -> np.ndarray:
        calls.append(start)
        if start == 3 * count:
            raise KeyboardInterrupt
        return draw(self, start, count)

    with monkeypatch.context() as killing, pytest.raises(KeyboardInterrupt):
        killing.setattr(ClipSequence, "__call__", killed)
        pretrain(f"killed_{kind}", **own)
    assert calls[-1] == 6
    assert not Path(f"models/killed_{kind}/card.yaml").exists()
    small_params(render={"line_width": 1.0})
    if kind == "source":
        with pytest.raises(UserError, match=r"checkpoint\.pt: data_sha256 was .* when it was written and is"):
            pretrain(f"killed_{kind}", resume=True, **own)
    small_params()
    with pytest.raises(UserError, match=r"checkpoint\.pt: seed was 3 when it was written and is 4 now"):
        pretrain(f"killed_{kind}", resume=True, **{**own, "seed": 4})
    pretrain(f"killed_{kind}", resume=True, **own)
    assert outputs(f"killed_{kind}") == outputs(f"whole_{kind}")


def made_pool(count: int) -> ClipPool:
    """A pool whose clips say which they are: (index, rendering)."""
    names = [f"{index:02d}" for index in range(count)]
    return ClipPool("--clips x", count, 1, lambda *which: np.array(which), {"clip": names}, "", [])


def test_epochs_are_permutations_of_what_is_not_held_out() -> None:
    sequence = ClipSequence(made_pool(25), seed=1, batch=4)
    held_out = sequence(HELD_OUT, 32)
    assert held_out.tolist() == [[index, 0] for index in sequence.held_out]
    assert len(held_out) == 2  # a tenth
    epochs = [sequence(23 * epoch, 23) for epoch in range(3)]
    for number, epoch in enumerate(epochs):
        assert sorted(epoch[:, 0].tolist() + held_out[:, 0].tolist()) == list(range(25))
        assert set(epoch[:, 1].tolist()) == {number}  # another rendering of each item
    assert epochs[0][:, 0].tolist() != epochs[1][:, 0].tolist()
    again = ClipSequence(made_pool(25), seed=1, batch=4)
    assert np.array_equal(again(20, 30), np.concatenate([sequence(20, 7), sequence(27, 23)]))
    assert sequence.seen(10) == sorted(epochs[0][:10, 0].tolist())
    assert sequence.seen(1000) == sorted(sequence.trained.tolist())
    assert ClipSequence(made_pool(25), seed=2, batch=4)(0, 23)[:, 0].tolist() != epochs[0][:, 0].tolist()
    assert len(ClipSequence(made_pool(1000), seed=1, batch=4).held_out) == 32


def test_the_items_of_a_source_are_drawn_as_the_study_draws_them(here: Path) -> None:
    pool = source_pool("synthetic", None)
    clips, own = open_clips(paths.VIDEOS), read_trajectories(paths.TRAJECTORIES)
    assert pool.count == 2 * PER_CLASS
    for index in (0, 7, 59):
        assert np.array_equal(pool.draw(index, 0), clips[index : index + 1][0])
    assert not np.array_equal(pool.draw(0, 0), pool.draw(0, 1))  # noise differs from rendering to rendering
    assert pool.digests["points"] == [points_digest(path) for path in own.points]
    common = small_params(render={"fit": "dataset", "time": "dataset", "noise": 0.0}).render
    scaled = next(render_batches(own.points, own.times, common))
    drawn = source_pool("synthetic", None)
    assert all(np.array_equal(drawn.draw(index, 1), scaled[index]) for index in range(drawn.count))
    small_params()
    train = source_pool("synthetic", "train")
    assert train.digests["points"] == [
        pool.digests["points"][i] for i, split in enumerate(own.splits) if split == "train"
    ]
    Path("ids.txt").write_text(f"{own.item_ids[3]}\n\n {own.item_ids[1]} \n")
    assert source_pool("synthetic", "ids.txt").digests["points"] == [
        pool.digests["points"][1],
        pool.digests["points"][3],
    ]
    assert source_pool("copy", None).digests["points"] == pool.digests["points"]  # without labels
    assert clips_pool(paths.VIDEOS).digests["points"] == pool.digests["points"]
    assert clips_pool(paths.VIDEOS).digests["clip"] == [clip_digest(clip) for clip in clips[:]]


def test_copies_of_items_that_may_not_be_seen_are_left_out(here: Path) -> None:
    path = Path("data/sources/twice/card.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text("{name: twice, summary: copies, format: npz, files: [{file: x.npz}]}")
    points = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)
    points[3], points[1] = points[0], points[2]
    points[5, 1] = np.nan
    np.savez(path.with_name("x.npz"), points=points.reshape(-1, 2), lengths=[4] * 6, labels=list("aabbab"))
    assert source_pool("twice", None).notes == [
        "left out 1 invalid item, the first of them 000005: point 1 is NaN or infinite",
        "left out 2 exact copies of others",
    ]
    Path("some.txt").write_text("000000\n000001\n000002\n000004\n")
    pool = source_pool("twice", "some.txt")
    assert pool.digests["points"] == [points_digest(points[i] - points[i, :1]) for i in (1, 4)]
    assert "left out 1 item with an exact copy among the items that may not be seen" in pool.notes


def test_a_new_encoder_is_made_like_another_one(here: Path) -> None:
    said = pretrain("mine", source="synthetic", items="train", batch=6)
    card, pattern = load_encoder_card("mine"), load_encoder_card("tiny")
    assert (card.architecture, card.input, card.features) == (
        pattern.architecture,
        pattern.input,
        pattern.features,
    )
    assert isinstance(card.weights, FileWeights)
    assert card.weights.sha256 == sha256("models/mine/encoder.safetensors")
    assert card.weights.seen_items is not None
    recipe = yaml.safe_load(Path("models/mine/recipe.yaml").read_text())
    assert recipe["command"] == (
        "trajprobe pretrain mine --source synthetic --items train --steps 3 --batch 6 --learning-rate 0.001 --seed 3"
    )
    assert recipe["seen_items"] == 18
    assert Path("models/mine/encoder.safetensors.dvc").exists()
    ignored = Path("models/mine/.gitignore").read_text().splitlines()
    assert ignored == ["/weights", "/pretraining/checkpoint.pt", "/encoder.safetensors"]
    assert said.splitlines()[-2:] == [
        "  git add models/mine",
        "  dvc exp run -n mine -S 'encoders=[mine]' -S source=synthetic -S probe.split=published",
    ]
    seen = read_seen_items(card.weights.seen_items.file, card.weights.seen_items.sha256)
    own = read_trajectories(paths.TRAJECTORIES)
    trained = {points_digest(p) for p, split in zip(own.points, own.splits, strict=True) if split == "train"}
    assert len(seen["points"]) == 18
    assert set(seen["points"]) <= trained
    assert seen["clip"] == []
    pretrain("mine", like=None, steps=0, frames=5)  # again, on synthetic clips
    assert load_encoder_card("mine").weights == FileWeights(
        file="models/mine/encoder.safetensors", sha256=sha256("models/mine/encoder.safetensors")
    )
    assert not Path("models/mine/seen_items.txt").exists()


def test_without_steps_the_initialisation_is_kept(here: Path) -> None:
    pretrain("never", steps=0)
    recipe = yaml.safe_load(Path("models/never/recipe.yaml").read_text())
    assert recipe["steps"] == 0
    assert recipe["clips_sha256"] == ""
    assert recipe["held_out_unexplained_variance"] > 0
    assert "final_loss" not in recipe
    run("fetch", None, "never")


def test_ready_made_clips_are_known_at_any_size_and_without_paths(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source of clips without trajectories, pretrained on at 16 pixels and probed at 24."""
    shutil.copytree("models/tiny", tmp_path / "models/tiny")
    shutil.copytree(".dvc", tmp_path / ".dvc")
    monkeypatch.chdir(tmp_path)
    film = Path("data/sources/film")
    film.mkdir(parents=True)
    (film / "card.yaml").write_text("{name: film, summary: clips, format: npz, files: [{file: film.npz}]}")
    videos = np.random.default_rng(0).integers(0, 256, (32, 5, 24, 24, 3), dtype=np.uint8)
    half = ["train", "test"] * 16
    np.savez(film / "film.npz", videos=videos, labels=list("aabb") * 8, splits=half)
    small_params(render={"size": 16, "noise": 0.0})
    pool = source_pool("film", "train")
    assert pool.count == 16
    pretrain("clean", source="film", items="train", batch=4)
    pretrain("all", source="film", batch=16)
    pretrain("file", clips=film / "film.npz", batch=16)
    params = small_params(render={"size": 24}).model_copy(update={"source": "film"})
    run("trajectories", params)
    run("render", params)
    pretrain("store", clips=paths.VIDEOS, batch=16)
    for name, seen in (
        ("clean", {0}),
        ("all", range(13, 17)),
        ("file", range(13, 17)),
        ("store", range(13, 17)),
    ):
        run("fetch", None, name)
        run("extract", params, name, device="cpu")
        run("probe", params, name, workers=1)
        found = read_predictions(paths.predictions(name)).features["seen"]
        assert found["recorded"] == (12 if name == "clean" else 29)
        assert found["held_out"] in seen
    run("render", small_params(render={"size": 16, "noise": 0.0}))
    stored = open_clips(paths.VIDEOS)[:]
    train = [index for index, split in enumerate(half) if split == "train"]
    assert all(np.array_equal(pool.draw(place, 0), stored[index]) for place, index in enumerate(train))


CASES: list[tuple[dict[str, Any], str]] = [
    (
        {"source": "sintetic"},
        r"--source sintetic: there is no data/sources/sintetic/card\.yaml; did you mean synthetic",
    ),
    ({"source": "copy", "clips": Path("x")}, "--source and --clips: give one of the two"),
    ({"items": "train"}, "--items: chooses among the items of a source; add --source NAME"),
    (
        {"source": "copy", "items": "train"},
        "--items train: source copy has no published train part; name a file",
    ),
    ({"source": "copy", "items": "no.txt"}, r"--items no\.txt: cannot be read \(No such file"),
    (
        {"source": "copy", "items": "params.yaml"},
        r"--items params\.yaml: .* are no item of source copy, the first",
    ),
    (
        {"source": "copy", "batch": 55},
        "--source copy: a step of --batch 55 and 6 to measure the error need 61 diff.*to 54",
    ),
    ({"source": "copy", "frames": 9}, r"--frames 9: the clips have 5 \(render\.frames in params\.yaml\)"),
    ({"clips": Path("no.npz")}, r"--clips no\.npz: there is no such file or folder"),
    ({"clips": Path("params.yaml")}, r"--clips params\.yaml: expected an \.npz with an array `videos`"),
    (
        {"clips": Path("data")},
        "--clips data: expected an .npz with `videos`, or a folder as data/videos.zarr",
    ),
    (
        {"clips": Path("six.npz")},
        r"frames of --clips six\.npz: must be 1 more than a multiple of 2 .*, got 6; take 5",
    ),
    ({"clips": Path("wide.npz")}, r"--clips wide\.npz: clips must be square, got 20 x 16 pixels"),
    (
        {"clips": Path("float.npz")},
        r"--clips float\.npz: videos: expected \(N, T, H, W, 3\) uint8, got .* float64",
    ),
    ({"clips": Path("alike.npz")}, r"--clips alike\.npz: a step of --batch 18 and 1 .* got 1; give more"),
    ({"like": "image"}, "card of image: family: pretraining needs open_magvit2, got placeholder"),
    ({"like": "tinny"}, r"models/tinny/card\.yaml: there is no card for 'tinny'; did you mean tiny"),
]


@pytest.mark.parametrize(("options", "message"), CASES)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(
    options: dict[str, Any], message: str, here: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 6, 16, 16, 3), dtype=np.uint8)
    np.savez("six.npz", videos=noise)
    np.savez("wide.npz", videos=np.zeros((2, 5, 16, 20, 3), np.uint8))
    np.savez("float.npz", videos=noise / 255)
    np.savez("alike.npz", videos=noise[:1, :5].repeat(12, axis=0))
    with pytest.raises(UserError, match=message):
        pretrain("refused", **options)
    assert not Path("models/refused").exists()


def test_a_card_that_is_there_is_not_made_like_another_one(here: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"models/tiny/card\.yaml: there is a card already; leave --like out"):
        pretrain("tiny", like="magvit2_mini")
    with pytest.raises(UserError, match="a new encoder's name must be of lower-case letters"):
        pretrain("My-Encoder")
    small_params(render={"content": "noise"})
    with pytest.raises(UserError, match="is noise, which shows no trajectory"):
        pretrain("refused", source="copy")


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a dependency of DVC
def test_the_weights_go_under_dvc_unless_git_tracks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_folder, "dvc_add", importing.dvc_add)  # as it is, without the stand-in
    monkeypatch.chdir(tmp_path)
    weights = Path("models/mine/encoder.safetensors")
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    with pytest.raises(UserError, match="this is not a DVC project; run `dvc init`"):
        encoder_folder.check_project(weights)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    encoder_folder.check_project(weights)
    encoder_folder.version(weights)
    pointer = yaml.safe_load(Path(f"{weights}.dvc").read_text())["outs"][0]
    assert pointer["path"] == "encoder.safetensors"
    assert pointer["size"] == 7
    assert Path("models/mine/.gitignore").read_text() == "/encoder.safetensors\n"
    Path(f"{weights}.dvc").unlink()
    for arguments in (["init", "-q"], ["add", "-f", str(weights)]):
        subprocess.run(["git", *arguments], check=True)
    encoder_folder.version(weights)
    assert not Path(f"{weights}.dvc").exists()


def test_missing_weights_say_how_to_get_them_and_a_changed_list_is_refused(here: Path) -> None:
    pretrain("gone", source="synthetic", items="train", steps=1)
    card, weights, seen = (
        Path("models/gone", n) for n in ("card.yaml", "encoder.safetensors", "seen_items.txt")
    )
    text = seen.read_text()
    seen.write_text(text.replace("points", "clip", 1))
    with pytest.raises(
        UserError, match=r"seen_items\.txt: its SHA-256 is .*, but the card pins .*git checkout"
    ):
        run("fetch", None, "gone")
    seen.unlink()
    with pytest.raises(UserError, match=r"seen_items\.txt: is missing, so that it is unknown"):
        run("fetch", None, "gone")
    seen.write_text(text)
    weights.rename("kept")
    with pytest.raises(
        UserError,
        match=r"encoder\.safetensors: there is no such file; get it by `dvc pull models/gone/encoder\.safetensors"
        r"\.dvc`, or make it with `trajprobe pretrain gone --source synthetic --items train --steps 1 ",
    ):
        run("fetch", None, "gone")
    Path("kept").rename(weights)
    run("fetch", None, "gone")
    assert run("fetch", None, "gone").startswith("gone: unchanged")
    with pytest.raises(
        UserError, match=r"line 2: expected one of points, file, clip and 16 hexadecimal digits, got 'name"
    ):
        read_seen_items(card, sha256(card))


def verdict_of(name: str, params: Params) -> dict[str, str]:
    """The row of the pretrained arm after every stage, with perfect predictions of that arm and poor random ones."""
    from trajprobe.artifacts.metrics import ARM_COLUMNS, read_table

    run("fetch", None, name)
    run("extract", params, name, device="cpu")
    run("probe", params, name, workers=1)
    run("probe", params, "controls", workers=1)
    file = read_predictions(paths.predictions(name))
    even = np.arange(len(file.y)) % 2 == 0
    arms = [
        replace(
            arm,
            predicted=np.where(even | (arm.arm.arm == "pretrained"), file.y, 1 - file.y)[None].repeat(
                len(arm.fold), 0
            ),
        )
        for arm in file.arms
    ]
    write_predictions(paths.predictions(name), replace(file, arms=arms))
    run("compare", params.model_copy(update={"encoders": [name], "baselines": []}))
    return next(row for row in read_table(paths.ARMS, ARM_COLUMNS) if row["arm"] == "pretrained")


def test_pretraining_on_the_train_part_of_a_published_split_is_clean(here: Path) -> None:
    pretrain("clean", source="synthetic", items="train")
    row = verdict_of("clean", small_params())
    assert (row["verdict"], row["contaminated"]) == ("helps", "0")
    assert read_predictions(paths.predictions("clean")).features["seen"] == {"recorded": 27, "held_out": 0}
    row = verdict_of("clean", small_params(probe={"split": "folds", "repeats": 1, "folds": 2}))
    assert (row["verdict"], row["contaminated"]) == ("inconclusive", "1")  # folds hold out all items in turn
    assert "saw 27 of the 60 held-out items" in row["warning"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("renamed", {"source": "copy"}),
        ("drawn", {"clips": paths.VIDEOS}),
        ("bytes", {"clips": Path("bytes.npz")}),
    ],
)
def test_an_encoder_that_saw_held_out_items_never_helps(
    name: str, options: dict[str, Any], here: Path
) -> None:
    np.savez("bytes.npz", videos=open_clips(paths.VIDEOS)[:])
    pretrain(name, **options)
    # Drawn otherwise, the recordings are still the same; ready-made clips without them are known by their bytes.
    params = small_params(render={"trail": "none"}) if name == "drawn" else small_params()
    run("render", params)
    row = verdict_of(name, params)
    run("render", small_params())
    seen = read_predictions(paths.predictions(name)).features["seen"]
    assert seen["recorded"] == 54
    assert 30 - 6 <= seen["held_out"] <= 30  # of 60 clips, 6 were put aside
    assert (row["verdict"], row["contaminated"]) == ("inconclusive", "1")
    assert float(row["gain"]) == pytest.approx(0.5, abs=0.02)
    assert row["warning"].startswith(
        f"Contaminated: the pretraining saw {seen['held_out']} of the 30 held-out items, so the gain may"
    )
