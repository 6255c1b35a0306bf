"""Fetching for the family `transformers`: a tensor that is missing, left over or misshapen stops the stage, also where
the library would continue or stay silent; every mistake of a user is one line with a remedy.
"""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import tiny_hub
from servers import Server
from trajprobe.artifacts.encoder_card import EncoderCard, HubWeights, load_encoder_card
from trajprobe.core.errors import UserError
from trajprobe.core.files import sha256
from trajprobe.encoders.transformers import encoder as hub_vision
from trajprobe.fetch import hub_folder
from trajprobe.fetch.stage import fetch

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


class Checkpoint:
    """A tiny published VideoMAE (or another card's), to be damaged and fetched."""

    def __init__(self, folder: Path, name: str = "videomae_base") -> None:
        self.published = tiny_hub.publish(name, folder / "published")
        self.weights = folder / "weights"
        self.weights.mkdir()
        self.card = tiny_hub.tiny(load_encoder_card(name), {"file": str(self.published)})

    def edit(self, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
        file = self.published / "model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    def configure(self, file: str = "config.json", **changes: Any) -> None:
        path = self.published / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def with_card(self, **sections: Any) -> EncoderCard:
        content = self.card.model_dump(
            exclude_none=True
        )  # a file has keys that a repository of the hub lacks
        for section, value in sections.items():
            content[section] = {**content[section], **value} if isinstance(value, dict) else value
        return EncoderCard.model_validate(content)

    def refusal(self, card: EncoderCard | None = None) -> str:
        with pytest.raises(UserError) as caught:
            fetch(card or self.card, self.weights)
        assert "\n" not in str(caught.value)
        assert not (self.weights / "encoder.safetensors").exists()
        return str(caught.value)

    def refusal_again(self) -> str:
        """The refusal after the weights were fetched once."""
        (self.weights / "encoder.safetensors").unlink()
        return self.refusal()


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    monkeypatch.chdir(ROOT)
    return Checkpoint(tmp_path)


BLOCK = "videomae.encoder.layer.1"


def test_a_missing_tensor_stops(checkpoint: Checkpoint) -> None:
    checkpoint.edit(lambda tensors: tensors.pop(f"{BLOCK}.output.dense.weight"))
    assert "1 missing (encoder.layer.1.output.dense.weight)" in checkpoint.refusal()


def test_a_tensor_too_many_stops(checkpoint: Checkpoint) -> None:
    checkpoint.edit(lambda tensors: tensors.update({f"{BLOCK}.adapter.weight": torch.ones(3)}))
    assert f"1 unexpected ({BLOCK}.adapter.weight)" in checkpoint.refusal()


def test_a_misshapen_tensor_stops(checkpoint: Checkpoint) -> None:
    checkpoint.edit(lambda tensors: tensors.update({f"{BLOCK}.output.dense.weight": torch.ones(16, 30)}))
    assert "encoder.layer.1.output.dense.weight 16×30 for 16×32" in checkpoint.refusal()


def test_a_head_has_to_be_named(checkpoint: Checkpoint) -> None:
    assert "21 unexpected (decoder.decoder_layers.0." in checkpoint.refusal(
        checkpoint.with_card(architecture={"unused": []})
    )


def test_a_library_that_has_forgotten_the_old_names_is_caught(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers 5.0 to 5.17 had no rule for q_bias and v_bias, and left the biases at zero."""
    monkeypatch.setattr("transformers.modeling_utils.get_model_conversion_mapping", lambda *_a, **_k: [])
    message = checkpoint.refusal()
    assert "4 missing (encoder.layer.0.attention.attention.query.bias" in message
    assert re.search(r"4 unexpected \(\S*layer.\d.attention.attention.[qv]_bias", message)


def test_a_library_that_drops_biases_and_reports_nothing_is_caught(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = transformers.VideoMAEModel.from_pretrained

    def drops(*args: Any, **kwargs: Any) -> Any:
        module, report = honest(*args, **kwargs)
        for layer in module.encoder.layer:
            layer.attention.attention.query.bias = layer.attention.attention.value.bias = None
        return module, report

    monkeypatch.setattr(transformers.VideoMAEModel, "from_pretrained", drops)
    message = checkpoint.refusal()
    assert re.search(
        r"takes \d+ values of its \d+ and reports nothing of the rest \(perhaps \S+[qv]_bias,", message
    )
    assert "install another version of transformers" in message
    read, there = (int(number) for number in re.findall(r"\d+(?= values| and)", message))
    assert there - read == 2 * 2 * 16  # two biases in each of two blocks of 16 channels


def test_a_head_that_the_library_leaves_over_in_silence_is_named(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        transformers.VideoMAEModel, "_keys_to_ignore_on_load_unexpected", [r"decoder", "mask_token"]
    )
    message = checkpoint.refusal(checkpoint.with_card(architecture={"unused": ["encoder_to_decoder"]}))
    assert "of the rest (perhaps decoder." in message
    assert ", …)" in message  # of twenty, four are named
    assert "name it in the card's architecture.unused" in message


NEEDED = ["layernorm", "encoder", "encoder.layer.1", "embeddings", "encoder.layer.0.output.dense.bias"]


@pytest.mark.parametrize("name", NEEDED)
def test_a_part_with_numbers_is_not_unused(name: str, checkpoint: Checkpoint) -> None:
    unused = [*checkpoint.card.architecture["unused"], name]
    message = checkpoint.refusal(checkpoint.with_card(architecture={"unused": unused}))
    assert message.startswith(f"card of videomae_base: architecture.unused: takes {name}")
    assert "name it as the checkpoint does" in message


@pytest.mark.parametrize("name", ["layernorm", "encoder", "encoder.layer.1", "embeddings.cls_token"])
def test_a_model_that_lacks_what_its_checkpoint_was_not_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where names in checkpoint and model agree, nothing is left over, but the model does not run."""
    monkeypatch.chdir(ROOT)
    made = Checkpoint(tmp_path, "dinov2_base")
    message = made.refusal(made.with_card(architecture={"unused": [name]}))
    assert message.startswith("card of dinov2_base: the model cannot run as the card says ('NoneType' object")
    assert "correct its `architecture`" in message


def test_a_layer_that_the_model_does_not_have(checkpoint: Checkpoint) -> None:
    for layer, remedy in (
        ("hiden.1", "did you mean hidden."),
        ("x", "known: hidden.0, hidden.1, hidden.2, last"),
    ):
        message = checkpoint.refusal(checkpoint.with_card(features={"layer": ["last", layer]}))
        assert message.startswith(f"card of videomae_base: features.layer: no layer '{layer}'; {remedy}")
    fetch(checkpoint.with_card(features={"layer": ["hidden.2"]}), checkpoint.weights)


def test_a_model_whose_tokens_have_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ViT-MAE's encoder hides three quarters of its patches at random."""
    monkeypatch.chdir(ROOT)
    made = Checkpoint(tmp_path, "dinov2_base")
    with tiny_hub.silent():
        config = transformers.ViTMAEConfig(image_size=32, patch_size=8, **tiny_hub.BLOCKS)
        transformers.ViTMAEModel(config).save_pretrained(made.published)
    assert "the model has no layer whose positions are known; take another model" in made.refusal()


def test_a_model_type_that_the_library_does_not_know(checkpoint: Checkpoint) -> None:
    checkpoint.configure(model_type="videomae_9000")
    message = checkpoint.refusal()
    assert f"transformers {transformers.__version__} cannot build a model from it" in message
    assert "videomae_9000" in message
    assert "install a newer transformers" in message


def test_a_model_type_without_a_model(checkpoint: Checkpoint) -> None:
    checkpoint.configure(model_type="encoder-decoder")
    assert "transformers" in checkpoint.refusal()


CONFIGURATIONS: list[dict[str, Any]] = [
    {
        "architecture": "vit_base_patch16_224",
        "num_classes": 0,
        "pretrained_cfg": {"tag": "augreg_in21k"},
    },  # timm's
    {"model_type": "videomae", "hidden_size": "many"},
    {"model_type": "videomae", "num_frames": [16]},
    {"model_type": ["videomae"]},
    {},
]


@pytest.mark.parametrize("config", CONFIGURATIONS)
def test_a_configuration_that_the_library_cannot_use(config: dict[str, Any], checkpoint: Checkpoint) -> None:
    (checkpoint.published / "config.json").write_text(json.dumps(config))
    message = checkpoint.refusal()
    assert f"config.json: transformers {transformers.__version__} cannot build a model from it (" in message
    assert message.endswith("install a newer transformers, or take another model")


def test_models_that_take_no_pictures(checkpoint: Checkpoint) -> None:
    with tiny_hub.silent():
        text = transformers.BertModel(transformers.BertConfig(vocab_size=9, **tiny_hub.BLOCKS))
        sound = transformers.ASTModel(
            transformers.ASTConfig(max_length=32, num_mel_bins=32, **tiny_hub.BLOCKS)
        )
    for model, message in ((text, "does not cut pictures into patches"), (sound, "does not take pictures")):
        with tiny_hub.silent():
            model.save_pretrained(checkpoint.published)
        assert message in checkpoint.refusal(checkpoint.with_card(architecture={"unused": []}))


def test_a_repository_that_is_not_for_transformers(checkpoint: Checkpoint) -> None:
    (checkpoint.published / "model.safetensors").rename(checkpoint.published / "weights.npz")
    assert "has neither model.safetensors nor pytorch_model.bin" in checkpoint.refusal()


def test_a_repository_without_a_processor(checkpoint: Checkpoint) -> None:
    (checkpoint.published / "preprocessor_config.json").unlink()
    assert "has none of preprocessor_config.json" in checkpoint.refusal()
    (checkpoint.published / "preprocessor_config.json").write_text("{")
    assert "is not JSON" in checkpoint.refusal()


def test_a_repository_without_a_configuration(checkpoint: Checkpoint) -> None:
    (checkpoint.published / "config.json").unlink()
    assert "config.json: is missing" in checkpoint.refusal()


CARDS: list[tuple[dict[str, Any], str]] = [
    ({"architecture": {"unsued": ["decoder"]}}, "architecture: unknown key unsued; did you mean unused?"),
    ({"architecture": {"tokens": "t w h"}}, "architecture: tokens: "),
    (
        {"architecture": {"arguments": {"bool_masked_po": 1}}},
        "the model takes no 'bool_masked_po' from a card; did you mean bool_masked_pos?",
    ),
    *(
        ({"architecture": {"arguments": {name: value}}}, f"the model takes no '{name}' from a card; known: ")
        for name, value in {"return_dict": False, "pixel_values": 1, "output_hidden_states": True}.items()
    ),
    ({"architecture": {"arguments": {"bool_masked_pos": 1}}}, "the model cannot run as the card says ("),
    ({"weights": {"url": "https://example.org/model.safetensors"}}, "reads a whole repository"),
    ({"weights": {"hub": "a/b", "file": "model.safetensors"}}, "reads a whole repository"),
    ({"weights": "none"}, "reads a whole repository"),
    ({"weights": {"hub": "a/b", "ema": False}}, "weights.ema: is not for the family transformers"),
    ({"weights": {"hub": "a/b", "prefix": "net."}}, "weights.prefix: is not for the family transformers"),
    ({"weights": {"file": "/no/such/folder"}}, "there is no such folder"),
    (
        {"input": {"size": 64}},
        "input.size: must be the size that the checkpoint's processor gives, 32 pixels, got 64",
    ),
    ({"input": {"scale": "x/127.5 - 1"}}, "input.scale: must be 'processor'"),
    ({"input": {"frames": 8}}, "input.frames: must be what the model takes, 16, got 8"),
    ({"input": {"frames": "any"}}, "input.frames: must be what the model takes, 16, got any"),
]


@pytest.mark.parametrize(("change", "message"), CARDS)
def test_a_wrong_card_is_one_line(checkpoint: Checkpoint, change: dict[str, Any], message: str) -> None:
    content = checkpoint.card.model_dump()
    for section, value in change.items():
        replace = section == "weights" or not isinstance(value, dict)
        content[section] = value if replace else {**content[section], **value}
    assert message in checkpoint.refusal(EncoderCard.model_validate(content))


def test_a_clip_model_takes_a_multiple_of_its_tubelet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    made = Checkpoint(tmp_path, "vjepa2_vitl")
    for frames in (15, "any"):
        assert "must be a multiple of 2" in made.refusal(made.with_card(input={"frames": frames}))
    card = made.with_card(input={"frames": 6})  # rotary positions: any even number
    fetch(card, made.weights)
    encoder = hub_vision.load(card, made.weights, CPU)
    with torch.inference_mode():
        shown = torch.zeros(1, 6, 32, 32, 3, dtype=torch.uint8)
        assert encoder.encode(shown, ["last"])["last"].grid.shape == (1, 3, 2, 2, 24)


def test_clips_that_the_card_does_not_admit(checkpoint: Checkpoint) -> None:
    card = checkpoint.with_card(input={"fit": "refuse"})
    fetch(card, checkpoint.weights)
    encoder = hub_vision.load(card, checkpoint.weights, CPU)
    with pytest.raises(UserError, match="clips have 5 frames, this encoder takes 16: set render"):
        encoder.encode(torch.zeros(1, 5, 32, 32, 3, dtype=torch.uint8), ["last"])
    with pytest.raises(UserError, match="clips must be square"):
        encoder.encode(torch.zeros(1, 16, 32, 40, 3, dtype=torch.uint8), ["last"])


def test_a_pinned_digest_holds_the_whole_repository(checkpoint: Checkpoint) -> None:
    record = fetch(checkpoint.card, checkpoint.weights)
    pinned = {"file": str(checkpoint.published), "sha256": record["sha256"]}
    assert fetch(checkpoint.with_card(weights=pinned), checkpoint.weights) == record
    (checkpoint.weights / "encoder.safetensors").unlink()
    checkpoint.configure("preprocessor_config.json", resample=3)
    assert "wrong digest" in checkpoint.refusal(checkpoint.with_card(weights=pinned))


def digest(checkpoint: Checkpoint) -> str:
    fetch(checkpoint.card, checkpoint.weights)
    return sha256(checkpoint.weights / "encoder.safetensors")


def shard(published: Path, name: str, **more: str) -> None:
    """Split model.safetensors into two files and an index, as publishers of large models do."""
    tensors = load_file(published / "model.safetensors")
    (published / "model.safetensors").unlink()
    stem, suffix = name.split(".")
    names = sorted(tensors)
    shards = {n: f"{stem}-0000{1 + (names.index(n) >= 20)}-of-00002.{suffix}" for n in names}
    for file in set(shards.values()):
        part = {n: tensors[n] for n in names if shards[n] == file}
        save_file(part, published / file) if suffix == "safetensors" else torch.save(part, published / file)
    index = {"metadata": {}, "weight_map": shards | more}
    (published / f"{name}.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_of_a_sharded_checkpoint_the_files_in_the_index_count(name: str, checkpoint: Checkpoint) -> None:
    whole = digest(checkpoint)
    assert digest(checkpoint) == whole
    stale = {"videomae.embeddings.patch_embeddings.projection.bias": torch.full((16,), 7.0)}
    shard(checkpoint.published, name)
    save_file(stale, checkpoint.published / "model-00003-of-00003.safetensors")
    assert digest(checkpoint) == whole
    record = fetch(checkpoint.card, checkpoint.weights)
    assert f"{name}.index.json" in record["source_files"]
    assert "model-00003-of-00003.safetensors" not in record["source_files"]
    # A single file takes precedence over shards, as in the library.
    first = min(checkpoint.published.glob(f"{name.split('.')[0]}-00001*"))
    first.unlink()
    assert f"lacks {first.name}, which its {name}.index.json names" in checkpoint.refusal_again()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}'])
def test_an_index_that_is_damaged(content: str, checkpoint: Checkpoint) -> None:
    shard(checkpoint.published, "model.safetensors")
    (checkpoint.published / "model.safetensors.index.json").write_text(content)
    assert "is not an index of shards" in checkpoint.refusal()


def test_shards_from_the_hub(
    server: Server, download_cache: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = digest(checkpoint)
    shard(checkpoint.published, "model.safetensors")
    files = {path.name: path.read_bytes() for path in checkpoint.published.iterdir()}
    server.put_model("someone/large", files | {"model-00009-of-00009.safetensors": b"stale"})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    card = checkpoint.with_card(weights={"hub": "someone/large", "file": None})
    record = fetch(card, checkpoint.weights)
    assert record["weights_sha256"] == whole
    assert not any("00009" in path for method, path, _ in server.requests if method == "GET")
    pinned = checkpoint.with_card(weights={"hub": "someone/large", "file": None, "sha256": record["sha256"]})
    assert fetch(pinned, checkpoint.weights) == record


def test_a_checkpoint_in_half_precision_becomes_float32(checkpoint: Checkpoint) -> None:
    checkpoint.edit(lambda tensors: tensors.update({n: t.half() for n, t in tensors.items()}))
    fetch(checkpoint.card, checkpoint.weights)
    found = load_file(checkpoint.weights / "encoder.safetensors")
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}


def test_values_that_cannot_be_are_refused(checkpoint: Checkpoint) -> None:
    checkpoint.edit(lambda tensors: tensors[f"{BLOCK}.output.dense.bias"].fill_(torch.nan))
    assert "encoder.layer.1.output.dense.bias has 16 NaN or infinite values of 16" in checkpoint.refusal()
    checkpoint.edit(lambda tensors: [tensor.zero_() for tensor in tensors.values()])
    assert "no tensor has two different values" in checkpoint.refusal()


@pytest.fixture
def hub(server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def test_a_gated_repository_without_a_token(hub: Server, checkpoint: Checkpoint) -> None:
    files = {path.name: path.read_bytes() for path in checkpoint.published.iterdir()}
    hub.put_model("someone/gated", files, token="hf_secret", gated=True)
    message = checkpoint.refusal(checkpoint.with_card(weights={"hub": "someone/gated", "file": None}))
    assert "access is gated and no token is set" in message
    assert "HF_TOKEN" in message


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        (  # as OpenGVLab/VideoMAEv2-Base has it
            "config.json",
            {"model_type": "VideoMAEv2_Base", "auto_map": {"AutoModel": "modeling_videomaev2.VideoMAEv2"}},
            "the model type 'VideoMAEv2_Base' is code in its repository (auto_map), which is never run; take a model",
        ),
        (
            "config.json",
            {"model_type": ["x"], "auto_map": {}},
            "the model type ['x'] is code in its repository",
        ),
        ("config.json", {"model_type": "vjepa21"}, "cannot build a model from it"),
        (  # as facebook/dinov3-vitb16-pretrain-lvd1689m has it
            "preprocessor_config.json",
            {"image_processor_type": "DINOv3ViTImageProcessorFast"},
            "the steps of 'DINOv3ViTImageProcessorFast' are not implemented here",
        ),
    ],
)
def test_what_cannot_be_loaded_is_refused_before_its_tensors_are_downloaded(
    file: str, changes: dict[str, Any], message: str, hub: Server, checkpoint: Checkpoint
) -> None:
    checkpoint.configure(file, **changes)
    hub.put_model("someone/new", {path.name: path for path in checkpoint.published.iterdir()})
    card = checkpoint.card.model_copy(update={"weights": HubWeights(hub="someone/new")})
    assert message in checkpoint.refusal(card)
    assert [request for request in hub.requests if file in str(request)]
    assert not [request for request in hub.requests if "safetensors" in str(request)]


def test_a_known_model_with_code_beside_it_runs_without_it(checkpoint: Checkpoint) -> None:
    code = "raise SystemExit('run')"
    (checkpoint.published / "modeling.py").write_text(code)
    checkpoint.configure(auto_map={"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"})
    assert fetch(checkpoint.card, checkpoint.weights)["tensors"]["unused"] > 0


@pytest.mark.parametrize(("file", "library"), [("flax_model.msgpack", "flax"), ("tf_model.h5", "tf")])
def test_weights_of_another_framework_only(file: str, library: str, checkpoint: Checkpoint) -> None:
    (checkpoint.published / "model.safetensors").rename(checkpoint.published / file)
    message = checkpoint.refusal()
    assert f"it has {file}, which transformers 4 converts: `python -c '" in message
    (line,) = re.findall("`(python -c .+?)`", message)
    code = shlex.split(line)[2]
    compile(code, "line", "exec")
    assert f'from_pretrained("{checkpoint.published}", from_{library}=True)' in code


def test_a_folder_of_tensorflow(checkpoint: Checkpoint) -> None:
    (checkpoint.published / "model.safetensors").unlink()
    (checkpoint.published / "saved_model.pb").write_bytes(b"\x08\x01\x12")
    assert "it is a TensorFlow SavedModel; take the torch checkpoint" in checkpoint.refusal()


def test_a_hub_that_is_offline(
    download_cache: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = checkpoint.refusal(checkpoint.with_card(weights={"hub": "someone/model", "file": None}))
    assert "does not answer" in message
    assert "TRAJPROBE_MIRROR" in message


def test_convert_counts_what_is_unused(checkpoint: Checkpoint) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (checkpoint.weights / name).write_bytes((checkpoint.published / name).read_bytes())
    file = checkpoint.published / "model.safetensors"
    _, unused = hub_folder.convert(checkpoint.card, checkpoint.weights, [file], "here")
    assert unused == sum(
        name.startswith(("decoder.", "encoder_to", "mask_token")) for name in load_file(file)
    )


@pytest.mark.parametrize("key", ["torch_dtype", "dtype"])
@pytest.mark.parametrize(
    "name", ["videomae_base", "clip_vit_b32"]
)  # one has its vision part in a section of its own
def test_a_checkpoint_that_asks_for_halves_runs_in_float32(
    name: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    made = Checkpoint(tmp_path, name)
    frames = made.card.input.frames if isinstance(made.card.input.frames, int) else 3
    shown = torch.randint(0, 256, (1, frames, 32, 32, 3), generator=torch.Generator().manual_seed(0))

    def features() -> list[torch.Tensor]:
        fetch(made.card, made.weights)
        encoders = [
            hub_vision.load(made.card, made.weights, CPU),
            hub_vision.initialise(made.card, made.weights, 0, CPU),
        ]
        for encoder in encoders:
            state = encoder.model.module.state_dict().values()
            assert {t.dtype for t in state if t.is_floating_point()} == {torch.float32}
        with torch.inference_mode():
            maps = [encoder.encode(shown.to(torch.uint8), encoder.layers) for encoder in encoders]
        return [layer.grid for one in maps for layer in one.values()]

    path = made.published / "config.json"
    config = json.loads(path.read_text())
    for part in (config, config.get("vision_config"), config.get("text_config")):
        if part is not None:
            part.pop("dtype", None)
    path.write_text(json.dumps(config))
    expected = features()
    for part in (config, config.get("vision_config"), config.get("text_config")):
        if part is not None:
            part[key] = "bfloat16"
    path.write_text(json.dumps(config))
    got = features()
    assert len(got) == len(expected) > 4
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
