"""Weights out of a checkpoint with the structure of the published one: the averaged and the raw tensors by their own
names, held against torch's reading of the file; from the checkpoint and uint8 clips to what the original computes of
them; and the audit of a card that does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from servers import COMMIT, Server
from trajprobe.checkpoints.obtain import drop_download
from trajprobe.encoders import open_magvit2
from trajprobe.encoders.fetching import fetch
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, load_encoder_card
from trajprobe.params.loading import validate

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT.parent / "shared" / "reference" / "open_magvit2" / "video_tiny.ckpt"
WHOLE = {"channels": 32, "multipliers": [1, 2, 2, 4], "res_blocks": 1, "latent_channels": 18}

needs_checkpoint = pytest.mark.skipif(not CHECKPOINT.exists(), reason="the shared reference is not there")


def card(family: str = "open_magvit2", ema: bool | None = True, **changes: object) -> EncoderCard:
    content = {
        "name": "tiny",
        "summary": "the published structure, small",
        "family": family,
        "architecture": WHOLE if family == "open_magvit2" else {"channels": 32, "projected": 64, "seed": 0},
        "weights": {"file": str(CHECKPOINT)} | ({} if ema is None else {"ema": ema}),
        "training": "none",
        "licence": "Apache-2.0",
        "input": {"frames": "4k+1", "size": 64, "scale": "x/127.5 - 1"},
        "features": {"layer": "mid", "pooling": "mean"},
    }
    return validate(EncoderCard, {**content, **changes}, "card")


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, torch.Tensor]:
    content = torch.load(CHECKPOINT, map_location="cpu", weights_only=False)
    return dict(content["state_dict"])


@needs_checkpoint
@pytest.mark.parametrize("ema", [True, False])
def test_the_encoder_and_nothing_else(ema: bool, checkpoint: dict[str, torch.Tensor], tmp_path: Path) -> None:
    record = fetch(card(ema=ema), tmp_path)
    found = load_file(tmp_path / "encoder.safetensors")
    assert len(found) == 43
    for name, tensor in found.items():
        theirs = f"model_ema.encoder{name.replace('.', '')}" if ema else f"encoder.{name}"
        assert torch.equal(tensor, checkpoint[theirs]), name
    kind = "EMA" if ema else "raw"
    assert (
        record["summary"]
        == f"43 of 43 tensors, {sum(map(torch.numel, found.values())) / 1e6:.1f} M parameters, {kind}"
    )
    assert record["tensors"] == {"read": 43, "expected": 43, "unused": len(checkpoint) - 43}
    json.dumps(record, allow_nan=False)


@needs_checkpoint
def test_the_stem_takes_one_tensor_of_the_same_file(
    checkpoint: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    record = fetch(card("stem"), tmp_path)
    found = load_file(tmp_path / "encoder.safetensors")
    assert list(found) == ["conv_in.conv_1.weight"]
    assert torch.equal(found["conv_in.conv_1.weight"], checkpoint["model_ema.encoderconv_inconv_1weight"])
    assert record["tensors"] == {"read": 1, "expected": 1, "unused": len(checkpoint) - 1}


@needs_checkpoint
@pytest.mark.parametrize("ema", [True, False])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"res_blocks": 2}, "missing .*block.1"),
        ({"multipliers": [1, 2, 2]}, "unexpected .*down"),
        ({"latent_channels": 16}, r"2 misshapen \(conv_out.conv_1"),
    ],
)
def test_a_card_that_does_not_fit_names_what_differs(
    change: dict[str, object], told: str, ema: bool, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        fetch(card(ema=ema, architecture={**WHOLE, **change}), tmp_path)
    assert list(tmp_path.iterdir()) == []


@needs_checkpoint
def test_one_download_serves_the_encoder_and_its_stem(
    server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.put_model("someone/video", {"video.ckpt": CHECKPOINT})
    (cdn,) = (path for path in server.resources if path.startswith("/cdn/"))
    weights = {"hub": "someone/video", "file": "video.ckpt", "ema": True}
    cards = [card(family, weights=weights) for family in ("open_magvit2", "stem")]
    for one in cards:
        (tmp_path / one.family).mkdir()
        assert fetch(one, tmp_path / one.family)["revision"] == COMMIT
    assert len(server.gets(cdn)) == 1
    # Who drops the original pays for it again, and gets the same.
    drop_download(cards[1].weights)
    first = (tmp_path / "stem" / "encoder.safetensors").read_bytes()
    fetch(cards[1], tmp_path / "stem")
    assert len(server.gets(cdn)) == 2
    assert (tmp_path / "stem" / "encoder.safetensors").read_bytes() == first


def test_the_shipped_cards_name_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert load_encoder_card("open_magvit2").weights == load_encoder_card("open_magvit2_stem").weights


def test_no_weights_at_all(tmp_path: Path) -> None:
    noise = card("placeholder", weights="none", architecture={"width": 8})
    assert fetch(noise, tmp_path) == {"summary": "no weights: seeded noise"}
    with pytest.raises(UserError, match="card of tiny: weights: the family 'stem' cannot come from"):
        fetch(card("stem", weights="none"), tmp_path)


@needs_checkpoint
@pytest.mark.parametrize("ema", [None, True, False])
def test_from_the_checkpoint_to_what_the_original_computes(ema: bool | None, tmp_path: Path) -> None:
    tiny = card(ema=ema)
    fetch(tiny, tmp_path)
    encoder = open_magvit2.load(tiny, tmp_path, torch.device("cpu"))
    kind = "raw" if ema is False else "ema"  # averaged weights by default, as the original evaluates
    with np.load(CHECKPOINT.with_name("video_tiny_reference.npz")) as saved, torch.inference_mode():
        for frames in (1, 5, 17):
            clips = torch.from_numpy(saved[f"video_T{frames}"])
            found = {n: f.grid.numpy() for n, f in encoder.encode(clips, ["mid", "latent", "codes"]).items()}
            latent = np.moveaxis(saved[f"latent_{kind}_T{frames}"], 1, -1)
            assert relative_error(found["latent"], latent) <= 1e-5
            channels = latent.shape[-1]
            assert np.array_equal(found["codes"][..., :channels], latent > 0)
            if kind == "ema":
                before = np.moveaxis(saved[f"pre_norm_out_ema_T{frames}"], 1, -1)
                assert relative_error(found["mid"], before) <= 1e-5
                places = 2 ** np.arange(channels)
                codes = (found["codes"][..., :channels] * places).sum(axis=-1)
                assert np.array_equal(codes, saved[f"codes_ema_T{frames}"])
            alone = encoder.encode(clips[:1], ["latent"])["latent"].grid  # batches of one are no exception
            assert np.array_equal(alone.numpy(), found["latent"][:1])


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
