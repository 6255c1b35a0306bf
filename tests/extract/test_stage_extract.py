"""Stage extract on a small real encoder: rows are what the encoder gives for each clip, in the order of the items;
twice the same bytes, with any batch the same numbers; and what does not fit is one line."""

import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from running import run
from trajprobe.artifacts.clips import write_clips
from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.artifacts.features import read_features
from trajprobe.artifacts.trajectories import items_digest
from trajprobe.artifacts.weights import write_record
from trajprobe.core import paths
from trajprobe.core.costs import read_pass_costs
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.encoders.open_magvit2 import encoder as open_magvit2
from trajprobe.extract.clip_cost import multiply_adds
from trajprobe.extract.pooling import pool
from trajprobe.params import Params

ROOT = Path(__file__).parents[2]
COUNT = 70  # a whole shard and a part of one
ITEMS = items_digest([f"item{index}" for index in range(COUNT)])
CARD = {
    "name": "small",
    "summary": "Open-MAGVIT2, very small",
    "family": "open_magvit2",
    "architecture": {
        "channels": 4,
        "multipliers": [1, 2],
        "res_blocks": 1,
        "latent_channels": 3,
        "groups": 2,
    },
    "weights": "none",
    "training": "none",
    "licence": "Apache-2.0",
    "input": {"frames": "4k+1", "size": 8, "scale": "x/127.5 - 1"},
    "features": {"layer": ["mid", "codes"], "pooling": "mean_std"},
}


