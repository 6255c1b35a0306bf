"""Every card of the family `transformers`, with a tiny checkpoint of its own architecture from a local hub.

The features equal those of the library's own model, loaded by the library from the published files. A model of
VideoMAE written here from its paper confirms that the query and value biases reach the forward pass. Maps are laid out
as the tokens were made. Random arms are seeded, of the library's own initialisation, and keep what the card says.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

import tiny_hub
from servers import Server
from trajprobe.artifacts.encoder_card import EncoderCard, load_encoder_card
from trajprobe.core.errors import UserError
from trajprobe.encoders.registry import family
from trajprobe.encoders.transformers import encoder as hub_vision
from trajprobe.encoders.transformers.encoder import HubEncoder
from trajprobe.encoders.transformers.processor import parse_processor
from trajprobe.fetch.stage import fetch

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
Fetch = Callable[..., tuple[EncoderCard, Path]]


def clips(count: int = 2, frames: int = 5, size: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, frames, size, size, 3), dtype=np.uint8)
    )


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], EncoderCard]:
    monkeypatch.chdir(ROOT)
    return load_encoder_card


@pytest.fixture
def fetched(tmp_path: Path, card: Callable[[str], EncoderCard]) -> Fetch:
    """Publish a tiny checkpoint in a folder, and fetch it from there as the card says, with changes to both."""

    def run(name: str, edit: Callable[[dict[str, Any]], None] = lambda tensors: None, **changes: Any) -> Any:
        published = tiny_hub.publish(name, tmp_path / "published")
        file = published / "model.safetensors"
        if file.exists():
            tensors = load_file(file)
            edit(tensors)
            save_file(tensors, file)
        weights = tmp_path / "weights"
        weights.mkdir(exist_ok=True)
        made = tiny_hub.tiny(card(name), {"file": str(published)}, **changes)
        fetch(made, weights)
        return made, weights

    return run


def encoded(encoder: HubEncoder, shown: torch.Tensor, layer: str) -> torch.Tensor:
    with torch.inference_mode():
        return encoder.encode(shown, [layer])[layer].grid


@pytest.mark.parametrize("name", sorted(tiny_hub.MODELS))
def test_each_card_from_a_local_hub_equals_the_library(
    name: str,
    card: Any,
    server: Server,
    download_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    published = tiny_hub.publish(name, tmp_path / "published")
    weights = card(name).weights
    files = {path.name: path.read_bytes() for path in published.iterdir()}
    server.put_model(weights.hub, files, **({"commit": weights.revision} if weights.revision else {}))
    folder = tmp_path / "weights"
    folder.mkdir()
    made = tiny_hub.tiny(card(name), weights.model_dump())
    record = fetch(made, folder)
    assert record["tensors"]["read"] == record["tensors"]["expected"]
    assert record["source"] == f"hub:{weights.hub}"
    assert record["revision"] == weights.revision or weights.revision is None

    encoder = family("transformers").load(made, folder, CPU)
    shown = clips()
    with torch.inference_mode():
        maps = encoder.encode(shown, encoder.layers)
    assert {"hidden.0", "hidden.1", "last"} <= set(encoder.layers)
    assert all(layer.grid.dtype == torch.float32 for layer in maps.values())
    for headline in made.features.layer:
        assert headline in maps

    with tiny_hub.silent():
        model = transformers.AutoModel.from_pretrained(published).eval()
    frames = made.input.frames if isinstance(made.input.frames, int) else 5
    rows = [round(index * 4 / (frames - 1)) for index in range(frames)]
    assert rows == sorted(rows)
    pixels = parse_processor(tiny_hub.PROCESSORS[name], name)(shown[:, rows].flatten(0, 1))
    video = model.config.model_type not in ("clip", "dinov2", "siglip")
    pixels = pixels.unflatten(0, (2, frames)) if video else pixels
    call = {"clip": "get_image_features", "siglip": "get_image_features", "xclip": "get_video_features"}
    run = getattr(model, call.get(model.config.model_type, "forward"))
    key = "pixel_values_videos" if name in ("vjepa2_vitl", "videoprism_base") else "pixel_values"
    with torch.inference_mode():
        output = run(**{key: pixels}, output_hidden_states=True)
    if "pooled" in maps:
        expected = output.pooler_output.reshape(maps["pooled"].grid.shape)
        torch.testing.assert_close(maps["pooled"].grid, expected, atol=1e-5, rtol=1e-4)
    last, got = output.last_hidden_state, maps["last"]
    assert got.grid.shape[:4] == (2, frames // encoder.tubelet, 2, 2)
    if got.cls is not None:
        torch.testing.assert_close(got.cls.flatten(0, 1), last[:, 0], atol=1e-5, rtol=1e-4)
        last = last[:, 1:]
    if name == "timesformer_k400":  # (height, width, time)
        last = last.unflatten(1, (2, 2, 8)).permute(0, 3, 1, 2, 4)
    torch.testing.assert_close(got.grid.flatten(), last.flatten(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["videomae_base", "timesformer_k400", "vivit_k400", "clip_vit_b32", "vjepa2_vitl"]
)
def test_positions_in_a_map_are_where_the_pixels_were(name: str, fetched: Fetch) -> None:
    """hidden.0 is computed patch by patch: changing a corner of one frame changes it there and nowhere else."""
    made, folder = fetched(name)
    encoder = hub_vision.load(made, folder, CPU)
    frames = made.input.frames if isinstance(made.input.frames, int) else 8
    # At the model's own size, so that nothing is interpolated; centre crops remove 2 of 36 pixels on each side.
    size = encoder.processor.resized or tiny_hub.SIDE
    shown = clips(1, frames, size)
    edge = (size - tiny_hub.SIDE) // 2
    touched = shown.clone()
    touched[0, 6, edge : edge + 4, edge + 16 : edge + 20] ^= 255  # the right one of the upper patches
    before, after = (encoded(encoder, c, "hidden.0") for c in (shown, touched))
    moved = (before - after).abs().amax(dim=-1)[0] > 1e-6
    assert moved.nonzero().tolist() == [[6 // encoder.tubelet, 0, 1]]


def videomae(tensors: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """Tokens (n, 32, 16) for pixels (n, 16, 3, 32, 32), from the published names, written from arXiv 2203.12602.

    The original joins the biases of query, key and value as (q_bias, 0, v_bias).
    """
    t = {name.removeprefix("videomae."): tensor for name, tensor in tensors.items()}
    x = F.conv3d(
        pixels.transpose(1, 2),
        t["embeddings.patch_embeddings.projection.weight"],
        t["embeddings.patch_embeddings.projection.bias"],
        stride=(2, 16, 16),
    )
    x = x.flatten(2).transpose(1, 2)
    place = torch.arange(x.shape[1], dtype=torch.float64)[:, None]
    angle = place / 10000 ** (2 * (torch.arange(16) // 2) / 16)
    table = torch.where(torch.arange(16) % 2 == 0, angle.sin(), angle.cos()).float()
    x = x + table
    for block in range(2):

        def name(end: str, block: int = block) -> torch.Tensor:
            return t[f"encoder.layer.{block}.{end}"]

        y = F.layer_norm(x, (16,), name("layernorm_before.weight"), name("layernorm_before.bias"), 1e-12)
        query, key, value = (
            F.linear(y, name(f"attention.attention.{part}.weight"), bias)
            .unflatten(-1, (2, 8))
            .transpose(1, 2)
            for part, bias in (
                ("query", name("attention.attention.q_bias")),
                ("key", None),
                ("value", name("attention.attention.v_bias")),
            )
        )
        y = ((query @ key.transpose(-2, -1)) / 8**0.5).softmax(-1) @ value
        y = y.transpose(1, 2).flatten(2)
        x = x + F.linear(y, name("attention.output.dense.weight"), name("attention.output.dense.bias"))
        y = F.layer_norm(x, (16,), name("layernorm_after.weight"), name("layernorm_after.bias"), 1e-12)
        y = F.gelu(F.linear(y, name("intermediate.dense.weight"), name("intermediate.dense.bias")))
        x = x + F.linear(y, name("output.dense.weight"), name("output.dense.bias"))
    return F.layer_norm(x, (16,), t["layernorm.weight"], t["layernorm.bias"], 1e-12)


def test_videomae_with_its_biases_is_what_the_paper_describes(fetched: Fetch, tmp_path: Path) -> None:
    made, folder = fetched("videomae_base")
    published = load_file(tmp_path / "published" / "model.safetensors")
    assert "videomae.encoder.layer.1.attention.attention.v_bias" in published  # as transformers 4 wrote it
    encoder = hub_vision.load(made, folder, CPU)
    shown = clips(2, 16)
    pixels = encoder.processor(shown.flatten(0, 1)).unflatten(0, (2, 16))
    expected = videomae(published, pixels).unflatten(1, (8, 2, 2))
    torch.testing.assert_close(encoded(encoder, shown, "last"), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("bias", ["q_bias", "v_bias"])
def test_a_perturbed_bias_of_videomae_changes_the_features(bias: str, fetched: Fetch) -> None:
    made, folder = fetched("videomae_base")
    before = encoded(hub_vision.load(made, folder, CPU), clips(), "last")

    def perturb(tensors: dict[str, torch.Tensor]) -> None:
        name = f"videomae.encoder.layer.0.attention.attention.{bias}"
        tensors[name] += torch.linspace(-1, 1, 16)

    made, folder = fetched("videomae_base", perturb)
    after = encoded(hub_vision.load(made, folder, CPU), clips(), "last")
    assert float((before - after).abs().max()) > 1e-3


def test_a_random_arm_is_the_librarys_own_initialisation(fetched: Fetch) -> None:
    made, folder = fetched("videomae_base")
    first, again, other = (hub_vision.initialise(made, folder, seed, CPU) for seed in (0, 0, 1))
    state = torch.random.get_rng_state()
    a, b, c = (encoded(encoder, clips(), "last") for encoder in (first, again, other))
    assert torch.equal(a, b)
    assert not torch.allclose(a, c, atol=1e-2)
    assert torch.equal(state, torch.random.get_rng_state())
    weight = first.model.module.get_parameter("encoder.layer.0.intermediate.dense.weight")
    assert float(weight.std()) == pytest.approx(0.02, rel=0.15)  # initializer_range
    pretrained = load_file(folder / "encoder.safetensors")
    random = first.model.module.state_dict()
    assert set(random) == set(pretrained)
    shared = [name for name in random if torch.equal(random[name], pretrained[name])]
    assert shared == []  # nothing of the pretraining is left


def test_random_arms_may_keep_the_trained_clock_or_the_trained_scale(fetched: Fetch) -> None:
    features = {"random": {"positions": "pretrained"}}
    made, folder = fetched("timesformer_k400", features=features)
    pretrained = load_file(folder / "encoder.safetensors")
    module = hub_vision.initialise(made, folder, 0, CPU).model.module
    kept = [name for name, tensor in module.state_dict().items() if torch.equal(tensor, pretrained[name])]
    assert kept == ["embeddings.position_embeddings", "embeddings.time_embeddings"]

    made, folder = fetched("timesformer_k400", features={"random": {"recipe": "shuffled_weights"}})
    module = hub_vision.initialise(made, folder, 0, CPU).model.module
    again = hub_vision.initialise(made, folder, 0, CPU).model.module
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor.flatten().sort().values, pretrained[name].flatten().sort().values)
        assert not torch.equal(tensor, pretrained[name])
        assert torch.equal(tensor, again.state_dict()[name])

    made, folder = fetched("videomae_base", features=features)  # its positions are fixed sines
    with pytest.raises(UserError, match="learns no positions"):
        hub_vision.initialise(made, folder, 0, CPU)


def test_a_clip_does_not_depend_on_its_batch(fetched: Fetch) -> None:
    made, folder = fetched("xclip_b32")
    encoder = hub_vision.load(made, folder, CPU)
    shown = clips(3)
    together = encoded(encoder, shown, "pooled")
    alone = torch.cat([encoded(encoder, clip[None], "pooled") for clip in shown])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_an_eleventh_encoder_takes_ten_lines_of_yaml(
    server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(tiny_hub.ELEVENTH.splitlines()) <= 10
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    model = tiny_hub.publish_eleventh(tmp_path / "published")
    server.put_model("someone/resnet", {p.name: p.read_bytes() for p in (tmp_path / "published").iterdir()})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "eleventh" / "weights").mkdir(parents=True)
    (tmp_path / "models" / "eleventh" / "card.yaml").write_text(tiny_hub.ELEVENTH)
    made = load_encoder_card("eleventh")
    fetch(made, tmp_path / "models/eleventh/weights")
    encoder = family(made.family).load(made, tmp_path / "models/eleventh/weights", CPU)
    assert list(encoder.layers) == ["hidden.0", "hidden.1", "hidden.2", "last", "pooled"]
    shown = clips()
    with torch.inference_mode():
        maps = encoder.encode(shown, ["pooled", "last"])
        pixels = parse_processor(tiny_hub.ELEVENTH_PROCESSOR, "")(shown.flatten(0, 1))
        expected = model.resnet(pixels)
    assert maps["last"].grid.shape == (2, 5, 4, 4, 16)
    torch.testing.assert_close(maps["last"].grid[1, 3, 2, 1], expected.last_hidden_state[8, :, 2, 1])
    torch.testing.assert_close(maps["pooled"].grid.flatten(), expected.pooler_output.flatten())


@pytest.mark.parametrize("kind", ["Swin", "Swinv2", "Hiera"])
def test_a_network_that_merges_patches_between_blocks(kind: str, tmp_path: Path) -> None:
    """Maps become coarser from layer to layer; the library's own rearrangement is the oracle."""
    settings: dict[str, Any] = {"depths": [1, 1], "num_heads": [2, 2], "embed_dim": 12}
    settings |= {"image_size": 32, "patch_size": 4, "window_size": 4}
    if kind == "Hiera":
        settings = {"embed_dim": 8, "image_size": [64, 64], "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
    side = 64 if kind == "Hiera" else 32
    with tiny_hub.silent(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}Model")(
            getattr(transformers, f"{kind}Config")(**settings)
        ).eval()
        model.save_pretrained(tmp_path / "published")
    processor = {"resample": 3, "size": side, **tiny_hub.HALVES}
    (tmp_path / "published" / "preprocessor_config.json").write_text(json.dumps(processor))
    made = EncoderCard.model_validate(
        {
            **yaml.safe_load(tiny_hub.ELEVENTH),
            "architecture": {},
            "weights": {"file": str(tmp_path / "published")},
            "input": {"frames": "any", "size": side, "scale": "processor"},
        }
    )
    (tmp_path / "weights").mkdir()
    fetch(made, tmp_path / "weights")
    encoder = hub_vision.load(made, tmp_path / "weights", CPU)
    shown = clips(2, 3, side)
    with torch.inference_mode():
        maps = encoder.encode(shown, encoder.layers)
        pixels = parse_processor(processor, "")(shown.flatten(0, 1))
        expected = model(pixels, output_hidden_states=True)
    for index, values in enumerate(expected.reshaped_hidden_states):
        channels = expected.hidden_states[index].shape[-1]
        grid = values if values.shape[-1] == channels else values.permute(0, 2, 3, 1)
        torch.testing.assert_close(maps[f"hidden.{index}"].grid.flatten(0, 1), grid, atol=1e-5, rtol=1e-4)
    assert maps["hidden.0"].grid.shape[2] > maps["last"].grid.shape[2]
    assert maps["pooled"].grid.shape[:4] == (2, 3, 1, 1)


def test_without_transformers_its_family_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("trajprobe.encoders.transformers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        UserError, match="needs the package transformers: install trajprobe with its extra `hub`"
    ):
        family("transformers")
