"""State dict files become `encoder.safetensors`: the published structure with averaged and raw tensors, real weights,
half precision, and what training code wraps around a model. The oracle is torch's reading of the same files.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from servers import COMMIT, Server
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.encoders import resnet
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.encoders.open_magvit2.network import GroupNorm
from trajprobe.fetch.resolve import drop_download
from trajprobe.fetch.stage import fetch

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
CHECKPOINT = SHARED / "reference" / "open_magvit2" / "video_tiny.ckpt"
RESNET = SHARED / "mirror" / "resnet20-12fca82f.th"
WHOLE = {"channels": 32, "multipliers": [1, 2, 2, 4], "res_blocks": 1, "latent_channels": 18}
CPU = torch.device("cpu")

needs_checkpoint = pytest.mark.skipif(not CHECKPOINT.exists(), reason="the shared reference is not there")
needs_resnet = pytest.mark.skipif(not RESNET.exists(), reason="the shared mirror is not there")
Tensors = dict[str, torch.Tensor]


def card(family: str = "open_magvit2", ema: bool | None = True, **changes: object) -> EncoderCard:
    architecture = {"open_magvit2": WHOLE, "resnet": {"depth": 8}}
    content = {
        "name": "tiny",
        "summary": "the published structure, small",
        "family": family,
        "architecture": architecture.get(family, {"channels": 32, "projected": 64, "seed": 0}),
        "weights": {"file": str(CHECKPOINT)} | ({} if ema is None else {"ema": ema}),
        "training": "none",
        "licence": "Apache-2.0",
        "input": {"frames": "4k+1", "size": 64, "scale": "x/127.5 - 1"},
        "features": {"layer": "mid", "pooling": "mean"},
    }
    return validate(EncoderCard, {**content, **changes}, "card")


@pytest.fixture(scope="module")
def checkpoint() -> Tensors:
    content = torch.load(CHECKPOINT, map_location="cpu", weights_only=False)
    return dict(content["state_dict"])


@needs_checkpoint
@pytest.mark.parametrize("ema", [True, False])
def test_the_encoder_and_nothing_else(ema: bool, checkpoint: Tensors, tmp_path: Path) -> None:
    record = fetch(card(ema=ema), tmp_path)
    found = load_file(tmp_path / "encoder.safetensors")
    assert len(found) == 43
    for name, tensor in found.items():
        theirs = f"model_ema.encoder{name.replace('.', '')}" if ema else f"encoder.{name}"
        assert torch.equal(tensor, checkpoint[theirs]), name
    millions = sum(map(torch.numel, found.values())) / 1e6
    kind = "EMA" if ema else "raw"
    assert record["summary"] == f"43 of 43 tensors, {millions:.1f} M parameters, {kind}"
    assert record["prefix"] == ("model_ema.encoder* without dots" if ema else "encoder.")
    assert record["tensors"] == {"read": 43, "expected": 43, "unused": len(checkpoint) - 43}
    json.dumps(record, allow_nan=False)


@needs_checkpoint
def test_the_stem_takes_one_tensor_of_the_same_file(checkpoint: Tensors, tmp_path: Path) -> None:
    record = fetch(card("stem"), tmp_path)
    found = load_file(tmp_path / "encoder.safetensors")
    assert list(found) == ["conv_in.conv_1.weight"]
    assert torch.equal(found["conv_in.conv_1.weight"], checkpoint["model_ema.encoderconv_inconv_1weight"])
    assert record["tensors"] == {"read": 1, "expected": 1, "unused": len(checkpoint) - 1}


@needs_checkpoint
@pytest.mark.parametrize("ema", [True, False])
def test_a_card_that_does_not_fit_names_what_differs(ema: bool, tmp_path: Path) -> None:
    for change, message in (
        ({"res_blocks": 2}, "missing .*block.1"),
        ({"multipliers": [1, 2, 2]}, "unexpected .*down"),
        ({"latent_channels": 16}, r"2 misshapen \(conv_out.conv_1"),
    ):
        with pytest.raises(UserError, match=message):
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
    # A dropped original is downloaded again, to the same result.
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
    for family in ("stem", "resnet", "open_magvit2"):
        with pytest.raises(UserError, match=f"weights: the family {family} needs a checkpoint: give `url`"):
            fetch(card(family, weights="none"), tmp_path)


@needs_checkpoint
@pytest.mark.parametrize("ema", [None, False])
def test_from_the_checkpoint_to_what_the_original_computes(
    ema: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The original's numbers carry the error of torch's group norm (see tests/encoders/test_magvit2_model.py).
    monkeypatch.setattr(GroupNorm, "forward", torch.nn.GroupNorm.forward)
    tiny = card(ema=ema)
    fetch(tiny, tmp_path)
    encoder = open_magvit2.load(tiny, tmp_path, CPU)
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


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@needs_resnet
def test_the_published_resnet(download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(RESNET.parent))
    shipped = load_encoder_card("cifar_resnet20")
    record = fetch(shipped, tmp_path)
    assert record["tensors"] == {"read": 95, "expected": 95, "unused": 2}
    # 0.27 M, without the classifier, with running statistics
    assert record["parameters"] == 269722 - 10 * 65 + 2 * 688
    assert (record["sha256"], record["revision"]) == (shipped.weights.sha256, None)
    published = torch.load(RESNET, map_location=CPU, weights_only=True)["state_dict"]
    for name, tensor in resnet.load(shipped, tmp_path, CPU).network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, published[f"module.{name}"])
    with pytest.raises(UserError, match="missing"):
        fetch(shipped.model_copy(update={"architecture": {"depth": 32}}), tmp_path)


@pytest.fixture
def network() -> Tensors:
    """A ResNet with its classifier and counters, trained enough that no tensor is trivial."""
    generator = torch.Generator().manual_seed(0)
    state = dict(resnet.network(card("resnet")).state_dict())
    state = {
        n: torch.rand(t.shape, generator=generator) if t.is_floating_point() else t for n, t in state.items()
    }
    return {**state, "linear.weight": torch.ones(10, 64), "linear.bias": torch.ones(10)}


def wrapped(state: Tensors, prefix: str = "", dots: bool = True) -> Tensors:
    return {
        prefix + (name if dots else name.replace(".", "")): tensor.clone() for name, tensor in state.items()
    }


def save(content: Any, folder: Path) -> EncoderCard:
    torch.save(content, folder / "made.ckpt")
    return card("resnet", weights={"file": str(folder / "made.ckpt")})


def converted(content: Any, folder: Path, ema: bool | None = None) -> tuple[Tensors, dict[str, Any]]:
    made = save(content, folder)
    made = made.model_copy(update={"weights": made.weights.model_copy(update={"ema": ema})})
    record = fetch(made, folder)
    return load_file(folder / "encoder.safetensors"), record


def same(found: Tensors, state: Tensors) -> bool:
    return bool(found) and all(torch.equal(found[name], state[name]) for name in found)


WRAPPINGS: list[tuple[Any, str]] = [
    (lambda state: state, ""),
    (lambda state: {"epoch": 3, "state_dict": wrapped(state, "module.")}, "module."),
    (lambda state: {"model_state_dict": wrapped(state, "_orig_mod.")}, "_orig_mod."),
    (
        lambda state: {"model": wrapped(state, "_forward_module.model.encoder.")},
        "_forward_module.model.encoder.",
    ),
    (lambda state: {"module.backbone": state}, "module.backbone."),
    (lambda state: {"model": {"encoder": state, "decoder": {"conv1.weight": torch.ones(3)}}}, "encoder."),
]


@pytest.mark.parametrize(("wrap", "prefix"), WRAPPINGS, ids=[prefix or "bare" for _, prefix in WRAPPINGS])
def test_wrappings_are_removed_and_recorded(wrap: Any, prefix: str, network: Tensors, tmp_path: Path) -> None:
    found, record = converted(wrap(network), tmp_path)
    assert same(found, network)
    assert len(found) == record["tensors"]["expected"]
    assert (record["prefix"], record["variant"]) == (prefix, None)


@pytest.mark.parametrize("container", ["state_dict", "model_state_dict", "model", "ema", None])
@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "_forward_module.module.", "model.encoder.", "net."]
)
def test_every_container_with_every_wrapper(
    container: str | None, prefix: str, network: Tensors, tmp_path: Path
) -> None:
    state = wrapped(network, prefix)
    found, record = converted({container: state, "epoch": 3} if container else state, tmp_path)
    assert same(found, network)
    averaged = container == "ema"
    assert record["prefix"] == ("ema." if averaged else "") + prefix
    assert record["variant"] == ("EMA" if averaged else None)


def test_averaged_copies_are_taken_as_the_card_says(network: Tensors, tmp_path: Path) -> None:
    averaged = {name: tensor / 2 for name, tensor in network.items()}
    for content in (
        {"model": network, "ema": averaged},
        {"state_dict": wrapped(network) | wrapped(averaged, "model_ema.", dots=False)},
    ):
        for ema, state, variant in (
            (None, averaged, "EMA"),
            (True, averaged, "EMA"),
            (False, network, "raw"),
        ):
            found, record = converted(content, tmp_path, ema)
            assert same(found, state)
            assert record["variant"] == variant
            assert record["summary"].endswith(f", {variant}")
    with pytest.raises(UserError, match="set `ema: false` in the card"):
        converted({"model": network}, tmp_path, ema=True)


def test_two_copies_must_be_equal(network: Tensors, tmp_path: Path) -> None:
    twice = {**wrapped(network, "module."), **wrapped(network, "model.")}
    assert same(converted(twice, tmp_path)[0], network)
    shared = {
        f"{prefix}.{name}": tensor for prefix in ("module", "model") for name, tensor in network.items()
    }
    assert same(converted(shared, tmp_path)[0], network)
    twice["model.bn1.bias"] += 1e-3
    with pytest.raises(UserError, match=r"two different copies of the encoder, model\.\* and module\.\*"):
        converted(twice, tmp_path)
    made = save(twice, tmp_path)
    chosen = made.model_copy(update={"weights": made.weights.model_copy(update={"prefix": "module."})})
    assert fetch(chosen, tmp_path)["prefix"] == "module."
    assert same(load_file(tmp_path / "encoder.safetensors"), network)
    with pytest.raises(UserError, match="two different copies"):
        converted({"model": network, "state_dict": {n: t + 1 for n, t in network.items()}}, tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("form", ["torch", "safetensors"])
def test_a_committed_file_in_half_precision(
    form: str, dtype: torch.dtype, network: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bare names at a path relative to the repository; stored in halves, read back exactly as float32."""
    monkeypatch.chdir(tmp_path)
    path = Path("models/tiny/encoder.safetensors")
    path.parent.mkdir(parents=True)
    stored = {
        n: t.to(dtype) for n, t in network.items() if not n.startswith("linear") and t.is_floating_point()
    }
    torch.save(stored, path) if form == "torch" else save_file(stored, path)
    weights = Path("weights")
    weights.mkdir()
    record = fetch(card("resnet", weights={"file": str(path)}), weights)
    assert record["source"] == str(path)
    found = load_file(weights / "encoder.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert found.keys() == stored.keys()
    assert same(found, {name: tensor.float() for name, tensor in stored.items()})


def test_values_that_cannot_be_are_refused(network: Tensors, tmp_path: Path) -> None:
    for name, value, message in (
        ("conv1.weight", float("nan"), "conv1.weight has 1 NaN or infinite values of 432"),
        ("layer1.0.bn1.bias", float("inf"), "layer1.0.bn1.bias has 1 NaN or infinite values of 16"),
        ("bn1.running_var", -0.5, "bn1.running_var is a variance and has negative values"),
    ):
        damaged = wrapped(network)
        damaged[name].view(-1)[3] = value
        with pytest.raises(UserError, match=message):
            converted(damaged, tmp_path)
    with pytest.raises(UserError, match=r"no tensor has two different values \(bn1.bias is 0 throughout\)"):
        converted({name: torch.zeros_like(tensor) for name, tensor in network.items()}, tmp_path)
    large = {name: tensor.double() for name, tensor in network.items()}
    large["conv1.weight"].view(-1)[0] = 1e300  # infinite in float32
    with pytest.raises(UserError, match="has 1 NaN or infinite"):
        converted(large, tmp_path)
    assert not (tmp_path / "encoder.safetensors").exists()


def test_tensors_that_are_left_over_stop(network: Tensors, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 unexpected \(module.layer4.weight\)"):
        converted(wrapped({**network, "layer4.weight": torch.ones(3)}, "module."), tmp_path)
    with pytest.raises(UserError, match=r"its 44 tensors \(.*\) are not named like the encoder's 35 \(conv1"):
        converted({f"tensor.{number}": tensor for number, tensor in enumerate(network.values())}, tmp_path)