def extract(device: str = "cpu", batch: int = 8, **changes: object) -> str:
    """Run the stage with the repository's params, `changes` to its section."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["encoders"] = ["small"]
    content["extract"] |= {"random_inits": 2, "seed": 5, **changes}
    return run("extract", validate(Params, content, "params.yaml"), "small", device=device, batch=batch)


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A project with a small encoder, and clips of 70 items."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRAJPROBE_CACHE_LIMIT", raising=False)
    write_card()
    model = open_magvit2.initialise(load_encoder_card("small"), Path("unused"), 99, torch.device("cpu")).model
    paths.weights("small").mkdir()
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, paths.weights("small") / open_magvit2.FILE)
    record()
    made = np.random.default_rng(0).integers(0, 256, (COUNT, 5, 16, 16, 3), dtype=np.uint8)
    write_clips(paths.VIDEOS, made.shape, [made], items=ITEMS, drawn={})
    return made


def write_card(**changes: object) -> None:
    paths.encoder_card("small").parent.mkdir(parents=True, exist_ok=True)
    paths.encoder_card("small").write_text(yaml.safe_dump({**CARD, **changes}))


def record() -> None:
    """Make the weights that are there those of the card that is there, as `fetch` would."""
    write_record({"summary": "made up for a test"}, load_encoder_card("small"), paths.weights("small"))


def forget_the_cache() -> None:
    for path in Path("cache").rglob("*.shard"):
        path.unlink()


def test_rows_are_what_the_encoder_gives(clips: np.ndarray) -> None:
    said = extract()
    assert "70 clips, pretrained and 2 random initialisations, mid/mean_std (16 numbers)" in said
    features = read_features(paths.features("small"))
    assert features.metadata["items"] == ITEMS
    assert features.metadata["layers"] == ["mid", "codes"]
    assert features.metadata["poolings"] == ["mean_std"]
    assert features.metadata["seeds"] == [5, 6]
    assert len(features.metadata["weights"]) == 64
    card, cpu = load_encoder_card("small"), torch.device("cpu")
    encoders = [open_magvit2.load(card, paths.weights("small"), cpu)]
    encoders += [open_magvit2.initialise(card, Path("unused"), seed, cpu) for seed in (5, 6)]
    for layer in ("mid", "codes"):
        name = f"{layer}/mean_std"
        arms = [features.arrays[f"pretrained/{name}"], *features.arrays[f"random/{name}"]]
        for encoder, rows in zip(encoders, arms, strict=True):
            for index in (0, 63, 64, 69):
                shown = torch.from_numpy(clips[index : index + 1])
                expected = pool("mean_std", encoder.encode(shown, [layer])[layer])[0]
                np.testing.assert_allclose(rows[index], expected, atol=1e-4)


def test_twice_the_same_bytes_with_or_without_the_cache(clips: np.ndarray) -> None:
    extract()
    first = paths.features("small").read_bytes()
    extract()
    assert paths.features("small").read_bytes() == first
    forget_the_cache()
    extract()
    assert paths.features("small").read_bytes() == first


def test_costs_are_in_the_metadata_and_seconds_stay_until_the_encoder_or_the_clips_change(
    clips: np.ndarray,
) -> None:
    extract()
    first = paths.costs("small").read_bytes()
    own = read_pass_costs("small")
    assert own is not None
    assert (own.name, own.device) == ("small", "cpu")
    assert own.seconds > 0
    forget_the_cache()
    extract(random_inits=1)
    assert paths.costs("small").read_bytes() == first
    encoder = open_magvit2.initialise(load_encoder_card("small"), Path("unused"), 0, torch.device("cpu"))
    counted = multiply_adds(lambda: encoder.encode(torch.from_numpy(clips[:1]), ["mid", "codes"]))
    assert read_features(paths.features("small")).metadata["multiply_adds"] == counted > 0
    extract(layer="latent")
    assert paths.costs("small").read_bytes() != first
    paths.costs("small").write_text("{broken")
    extract()
    assert paths.costs("small").read_bytes() != first
    assert read_pass_costs("small") is not None


def test_the_batch_changes_nothing_but_rounding(clips: np.ndarray) -> None:
    extract()
    first = read_features(paths.features("small")).arrays
    forget_the_cache()
    extract(batch=3)
    for name, array in read_features(paths.features("small")).arrays.items():
        np.testing.assert_allclose(array, first[name], atol=1e-4)


def test_params_override_the_card(clips: np.ndarray) -> None:
    extract(layer=["latent", "card"], pooling=["per_frame", "mean"])
    features = read_features(paths.features("small"))
    assert features.metadata["layers"] == ["latent", "mid", "codes"]
    assert features.metadata["poolings"] == ["per_frame", "mean"]
    assert features.arrays["pretrained/latent/per_frame"].shape == (COUNT, 5 * 3)
    assert features.arrays["random/mid/mean"].shape == (2, COUNT, 8)
    assert len(features.arrays) == 2 * 3 * 2


def test_more_initialisations_only_add(clips: np.ndarray) -> None:
    extract()
    before = read_features(paths.features("small")).arrays["random/mid/mean_std"]
    shards = set(Path("cache").rglob("*.shard"))
    extract(random_inits=3)
    after = read_features(paths.features("small")).arrays["random/mid/mean_std"]
    assert np.array_equal(after[:2], before)
    assert len(set(Path("cache").rglob("*.shard")) - shards) == 2


def test_one_model_at_a_time_is_in_memory(clips: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    built = 0

    def counted(make: Callable[..., open_magvit2.OpenMagvit2]) -> Callable[..., open_magvit2.OpenMagvit2]:
        def run(*arguments: object) -> open_magvit2.OpenMagvit2:
            nonlocal built
            assert len(alive) == 0
            encoder = make(*arguments)
            alive.add(encoder)
            built += 1
            return encoder

        return run

    for name in ("load", "initialise"):
        monkeypatch.setattr(open_magvit2, name, counted(getattr(open_magvit2, name)))
    extract(random_inits=3)
    # Each arm for its clips, two of them for the order sensitivity, and one to count and to time a pass.
    assert built == 4 + 2 + 2


def test_a_small_cache_still_gives_the_result(clips: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "0")
    extract()
    assert read_features(paths.features("small")).arrays["pretrained/mid/mean_std"].shape == (COUNT, 16)
    assert list(Path("cache").rglob("*.shard")) == []


def test_what_does_not_fit_is_one_line(clips: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"extract.layer: no layer 'middle'; did you mean mid"):
        extract(layer="middle")
    with pytest.raises(UserError, match=r"extract.pooling: no pooling 'avg'"):
        extract(pooling="avg")
    with pytest.raises(UserError, match="cls needs a model with a class token"):
        extract(pooling="cls")
    with pytest.raises(UserError, match=r"TRAJPROBE_DEVICE.*: cannot use 'abacus'"):
        extract(device="abacus")
    assert not paths.features("small").exists()


def test_missing_or_wrong_weights_are_one_line(clips: np.ndarray) -> None:
    write_card(architecture={**CARD["architecture"], "channels": 8})  # type: ignore[dict-item]
    with pytest.raises(UserError, match="weights: was fetched for another card"):
        extract()
    record()
    with pytest.raises(UserError, match="missing, unexpected or misshapen"):
        extract()
    paths.weights("small").rename("elsewhere")
    with pytest.raises(UserError, match="weights: is missing; run `dvc repro fetch@small`"):
        extract()


@pytest.mark.parametrize(
    "family", ["transnetv2", "resnet", "light_asd", "stem", "transformers", "open_magvit2"]
)
def test_damaged_weights_are_refused_before_anything_is_read(family: str, clips: np.ndarray) -> None:
    """Each family would fail in its own way, or compute with a flipped bit; all say the same, before torch does."""
    write_card(family=family)
    record()
    file = paths.weights("small") / open_magvit2.FILE
    whole = file.read_bytes()
    paths.VIDEOS.rename("elsewhere.zarr")
    with pytest.raises(UserError, match=r"videos.zarr"):
        extract()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    remedy = r"run `dvc checkout --force models/small/weights` or `dvc repro fetch@small`"
    with pytest.raises(
        UserError, match=rf"encoder.safetensors: is not what was fetched: .*, found sha.*; {remedy}"
    ):
        extract()
    file.unlink()
    with pytest.raises(UserError, match=r"expected sha256 .*, found no such file; run"):
        extract()
