"""Preprocessing on batches of tensors against the library's own processors, picture by picture, for every kind.

Equal to 1e-5, the rounding of a float32: the grey levels are the same. The oracle is the library's processor in its
form without torchvision, with its own defaults. Processors of videos need torchvision, which is not installed: the
settings come from the library's own class, the steps from its Pillow form. Measured once beside torchvision 0.28, whose
resizing in uint8 rounds differently, the results here are within 2 grey levels (0.0078 before normalisation) for all
kinds, VideoPrism's bicubic LlavaOnevisionVideoProcessor among them.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers.image_processing_backends import PilBackend

import tiny_hub
from trajprobe.core.errors import UserError
from trajprobe.encoders.transformers.processor import KINDS, TYPES, parse_processor, read_processor

STEPS = ("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor")
COLOURS = ("do_normalize", "image_mean", "image_std")
PLACES = {"LlavaOnevision": "llava_onevision"}  # modules whose name is not the kind in lower case

Oracle = Callable[[np.ndarray], np.ndarray]


def named(kind: str) -> dict[str, Any]:
    """The kind as a file names it today."""
    if kind.endswith("Video"):
        return {"video_processor_type": f"{kind}Processor"}
    return {"image_processor_type": f"{kind}ImageProcessor"}


def library(settings: dict[str, Any]) -> Oracle:
    """The library's processor for a file that names its kind."""
    name = next(settings[key] for key in TYPES if key in settings)
    kind = name.removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    settings = {key: value for key, value in settings.items() if key not in TYPES}
    if (
        name == "VideoPrismVideoProcessor"
    ):  # no longer in the library, which takes the class that it came from
        name = "LlavaOnevisionVideoProcessor"
        settings = {"size": {"height": 288, "width": 288}, "do_normalize": False, **settings}
    if name.endswith("VideoProcessor"):
        kind = name.removesuffix("VideoProcessor")
        place = PLACES.get(kind, kind.lower())
        module = importlib.import_module(f"transformers.models.{place}.video_processing_{place}")
        video = getattr(module, name)(**settings)
        settings = {key: getattr(video, key) for key in (*STEPS, *COLOURS)}
        if kind == "Vivit":
            for key in ("size", "crop_size"):
                settings[key] = {form: side for form, side in dict(settings[key]).items() if side}
            processor = transformers.VivitImageProcessor(**settings, offset=settings["do_rescale"])
        else:
            processor = PilBackend(**settings)
    elif kind == "Vivit":
        processor = transformers.VivitImageProcessor(**settings)
    else:
        processor = getattr(transformers, f"{kind}ImageProcessorPil")(**settings)

    def run(frames: np.ndarray) -> np.ndarray:
        values = np.asarray(processor(list(frames), return_tensors="np")["pixel_values"])
        return values.reshape(len(frames), 3, *values.shape[-2:])  # a clip's frames may come as one item

    return run


def check(settings: dict[str, Any], side: int) -> None:
    frames = np.random.default_rng(side).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    frames[1] = np.where(frames[1] < 128, 0, 255)
    expected = library(settings)(frames)
    processor = parse_processor(settings, "file")
    got = processor(torch.from_numpy(frames))
    assert got.dtype == torch.float32
    assert got.shape == expected.shape
    assert processor.size(side) == got.shape[-1]
    assert float(np.abs(got.numpy() - expected).max()) < 1e-5


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_the_librarys_defaults(kind: str) -> None:
    for side in (64, 300):  # smaller and larger than most sizes
        check(named(kind), side)


CHANGES: list[dict[str, Any]] = [
    {"size": 96, "crop_size": 90, "resample": 1, **tiny_hub.CLIP},
    {"size": 448, "do_center_crop": False, "resample": 2},  # ConvNext's leaves large pictures whole
    {
        "size": 111,
        "crop_size": 80,
        "do_center_crop": True,
        "do_normalize": False,
        "rescale_factor": 1 / 127.5,
    },
    {"size": 96, "crop_size": 64, "do_normalize": None, "do_rescale": False, "offset": False},
]


