"""The arms of an encoder: calibration of those that need it, and what changes the identities that make up a key."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.core.errors import UserError
from trajprobe.extract import pooling
from trajprobe.extract.extraction import (
    EncoderArm,
    calibrated,
    chosen,
    clips_digest,
    encoder_arms,
    extract_settings,
    sample_clips,
)
from trajprobe.extract.params import ExtractParams

CPU = torch.device("cpu")
PARAMS = ExtractParams(layer=["card"], pooling=["card"], random_inits=2, precision="float32", seed=0)
CARD: dict[str, Any] = {
    "name": "noise",
    "summary": "noise",
    "family": "placeholder",
    "architecture": {"width": 8},
    "weights": "none",
    "training": "none",
    "licence": "none",
    "input": {"frames": "any", "size": 8, "scale": "none"},
    "features": {"layer": "noise", "pooling": "mean"},
}


class Plain:
    layers = ("pixels",)
    factor = 1.0


class Normalised(Plain):
    def calibrate(self, clips: torch.Tensor) -> None:
        self.factor = 1 / float(clips.float().mean())


@pytest.fixture
def clips() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 2, 4, 4, 3), dtype=np.uint8)


def test_only_encoders_that_need_it_are_calibrated(clips: np.ndarray) -> None:
    assert calibrated(Plain, clips, CPU)().factor == 1.0
    assert calibrated(Normalised, clips, CPU)().factor == pytest.approx(1 / clips.mean())


def test_a_sample_is_evenly_spaced(clips: np.ndarray) -> None:
    assert np.array_equal(sample_clips(clips, 3), clips[[0, 3, 6]])
    assert np.array_equal(sample_clips(clips, 99), clips)


def test_card_stands_for_what_the_card_says() -> None:
    assert chosen(["card"], ["mid", "latent"]) == ["mid", "latent"]
    assert chosen(["codes", "card", "mid"], ["mid", "latent"]) == ["codes", "mid", "latent"]


def test_digests(clips: np.ndarray) -> None:
    assert clips_digest(clips) != clips_digest(clips.reshape(10, 4, 2, 4, 3))
    assert clips_digest(clips) == clips_digest(np.asfortranarray(clips))


def identity(params: ExtractParams = PARAMS, **changes: Any) -> dict[str, Any]:
    card = EncoderCard.model_validate(CARD | changes)
    return dict(extract_settings(params, card, CPU, 8).identity)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda: identity(architecture={"width": 9}), "architecture"),
        (lambda: identity(input=CARD["input"] | {"size": 9}), "preprocessing"),
        (lambda: identity(PARAMS.model_copy(update={"pooling": ["card", "mean_std"]})), "poolings"),
        (lambda: identity(PARAMS.model_copy(update={"layer": ["noise", "other"]})), "layers"),
        (lambda: identity(family="stem") | {"family": "placeholder"}, "code"),
    ],
)
def test_what_decides_the_features_of_all_arms(change: Callable[[], dict[str, Any]], key: str) -> None:
    before, after = identity(), change()
    assert {name for name in before if before[name] != after[name]} == {key}


def test_an_edit_of_pooling_changes_the_identity_of_every_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [identity(family=family) for family in ("placeholder", "transformers")]
    edited = shutil.copy(str(pooling.__file__), tmp_path)
    monkeypatch.setattr(pooling, "__file__", edited)
    assert before == [identity(family=family) for family in ("placeholder", "transformers")]
    with Path(edited).open("a") as file:
        file.write("# a comment\n")
    after = [identity(family=family) for family in ("placeholder", "transformers")]
    assert all(one["code"] != other["code"] for one, other in zip(before, after, strict=True))
    assert identity(family="transformers")["libraries"] != identity()["libraries"]


def test_the_precision_is_part_of_the_identity_and_so_is_the_code_of_one_that_is_not_float32() -> None:
    before, after = identity(), identity(PARAMS.model_copy(update={"precision": "bfloat16"}))
    assert {name for name in before if before[name] != after[name]} == {"precision", "code"}
    assert (before["precision"], after["precision"]) == ("float32", "bfloat16")
    assert after["code"][:-1] == before["code"]


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(UserError, match=r"extract.pooling: no pooling 'avg'"):
        identity(PARAMS.model_copy(update={"pooling": ["avg"]}))


def arms(weights: str, clips: np.ndarray, seeds: list[int], **random: str) -> list[EncoderArm]:
    card = EncoderCard.model_validate(CARD | {"family": "resnet", "architecture": {"depth": 20}})
    features = {**CARD["features"], "random": random}
    card = EncoderCard.model_validate({**card.model_dump(), "features": features})
    return encoder_arms(card, Path("unused"), weights, seeds, clips, CPU)


def test_what_decides_the_features_of_an_arm(clips: np.ndarray) -> None:
    def identities(*changes: Any, weights: str = "digest", **random: str) -> list[dict[str, Any]]:
        shown, seeds = changes or (clips, [5, 6])
        return [dict(arm.identity) for arm in arms(weights, shown, seeds, **random)]

    before = identities()
    assert [arm.name for arm in arms("digest", clips, [5, 6])] == ["pretrained", "random 5", "random 6"]
    assert len({str(one) for one in before}) == 3
    longer = identities(clips, [5, 6, 7])
    assert longer[:3] == before
    other = identities(clips[::-1], [5, 6])
    assert [one != two for one, two in zip(before, other, strict=True)] == [False, True, True]
    kept = identities(recipe="shuffled_weights")
    assert [one != two for one, two in zip(before, kept, strict=True)] == [False, True, True]
    assert all(one != two for one, two in zip(before, identities(weights="other"), strict=True))
