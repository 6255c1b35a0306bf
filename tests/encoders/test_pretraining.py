"""The pretraining recipe, very small: the same bytes twice, an error that falls, gradients that pass straight through
the signs, entropy terms against their closed form, and clips that no study can probe."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from trajprobe.encoders import open_magvit2, pretraining
from trajprobe.encoders.fetching import fetch
from trajprobe.encoders.magvit2_decoder import Magvit2Decoder
from trajprobe.encoders.magvit2_model import Architecture, Magvit2Encoder
from trajprobe.encoders.pretraining import entropy_penalty, quantise, unexplained
from trajprobe.encoders.pretraining_clips import FIRST, pretraining_clips
from trajprobe.params.encoder_card import EncoderCard, load_encoder_card
from trajprobe.params.loading import validate

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"channels": 4, "multipliers": [1, 2, 2], "res_blocks": 1, "latent_channels": 6, "groups": 2}


def card(steps: int, seed: int = 3) -> EncoderCard:
    content = {
        "name": "small",
        "summary": "very small",
        "family": "open_magvit2",
        "architecture": SMALL,
        "weights": {
            "recipe": {
                "steps": steps,
                "batch": 2,
                "frames": 5,
                "learning_rate": 3e-3,
                "threads": 2,
                "seed": seed,
            }
        },
        "training": "here",
        "licence": "Apache-2.0",
        "input": {"frames": "4k+1", "size": 16, "scale": "x/127.5 - 1"},
        "features": {"layer": "mid", "pooling": "mean"},
    }
    return validate(EncoderCard, content, "card")


def made(folder: Path, recipe: EncoderCard) -> bytes:
    folder.mkdir()
    fetch(recipe, folder)
    return (folder / open_magvit2.FILE).read_bytes()


def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path) -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    first = made(tmp_path / "first", card(3))
    torch.manual_seed(1)
    torch.set_num_threads(2)
    try:
        assert made(tmp_path / "second", card(3)) == first
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
        torch.random.set_rng_state(state)
    assert made(tmp_path / "other", card(3, seed=4)) != first


def test_the_provenance_and_a_file_that_loads(tmp_path: Path) -> None:
    recipe = card(2)
    record = fetch(recipe, tmp_path)
    encoder = open_magvit2.load(recipe, tmp_path, torch.device("cpu"))
    tensors = load_file(tmp_path / open_magvit2.FILE)
    assert record["parameters"] == sum(tensor.numel() for tensor in encoder.model.parameters())
    assert str(record["summary"]).startswith(f"{len(tensors)} of {len(tensors)} tensors")
    assert record["recipe"] == recipe.weights.recipe.model_dump()  # type: ignore[union-attr]


def test_the_error_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The same few clips over and over: an autoencoder that learns at all learns these.
    clips = pretraining_clips(0, 0, 2, 5)
    monkeypatch.setattr(pretraining, "pretraining_clips", lambda seed, start, count, frames: clips)
    record = fetch(card(120), tmp_path)
    assert float(str(record["unexplained_variance"])) < 0.85


def test_every_tensor_is_trained(tmp_path: Path) -> None:
    recipe = card(2)
    fetch(recipe, tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        start = Magvit2Encoder(open_magvit2.architecture(recipe)).state_dict()
    for name, tensor in load_file(tmp_path / open_magvit2.FILE).items():
        assert not torch.equal(tensor, start[name]), name


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
    assert float(entropy_penalty(even)) == pytest.approx(-math.log(2), rel=1e-4)  # as good as it gets


def test_the_decoder_mirrors_the_encoder() -> None:
    for multipliers, frames in (([1, 2, 2, 4], 5), ([1, 2], 9), ([1, 1, 2, 2], 5)):
        small = Architecture(channels=4, multipliers=multipliers, res_blocks=1, latent_channels=6, groups=2)
        video = torch.zeros(2, 3, frames, 32, 32)
        with torch.inference_mode():
            codes = quantise(Magvit2Encoder(small)(video))
            assert Magvit2Decoder(small)(codes).shape == video.shape


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


def test_no_study_reaches_the_clips_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    # Items of a study are numbered from 0 within a family; seeds may coincide, numbers cannot.
    assert FIRST > 10**12
    weights = load_encoder_card("magvit2_mini").weights
    assert weights.recipe.seed != 0  # type: ignore[union-attr]
