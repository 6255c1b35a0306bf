"""Stage extract on a small real encoder: rows are what the encoder gives for each clip, in the order of the items;
twice the same bytes, with any batch the same numbers; and what does not fit is told in one line."""

import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from trajprobe import paths
from trajprobe.encoders import open_magvit2
from trajprobe.errors import UserError
from trajprobe.features.pooling import pool
from trajprobe.features.store import items_digest, read_features
from trajprobe.params.encoder_card import load_encoder_card
from trajprobe.params.loading import validate
from trajprobe.params.study import Params
from trajprobe.stages import extract as stage
from trajprobe.trajectories.table import TrajectorySet, write_trajectories
from trajprobe.video.store import write_clips

ROOT = Path(__file__).parents[2]
COUNT = 70  # a whole shard and a part of one
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


def params(**features: object) -> Params:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["encoders"] = ["small"]
    content["features"] |= {"random_inits": 2, "seed": 5, **features}
    return validate(Params, content, "params.yaml")


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """A project with a small encoder, and clips of 70 items."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAJPROBE_DEVICE", "cpu")
    for name in ("TRAJPROBE_BATCH", "TRAJPROBE_CACHE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    write_card()
    model = open_magvit2.initialise(load_encoder_card("small"), Path("unused"), 99, torch.device("cpu")).model
    paths.weights("small").mkdir()
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, paths.weights("small") / open_magvit2.FILE)
    (paths.weights("small") / "provenance.json").write_text('{"summary": "made up for a test"}')
    names = [f"item{index}" for index in range(COUNT)]
    write_trajectories(
        TrajectorySet(
            item_ids=names,
            labels=["a", "b"] * (COUNT // 2),
            groups=names,
            splits=[""] * COUNT,
            times=[np.arange(2.0)] * COUNT,
            points=[np.zeros((2, 2), np.float32)] * COUNT,
            classes=["a", "b"],
            source="test",
            digest="0" * 64,
            y_axis="up",
        ),
        paths.TRAJECTORIES,
    )
    made = np.random.default_rng(0).integers(0, 256, (COUNT, 5, 16, 16, 3), dtype=np.uint8)
    write_clips(paths.VIDEOS, made.shape, [made])
    return made


def write_card(**changes: object) -> None:
    paths.encoder_card("small").parent.mkdir(parents=True, exist_ok=True)
    paths.encoder_card("small").write_text(yaml.safe_dump({**CARD, **changes}))


def forget_the_cache() -> None:
    for path in Path("cache").rglob("*.shard"):
        path.unlink()


def test_rows_are_what_the_encoder_gives(clips: np.ndarray) -> None:
    said = stage.run(params(), "small")
    assert "70 clips, pretrained and 2 random initialisations, mid/mean_std (16 numbers)" in said
    features = read_features(paths.features("small"))
    assert features.metadata["items"] == items_digest([f"item{index}" for index in range(COUNT)])
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
    stage.run(params(), "small")
    first = paths.features("small").read_bytes()
    stage.run(params(), "small")
    assert paths.features("small").read_bytes() == first
    forget_the_cache()
    stage.run(params(), "small")
    assert paths.features("small").read_bytes() == first


def test_the_batch_changes_nothing_but_rounding(clips: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.run(params(), "small")
    first = read_features(paths.features("small")).arrays
    forget_the_cache()
    monkeypatch.setenv("TRAJPROBE_BATCH", "3")
    stage.run(params(), "small")
    for name, array in read_features(paths.features("small")).arrays.items():
        np.testing.assert_allclose(array, first[name], atol=1e-4)


def test_params_override_the_card(clips: np.ndarray) -> None:
    stage.run(params(layer=["latent", "card"], pooling=["per_frame", "mean"]), "small")
    features = read_features(paths.features("small"))
    assert features.metadata["layers"] == ["latent", "mid", "codes"]
    assert features.metadata["poolings"] == ["per_frame", "mean"]
    assert features.arrays["pretrained/latent/per_frame"].shape == (COUNT, 5 * 3)
    assert features.arrays["random/mid/mean"].shape == (2, COUNT, 8)
    assert len(features.arrays) == 2 * 3 * 2


def test_more_initialisations_only_add(clips: np.ndarray) -> None:
    stage.run(params(), "small")
    before = read_features(paths.features("small")).arrays["random/mid/mean_std"]
    shards = set(Path("cache").rglob("*.shard"))
    stage.run(params(random_inits=3), "small")
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
    stage.run(params(random_inits=3), "small")
    assert built == 4 + 2  # each arm for its clips, and two of them for the certificate of order


def test_a_small_cache_still_gives_the_result(clips: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_CACHE_LIMIT", "0")
    stage.run(params(), "small")
    assert read_features(paths.features("small")).arrays["pretrained/mid/mean_std"].shape == (COUNT, 16)
    assert list(Path("cache").rglob("*.shard")) == []


def test_what_does_not_fit_is_one_line(clips: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"features.layer: no layer 'middle'; did you mean mid"):
        stage.run(params(layer="middle"), "small")
    with pytest.raises(UserError, match=r"features.pooling: no pooling 'avg'"):
        stage.run(params(pooling="avg"), "small")
    with pytest.raises(UserError, match="cls needs a model with a class token"):
        stage.run(params(pooling="cls"), "small")
    monkeypatch.setenv("TRAJPROBE_BATCH", "many")
    with pytest.raises(UserError, match="TRAJPROBE_BATCH: must be a whole number"):
        stage.run(params(), "small")
    monkeypatch.delenv("TRAJPROBE_BATCH")
    monkeypatch.setenv("TRAJPROBE_DEVICE", "abacus")
    with pytest.raises(UserError, match="TRAJPROBE_DEVICE: cannot use 'abacus'"):
        stage.run(params(), "small")
    monkeypatch.setenv("TRAJPROBE_DEVICE", "cpu")
    write_clips(paths.VIDEOS, clips[:60].shape, [clips[:60]])
    with pytest.raises(UserError, match="has 60 clips for 70 trajectories"):
        stage.run(params(), "small")
    assert not paths.features("small").exists()


def test_missing_or_wrong_weights_are_one_line(clips: np.ndarray) -> None:
    write_card(architecture={**CARD["architecture"], "channels": 8})  # type: ignore[dict-item]
    with pytest.raises(UserError, match="missing, unexpected or misshapen"):
        stage.run(params(), "small")
    paths.weights("small").rename("elsewhere")
    with pytest.raises(UserError, match="weights: is missing; run `dvc repro fetch@small`"):
        stage.run(params(), "small")
