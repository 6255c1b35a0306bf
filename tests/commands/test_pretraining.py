"""`trajprobe pretrain`, very small: what it writes, the same bytes twice and after a kill, an error that falls,
gradients that pass straight through the signs, entropy terms against their closed form, and clips that no study can
probe. The committed default is held to its recipe and card."""

import math
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from trajprobe.artifacts.encoder_card import FileWeights, load_encoder_card
from trajprobe.cli import app
from trajprobe.commands.pretrain import command, encoder_folder, training
from trajprobe.commands.pretrain.objective import Magvit2Decoder, entropy_penalty, quantise, unexplained
from trajprobe.commands.pretrain.unlabelled_clips import FIRST, HELD_OUT, pretraining_clips
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.encoders.open_magvit2.network import Architecture, Magvit2Encoder

ROOT = Path(__file__).resolve().parents[2]
CARD = """\
# A card with comments.
name: small
summary: very small
family: open_magvit2
architecture: {channels: 4, multipliers: [1, 2, 2], res_blocks: 1, latent_channels: 6, groups: 2}
weights:
  # made by `trajprobe pretrain small`

  file: models/small/encoder.safetensors
# The rest stays as it is.
training: here
licence: Apache-2.0
input: {frames: 4k+1, size: 16, scale: x/127.5 - 1}
features: {layer: mid, pooling: mean}
"""
OPTIONS = {"steps": 5, "frames": 5, "batch": 2, "learning_rate": 3e-3, "seed": 3}


def project(folder: Path, card: str = CARD) -> Path:
    """models/small in a new project with this card."""
    model = folder / "models" / "small"
    model.mkdir(parents=True)
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (model / "card.yaml").write_text(card, encoding="utf-8")
    return model


def pretrain(model: Path, resume: bool = False, **changes: float) -> str:
    with chdir(model.parents[1]):
        return command.run("small", device="cpu", resume=resume, **{**OPTIONS, **changes})  # type: ignore[arg-type]