@pytest.mark.parametrize("change", range(len(CHANGES)))
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_does_as_its_file_says(kind: str, change: int) -> None:
    settings = {**named(kind), **CHANGES[change]}
    if kind == "ConvNext":
        settings = {**settings, "do_center_crop": False, "crop_pct": 0.9}
    check(settings, 128)


def published(settings: dict[str, Any], side: int) -> dict[str, Any]:
    """The settings at the sizes of the published checkpoint: tiny ones times seven or eight."""
    factor = side // tiny_hub.SIDE
    text = json.dumps(settings).replace(f": {tiny_hub.SIDE}", f": {side}").replace(": 36", f": {36 * factor}")
    return json.loads(text)


FILES = {
    **{name: published(settings, 224) for name, settings in tiny_hub.PROCESSORS.items()},
    "eleventh": {**tiny_hub.ELEVENTH_PROCESSOR, "size": 224},
    "older vit": {
        "feature_extractor_type": "ViTFeatureExtractor",
        "do_normalize": True,
        "do_resize": True,
        **tiny_hub.HALVES,
        "size": 224,
    },
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_published_file_does_what_the_librarys_processor_makes_of_it(name: str) -> None:
    check(FILES[name], 128)


def test_convnexts_share_and_the_video_models_fixed_size_are_those_of_the_published_files() -> None:
    resnet = parse_processor(FILES["eleventh"], "f")
    assert (resnet.resized, resnet.cropped) == (256, 224)
    vjepa2 = {"video_processor_type": "VJEPA2VideoProcessor", "size": {"shortest_edge": 999}}
    parsed = parse_processor({**vjepa2, "crop_size": {"height": 256, "width": 256}}, "f")
    assert (parsed.resized, parsed.cropped) == (292, 256)


def test_a_kind_under_each_of_its_names() -> None:
    expected = parse_processor({"image_processor_type": "CLIPImageProcessor"}, "f")
    for key in TYPES[:2]:
        for end in ("ImageProcessor", "FeatureExtractor", "ImageProcessorFast", "ImageProcessorPil"):
            assert parse_processor({key: f"CLIP{end}"}, "f") == expected


# All names of processors in the library, and those of the kinds that are implemented here.
LIBRARY = {name.removesuffix("Pil") for name in dir(transformers) if name.endswith("ImageProcessorPil")}
LIBRARY |= {name for name in dir(transformers) if name.endswith(("ImageProcessor", "VideoProcessor"))}
KNOWN = {next(iter(named(kind).values())) for kind in KINDS}


def test_every_other_processor_of_the_library_is_refused_by_its_name() -> None:
    assert len(LIBRARY - KNOWN) > 50
    for name in sorted(LIBRARY - KNOWN):
        key = "video_processor_type" if name.endswith("VideoProcessor") else "image_processor_type"
        for content in (
            {key: name, "size": 224},
            {"image_processor": {key: name, "resample": 3, **tiny_hub.CLIP}},
        ):
            with pytest.raises(UserError) as caught:
                parse_processor(content, "f")
            assert str(caught.value).startswith(f"f: {key}: the steps of '{name}' are not implemented here")
            assert "\n" not in str(caught.value)


def test_every_known_kind_is_a_processor_of_the_library() -> None:
    assert not KNOWN - LIBRARY - {"VideoPrismVideoProcessor"}


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


NAN = float("nan")
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", "size": 224}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"size": 224, "crop_pct": 0.875}, "crop_pct: not supported"),
    ({"size": 224, "include_top": True}, "include_top: not supported"),
    ({"size": 224, "rescale_offset": True}, "rescale_offset: not supported"),
    ({"size": 224, "color_quantize": True}, "color_quantize: not supported"),
    ({"size": 224, "do_grayscale": True}, "do_grayscale: not supported"),
    ({"image_processor_type": ["ViTImageProcessor"]}, "image_processor_type: the steps of"),
    ({"image_processor_type": "ImageProcessor"}, "image_processor_type: the steps of 'ImageProcessor'"),
    ({"size": {"longest_edge": 224}}, "size: must be the side of a square"),
    ({"size": {"height": 224, "width": 200}}, "size: must be the side of a square"),
    ({"size": {}}, "size: must be the side of a square"),
    ({"size": True}, "size: must be the side of a square"),
    ({"size": 224.0}, "size: must be the side of a square"),
    ({"size": 0}, "size: must be the side of a square"),
    ({"size": 10**6}, "size: must be the side of a square in pixels, at most 4096"),
    ({"size": [224, 224]}, "size: must be the side of a square"),
    ({"size": None}, "size: must be the side of a square"),
    ({"size": 224, "crop_size": 256}, "must not exceed size"),
    ({"do_resize": False, "crop_size": 256}, "must not exceed size, got 256 and no resizing"),
    ({"size": 224, "resample": 5}, "resample: must be one of"),
    ({"size": 224, "resample": None}, "resample: must be one of"),
    ({"size": 224, "resample": [2]}, "resample: must be one of"),
    ({"size": 224, "resample": True}, "resample: must be one of"),
    ({"size": 224, "resample": 2.0}, "resample: must be one of"),
    ({"size": 224, "do_resize": "no"}, "do_resize: must be true or false"),
    ({"size": 224, "do_center_crop": 1}, "do_center_crop: must be true or false"),
    ({"size": 224, "offset": "x"}, "offset: must be true or false"),
    ({"size": 224, "rescale_factor": "x"}, "rescale_factor: must be a number above 0"),
    ({"size": 224, "rescale_factor": NAN}, "rescale_factor: must be a number above 0"),
    ({"size": 224, "rescale_factor": True}, "rescale_factor: must be a number above 0"),
    ({"size": 224, "rescale_factor": 0}, "rescale_factor: must be a number above 0"),
    ({"size": 224, "rescale_factor": 10**400}, "rescale_factor: must be a number above 0"),
    ({"size": 224, "image_mean": [0.5, 0.5]}, "image_mean: must be three numbers"),
    ({"size": 224, "image_mean": [0.5, 0.5, NAN]}, "image_mean: must be three numbers"),
    ({"size": 224, "image_mean": [0.5, 0.5, True]}, "image_mean: must be three numbers"),
    ({"size": 224, "image_mean": None}, "image_mean: must be three numbers"),
    ({"size": 224, "image_std": [0.0, 0.5, 0.5]}, "image_std: must not be zero"),
    ({"size": 224, "image_std": "imagenet"}, "image_std: must be three numbers"),
    ({**CONVNEXT, "crop_pct": "x"}, "crop_pct: must be a number above 0"),
    ({**CONVNEXT, "crop_pct": 0}, "crop_pct: must be a number above 0"),
    ({**CONVNEXT, "crop_pct": 1.1}, "crop_pct: must be a share of the picture, at most 1"),
    ({**CONVNEXT, "crop_pct": 1e-320}, "crop_pct: must be a share of the picture, at most 1"),
    ({**CONVNEXT, "do_center_crop": True, "crop_size": 224}, "do_center_crop: not supported beside crop_pct"),
    ({}, "size: must be the side"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_is_not_known_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_processor(
            {"resample": 2, **tiny_hub.HALVES, **change}, "models/x/weights/preprocessor_config.json"
        )
    assert "preprocessor_config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


KEYS = [*STEPS, *COLOURS, *TYPES, "crop_pct", "offset", "do_pad", "image_processor", "video_processor"]
NAMES = [next(iter(named(kind).values())) for kind in sorted(KINDS)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([224, 0.5, *NAMES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "height", "width", "shortest_edge"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_json_is_a_processor_or_one_line(content: Any) -> None:
    message = "file: "
    try:
        parse_processor(json.loads(json.dumps(content)), "file")
    except UserError as error:
        message = str(error)
    assert message.startswith("file: ")
    assert "\n" not in message


def test_a_checkpoint_without_a_processor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has none of preprocessor_config.json"):
        read_processor(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[224]", "must be keys and values, got"),
        ("null", "None"),
    ],
)
def test_a_file_that_is_no_processor(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_processor(tmp_path)
