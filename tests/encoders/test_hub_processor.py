"""Preprocessing on batches of tensors against the library's own processors, picture by picture, for every card.

The library's processors without torchvision are held to 1e-3 (they come out bit-equal up to the rounding of a float32).
V-JEPA 2 and VideoPrism have torchvision processors only, which do the same steps; there the steps of the library's
Pillow processors with the same settings are the oracle.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import tiny_hub
from trajprobe.encoders.hub_processor import parse_processor, read_processor
from trajprobe.errors import UserError

# What the library itself takes for each kind of file, in its form without torchvision.
ORACLES = {
    "VideoMAEImageProcessor": transformers.VideoMAEImageProcessorPil,
    "CLIPFeatureExtractor": transformers.CLIPImageProcessorPil,
    "BitImageProcessor": transformers.BitImageProcessorPil,
    "SiglipImageProcessor": transformers.SiglipImageProcessorPil,
    "VivitImageProcessor": transformers.VivitImageProcessor,
    "VJEPA2VideoProcessor": transformers.VideoMAEImageProcessorPil,
    "LlavaOnevisionVideoProcessor": transformers.SiglipImageProcessorPil,
}
KINDS = ("image_processor_type", "feature_extractor_type", "video_processor_type")


def published(settings: dict[str, Any], side: int) -> dict[str, Any]:
    """The settings at the sizes of the published checkpoint: tiny ones times seven or eight."""
    factor = side // tiny_hub.SIDE
    text = json.dumps(settings).replace(f": {tiny_hub.SIDE}", f": {side}").replace(": 36", f": {36 * factor}")
    return json.loads(text)


@pytest.mark.parametrize("side", [128, 64, 300])
@pytest.mark.parametrize("name", sorted(tiny_hub.PROCESSORS))
def test_equals_the_library(name: str, side: int) -> None:
    settings = published(tiny_hub.PROCESSORS[name], 224)
    kind = next(settings[key] for key in KINDS if key in settings)
    oracle = ORACLES[kind](**{key: value for key, value in settings.items() if key not in KINDS})
    frames = np.random.default_rng(side).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    frames[1] = np.where(frames[1] < 128, 0, 255)
    expected = np.asarray(oracle(list(frames), return_tensors="np")["pixel_values"])
    expected = expected.reshape(3, 3, 224, 224)  # video processors put the frames of one clip into one item
    got = parse_processor(settings, name)(torch.from_numpy(frames))
    assert got.dtype == torch.float32
    assert float(np.abs(got.numpy() - expected).max()) < 1e-3
    assert float(np.abs(got.numpy() - expected).max()) < 1e-5  # and rather: the same grey levels


def test_sizes_in_every_form_that_files_have() -> None:
    base = {"resample": 3, **tiny_hub.CLIP}
    forms = [224, {"shortest_edge": 224}, {"height": 224, "width": 224}]
    parsed = [parse_processor({**base, "size": form, "crop_size": form}, "f") for form in forms]
    assert parsed[0] == parsed[1] == parsed[2]
    assert parsed[0].size(128) == 224
    assert parse_processor({"image_processor": {**base, "size": 224}}, "f").cropped is None
    plain = parse_processor({"do_resize": False, "do_normalize": False}, "f")
    assert plain.size(128) == 128
    picture = torch.full((1, 4, 4, 3), 51, dtype=torch.uint8)
    assert torch.allclose(plain(picture), torch.full((1, 3, 4, 4), 0.2))


WRONG = [
    ({"size": 224, "crop_pct": 0.875}, "crop_pct: not supported"),
    ({"size": {"longest_edge": 224}}, "size: must be the side of a square"),
    ({"size": {"height": 224, "width": 200}}, "size: must be the side of a square"),
    ({"size": 224, "crop_size": 256}, "must not exceed size"),
    ({"size": 224, "resample": 5}, "resample: must be one of"),
    ({"size": 224, "resample": None}, "resample: must be one of"),
    ({"size": 224, "image_mean": [0.5, 0.5]}, "image_mean: must be three numbers"),
    ({"size": 224, "image_std": [0.0, 0.5, 0.5]}, "image_std: must not be zero"),
    ({"size": 224, "image_std": "imagenet"}, "image_std: must be three numbers"),
    ({}, "size: must be the side"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_is_not_known_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_processor(
            {"resample": 2, **tiny_hub.HALVES, **change}, "models/x/weights/preprocessor_config.json"
        )
    assert "preprocessor_config.json" in str(caught.value)


def test_a_checkpoint_without_a_processor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has none of preprocessor_config.json"):
        read_processor(tmp_path)