def pretrain_and_kill(model: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while the clips of step `step`, counted from 0, are drawn."""

    def clips(seed: int, start: int, count: int, frames: int) -> np.ndarray:
        if start == step * OPTIONS["batch"]:
            raise KeyboardInterrupt
        return pretraining_clips(seed, start, count, frames)

    with monkeypatch.context() as killing, pytest.raises(KeyboardInterrupt):
        killing.setattr(command, "pretraining_clips", clips)
        pretrain(model)


def outputs(model: Path) -> dict[str, bytes]:
    """What a finished run left, but for the seconds that it took."""
    found = {
        file.relative_to(model).as_posix(): file.read_bytes() for file in model.rglob("*") if file.is_file()
    }
    lines = found["recipe.yaml"].splitlines()
    found["recipe.yaml"] = b"\n".join(line for line in lines if not line.startswith(b"seconds:"))
    return found


def small_and_without_dvc(patch: pytest.MonkeyPatch) -> None:
    """Often a checkpoint, few clips, and in place of `dvc add` a pointer with the digest."""
    patch.setattr(training, "CHECKPOINT", 2)
    patch.setattr(training, "HELD_OUT_CLIPS", 2)
    patch.setattr(encoder_folder, "dvc_add", lambda raw, _: Path(f"{raw[0]}.dvc").write_text(sha256(raw[0])))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_and_without_dvc(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was pretrained in one go."""
    model = project(tmp_path_factory.mktemp("finished"))
    with pytest.MonkeyPatch.context() as patch:
        small_and_without_dvc(patch)
        pretrain(model)
    return model


def test_weights_recipe_log_and_picture(finished: Path) -> None:
    assert sorted(outputs(finished)) == [
        ".gitignore",
        "card.yaml",
        "encoder.safetensors",
        "encoder.safetensors.dvc",
        "pretraining/log.csv",
        "pretraining/reconstructions.png",
        "recipe.yaml",
    ]
    recipe = yaml.safe_load((finished / "recipe.yaml").read_text())
    assert (
        recipe.items() >= {**OPTIONS, "threads": torch.get_num_threads(), "torch": torch.__version__}.items()
    )
    assert recipe["command"] == (
        "trajprobe pretrain small --steps 5 --batch 2 --frames 5 --learning-rate 0.003 --seed 3"
    )
    assert recipe["weights_sha256"] == sha256(finished / "encoder.safetensors")
    table = np.genfromtxt(finished / "pretraining" / "log.csv", delimiter=",", names=True)
    assert table.dtype.names == ("step", "loss", "unexplained_variance", "held_out")
    assert table["step"].tolist() == [2, 4, 5]
    assert recipe["held_out_unexplained_variance"] == pytest.approx(table["held_out"][-1], abs=1e-4)
    picture = cv2.imread(str(finished / "pretraining" / "reconstructions.png"))
    assert picture.shape == (8 * (16 + 2), 5 * (16 + 2), 3)  # 4 clips and their reconstructions, 5 frames


def test_the_card_names_the_weights_and_keeps_the_rest(finished: Path) -> None:
    with chdir(finished.parents[1]):
        card = load_encoder_card("small")
        encoder = open_magvit2.load(card, finished, torch.device("cpu"))
    digest = sha256(finished / "encoder.safetensors")
    assert card.weights == FileWeights(file="models/small/encoder.safetensors", sha256=digest)
    recipe = yaml.safe_load((finished / "recipe.yaml").read_text())
    assert recipe["parameters"] == sum(parameter.numel() for parameter in encoder.model.parameters())
    before, after = CARD.split("weights:\n")[0], CARD[CARD.index("# The rest") :]
    text = (finished / "card.yaml").read_text()
    assert text == f"{before}weights:\n  file: models/small/encoder.safetensors\n  sha256: {digest}\n{after}"


def test_every_tensor_is_trained(finished: Path) -> None:
    with chdir(finished.parents[1]):
        architecture = open_magvit2.architecture(load_encoder_card("small"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        start = Magvit2Encoder(architecture).state_dict()
    tensors = load_file(finished / "encoder.safetensors")
    assert tensors.keys() == start.keys()
    for name, tensor in tensors.items():
        assert not torch.equal(tensor, start[name]), name


@pytest.mark.parametrize("step", [1, 3, 4])
def test_a_killed_run_ends_as_one_that_was_not(
    step: int, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the first checkpoint, between two, and right after one; resumed among other random numbers."""
    model = project(tmp_path)
    pretrain_and_kill(model, step, monkeypatch)
    assert not (model / "encoder.safetensors").exists()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        state = torch.random.get_rng_state()
        pretrain(model, resume=True)
        assert torch.equal(torch.random.get_rng_state(), state)
    assert outputs(model) == outputs(finished)


def test_another_seed_gives_other_weights(finished: Path, tmp_path: Path) -> None:
    model = project(tmp_path)
    pretrain(model, seed=4)
    assert outputs(model)["encoder.safetensors"] != outputs(finished)["encoder.safetensors"]


def test_an_unfinished_run_is_neither_overwritten_nor_continued_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = project(tmp_path)
    pretrain_and_kill(model, 3, monkeypatch)
    with pytest.raises(
        UserError, match=r"checkpoint\.pt: an unfinished pretraining is there; continue it with --resume"
    ):
        pretrain(model)
    with pytest.raises(UserError, match=r"checkpoint\.pt: batch was 2 when it was written and is 3 now"):
        pretrain(model, resume=True, batch=3)
    (model / "pretraining" / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match=r"checkpoint\.pt: cannot be read .* start without --resume"):
        pretrain(model, resume=True)


@pytest.mark.parametrize(
    ("old", "new", "frames", "message"),
    [
        (
            "family: open_magvit2",
            "family: placeholder",
            5,
            "family: pretraining needs open_magvit2, got placeholder",
        ),
        ("[1, 2, 2]", "[1]", 5, "multipliers: pretraining needs at least 2 levels, got 1"),
        ("size: 16", "size: 18", 5, r"input\.size: must be a multiple of 4 for its 3 levels, got 18"),
        ("", "", 6, "--frames: must be 1 more than a multiple of 2 for the levels of small, got 6; take 5"),
    ],
)
def test_what_cannot_be_pretrained_is_refused(
    old: str, new: str, frames: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        pretrain(project(tmp_path, CARD.replace(old, new)), frames=frames)


def test_a_card_that_cannot_be_edited_keeps_its_weights_beside_it(tmp_path: Path) -> None:
    card = CARD.replace("weights:\n", "'weights':\n")
    model = project(tmp_path, card)
    with pytest.raises(
        UserError, match=r"card\.yaml: weights: does not begin a line, .*; replace it by hand with"
    ):
        pretrain(model, steps=1)
    assert (model / "card.yaml").read_text() == card
    assert (model / "encoder.safetensors").exists()
    assert not (model / "pretraining" / "checkpoint.pt").exists()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path).parents[1])
    options = "--steps 1 --batch 1 --frames 5 --learning-rate 1e-3 --seed 7 --device cpu --resume"
    app(["pretrain", "small", *options.split()], standalone_mode=False)
    recipe = yaml.safe_load(Path("models/small/recipe.yaml").read_text())
    expected = {"steps": 1, "batch": 1, "frames": 5, "learning_rate": 1e-3, "seed": 7, "device": "cpu"}
    assert recipe.items() >= expected.items()


def test_the_error_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same few clips over and over: an autoencoder that learns at all learns these.
    clips = pretraining_clips(0, 0, 2, 5)
    monkeypatch.setattr(command, "pretraining_clips", lambda seed, start, count, frames: clips[:count])
    monkeypatch.setattr(training, "CHECKPOINT", 40)
    monkeypatch.setattr(command, "SHOWN", 2)
    model = project(tmp_path)
    pretrain(model, steps=80)
    recipe = yaml.safe_load((model / "recipe.yaml").read_text())
    assert recipe["held_out_unexplained_variance"] < 0.9


def test_the_error_leaves_out_what_is_constant_over_a_clip() -> None:
    videos = torch.randn(2, 3, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 9.0]])[..., None, None, None]
    assert float(unexplained(videos + shift, videos)) == pytest.approx(0.0, abs=1e-6)
    assert float(unexplained(shift.expand_as(videos), videos)) == pytest.approx(1.0, rel=1e-6)
    assert float(unexplained(0.5 * videos, videos)) == pytest.approx(0.25, rel=1e-6)


def test_signs_pass_the_gradient() -> None:
    latent = torch.tensor([-0.3, 0.0, 2.0], requires_grad=True)
    codes = quantise(latent)
    assert codes.tolist() == [-1.0, -1.0, 1.0]
    (codes * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert latent.grad is not None
    assert latent.grad.tolist() == [1.0, 2.0, 3.0]


def test_entropy_terms_against_their_closed_form() -> None:
    latent = torch.randn(3, 2, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for channel in latent.double().unbind(1):
        # p(1) from the squared distances of MAGVIT-v2's eq. 4: exp(-(z-1)^2) against exp(-(z+1)^2).
        near, far = np.exp(-((channel.numpy() - 1) ** 2)), np.exp(-((channel.numpy() + 1) ** 2))
        p = (near / (near + far)).ravel()
        entropy = [-q * math.log(q) - (1 - q) * math.log(1 - q) for q in (*p, p.mean())]
        total += np.mean(entropy[:-1]) - entropy[-1]
    assert float(entropy_penalty(latent)) == pytest.approx(total / 2, rel=1e-5)


def test_entropy_terms_stay_finite_where_a_bit_is_certain() -> None:
    latent = torch.tensor([40.0, -40.0, 4.3, 0.0]).reshape(4, 1, 1, 1, 1).requires_grad_()
    entropy_penalty(latent).backward()
    assert latent.grad is not None
    assert bool(latent.grad.isfinite().all())
    even = torch.tensor([30.0, -30.0]).reshape(2, 1, 1, 1, 1)
    assert float(entropy_penalty(even)) == pytest.approx(-math.log(2), rel=1e-4)  # the minimum


@pytest.mark.parametrize(
    ("channels", "groups", "multipliers", "frames"),
    [(4, 2, [1, 2, 2, 4], 5), (4, 2, [1, 2], 9), (4, 2, [1, 1, 2, 2], 5), (12, 4, [1, 2, 2], 5)],
)
def test_the_decoder_mirrors_the_encoder(
    channels: int, groups: int, multipliers: list[int], frames: int
) -> None:
    small = Architecture(
        channels=channels, multipliers=multipliers, res_blocks=1, latent_channels=6, groups=groups
    )
    video = torch.zeros(2, 3, frames, 32, 32)
    with torch.inference_mode():
        assert Magvit2Decoder(small)(quantise(Magvit2Encoder(small)(video))).shape == video.shape


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [training.schedule(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / training.WARM_UP, rel=1e-3)
    assert np.argmax(rates) == training.WARM_UP - 1
    assert rates[500] == pytest.approx(0.5)
    assert 0 < rates[-1] < 1e-4


def test_clips_are_seeded_one_by_one_and_differ() -> None:
    clips = pretraining_clips(1, 0, 6, 5)
    assert clips.shape == (6, 5, 128, 128, 3)
    assert clips.dtype == np.uint8
    assert np.array_equal(clips[4:6], pretraining_clips(1, 4, 2, 5))
    assert not np.array_equal(clips[0], pretraining_clips(2, 0, 1, 5)[0])
    assert len({clip.tobytes() for clip in clips}) == 6
    for clip in clips:
        assert clip.std() > 0
        assert not np.array_equal(clip[0], clip[-1])


def test_the_committed_default_is_what_its_recipe_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    card, folder = load_encoder_card("magvit2_mini"), Path("models/magvit2_mini")
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    weights = folder / "encoder.safetensors"
    digest = sha256(weights)
    assert card.weights == FileWeights(file=weights.as_posix(), sha256=digest)
    assert recipe["weights_sha256"] == digest
    assert recipe["held_out_unexplained_variance"] < 0.847  # of the recipe before: 250 steps of 8 clips
    model = open_magvit2.load(card, folder, torch.device("cpu")).model
    assert sum(parameter.numel() for parameter in model.parameters()) == recipe["parameters"]
    assert weights.stat().st_size < 2.5e6
    # Items of a study are numbered from 0 within a family; seeds may coincide, numbers cannot. Nor are the clips that
    # measured the error among those that were trained on.
    assert FIRST > 10**12
    assert recipe["steps"] * recipe["batch"] < HELD_OUT
