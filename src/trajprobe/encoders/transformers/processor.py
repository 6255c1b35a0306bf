"""The preprocessing of a published checkpoint's own processor, on whole batches and on any device.

Size, crop, filter and normalisation are read from the file that comes with the weights, never assumed: two models of
one architecture differ in them. The order is the library's: resize, crop the centre, scale, normalise. Processors of
other kinds have other steps or another order, which their files do not say, so only the kinds in KINDS are admitted:
those that were checked against the library's own, in its form without torchvision. The form with torchvision, which
is the only one for videos, resizes differently: by up to 2 grey levels (0.0078 of the scale).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch

from trajprobe.core.errors import UserError
from trajprobe.encoders.transformers.pillow_resize import FILTERS, pillow_resize

FILES = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
TYPES = ("image_processor_type", "feature_extractor_type", "video_processor_type")
# Steps of some processors that are not implemented here: leaving them out silently would give the model a wrong input.
UNKNOWN_STEPS = (
    "crop_pct",
    "do_pad",
    "do_thumbnail",
    "do_align_long_axis",
    "do_crop_margin",
    "do_flip_channel_order",
    "include_top",
    "rescale_offset",
    "color_quantize",
    "do_grayscale",
)
LARGEST = 4096  # pixels on a side
CHUNK = 8  # pictures at a time: what fits into the CPU's cache is resized four times as fast

CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALVES = {"image_mean": 0.5, "image_std": 0.5}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def _kind(
    size: int, crop_size: int | None, resample: int, colours: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    crop = (
        {"do_center_crop": False} if crop_size is None else {"do_center_crop": True, "crop_size": crop_size}
    )
    return {"size": size, **crop, "resample": resample, **colours, **more}


# kind of processor -> the library's defaults for what a file of that kind does not say
KINDS: dict[str, dict[str, Any]] = {
    "Beit": _kind(224, None, 3, HALVES),
    "Bit": _kind(224, 224, 3, CLIP),
    "Blip": _kind(384, None, 3, CLIP),
    "ChineseCLIP": _kind(224, 224, 3, CLIP),
    "CLIP": _kind(224, 224, 3, CLIP),
    "ConvNext": _kind(384, None, 3, HALVES, crop_pct=224 / 256),
    "DeiT": _kind(256, 224, 3, HALVES),
    "MobileNetV1": _kind(256, 224, 2, HALVES),
    "MobileNetV2": _kind(256, 224, 2, HALVES),
    "OwlViT": _kind(768, None, 3, CLIP),
    "Pvt": _kind(224, None, 3, IMAGENET),
    "Segformer": _kind(512, None, 2, IMAGENET),
    "Siglip": _kind(224, None, 3, HALVES),
    "ViT": _kind(224, None, 2, HALVES),
    "VideoMAE": _kind(224, 224, 2, HALVES),
    "Vivit": _kind(256, 224, 2, HALVES, rescale_factor=1 / 127.5, offset=True),
    "LlavaOnevisionVideo": _kind(384, None, 3, CLIP),
    "TimesformerVideo": _kind(224, 224, 2, IMAGENET),
    "VideoMAEVideo": _kind(224, 224, 2, HALVES),
    "VideoPrismVideo": _kind(288, None, 3, CLIP, do_normalize=False),  # LlavaOnevision's, under another name
    "VivitVideo": _kind(256, 224, 2, HALVES, rescale_factor=1 / 127.5, offset=True),
    "VJEPA2Video": _kind(292, 256, 2, IMAGENET),
}
# What some kinds do whatever their file says; the size of VJEPA2Video follows from its crop (see _complete).
ALWAYS: dict[str | None, dict[str, Any]] = {
    "Segformer": {"do_center_crop": False},
    "VivitVideo": {"offset": True},
}


@dataclass(frozen=True)
class Processor:
    """Turns uint8 pictures into a model's input.

    resized, cropped: pixels on a side, or None if the step is left out. resample: Pillow's number of the filter.
    A grey level x becomes (x factor - shift - mean) / std in each colour.
    """

    resized: int | None
    cropped: int | None
    resample: int
    factor: float
    shift: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def size(self, side: int) -> int:
        """Pixels on a side of the result, for pictures of `side` x `side`."""
        return self.cropped or self.resized or side

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, S, S, 3) uint8 -> (n, 3, size, size) float32 on the same device."""
        return torch.cat([self._process(part) for part in pictures.split(CHUNK)])

    def _process(self, pictures: torch.Tensor) -> torch.Tensor:
        if self.resized is not None:
            pictures = pillow_resize(pictures, self.resized, self.resample)
        if self.cropped is not None:
            first = (pictures.shape[1] - self.cropped) // 2
            pictures = pictures[:, first : first + self.cropped, first : first + self.cropped]
        mean, std = (
            torch.tensor(values, device=pictures.device)[:, None, None] for values in (self.mean, self.std)
        )
        colours = pictures.permute(0, 3, 1, 2).contiguous()  # as bytes, and one after the other
        return (colours.float() * self.factor - self.shift - mean) / std


def read_processor(folder: Path) -> Processor:
    """The processor of the checkpoint in `folder`, from the first of FILES that exists.

    Raises UserError if there is none, or if it asks for something that is not implemented here.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise UserError(
            f"{folder}: has none of {', '.join(FILES)}, so the input of the model is not known; take a "
            "repository that has one"
        )
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not JSON ({error}); get a fresh copy of the repository") from None
    return parse_processor(settings, str(path))


def parse_processor(settings: Any, where: str) -> Processor:
    """The processor that the JSON object `settings` describes, with the keys of Hugging Face's processors.

    Newer files nest them under `image_processor` or `video_processor`. Older ones write a size as one number and omit
    the defaults of their kind. A file that names no kind is taken literally. Raises UserError, which opens with
    `where`.
    """
    for part in ("image_processor", "video_processor"):
        if isinstance(settings, Mapping) and isinstance(settings.get(part), Mapping):
            settings = settings[part]
    if not isinstance(settings, Mapping):
        raise UserError(
            f"{where}: must be keys and values, got {settings!r:.80}; get a fresh copy of the repository"
        )
    settings = _complete(settings, where)
    does = {step: _flag(settings, f"do_{step}", True, where) for step in ("resize", "rescale", "normalize")}
    crops = _flag(settings, "do_center_crop", settings.get("crop_size") is not None, where)
    resized = _side(settings, "size", where) if does["resize"] else None
    cropped = _side(settings, "crop_size", where) if crops else None
    if "crop_pct" in settings and resized is not None:
        if crops:
            raise UserError(
                f"{where}: do_center_crop: not supported beside crop_pct; take another checkpoint"
            )
        resized, cropped = _crop_share(settings, resized, where)
    if cropped is not None and (resized is None or cropped > resized):
        raise UserError(
            f"{where}: crop_size: must not exceed size, got {cropped} and {resized or 'no resizing'}; take another "
            "checkpoint"
        )
    return Processor(
        resized=resized,
        cropped=cropped,
        resample=_filter(settings, where) if does["resize"] else 2,
        factor=_number(settings, "rescale_factor", where) if does["rescale"] else 1.0,
        shift=1.0 if does["rescale"] and _flag(settings, "offset", False, where) else 0.0,
        mean=_colours(settings, "image_mean", where) if does["normalize"] else (0.0, 0.0, 0.0),
        std=_colours(settings, "image_std", where) if does["normalize"] else (1.0, 1.0, 1.0),
    )


def _complete(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings with the defaults of the kind that they name, and with what this kind always does."""
    key = next((key for key in TYPES if settings.get(key) is not None), None)
    kind = None if key is None else _short(str(settings[key]))
    if key is not None and kind not in KINDS:
        raise UserError(
            f"{where}: {key}: the steps of {settings[key]!r:.80} are not implemented here; take another checkpoint, or "
            "report it"
        )
    defaults = KINDS[kind] if kind else {}
    for step in UNKNOWN_STEPS:
        if settings.get(step) and step not in defaults:
            raise UserError(f"{where}: {step}: not supported; take another checkpoint, or report it")
    complete = {"rescale_factor": 1 / 255, **defaults, **settings, **ALWAYS.get(kind, {})}
    if kind == "VJEPA2Video":
        complete["size"] = _side(complete, "crop_size", where) * 256 // 224
    return complete


def _short(name: str) -> str:
    """CLIPFeatureExtractor, CLIPImageProcessorFast -> CLIP; VivitVideoProcessor -> VivitVideo: another class."""
    name = name.removesuffix("Fast").removesuffix("Pil")
    return name.removesuffix("FeatureExtractor").removesuffix("ImageProcessor").removesuffix("Processor")


def _crop_share(settings: Mapping[str, Any], side: int, where: str) -> tuple[int, int | None]:
    """The sizes to which ConvNext's processor resizes and crops for `size: side`: from 384 on it does not crop."""
    share = _number(settings, "crop_pct", where)
    if not side / LARGEST <= share <= 1:
        raise UserError(f"{where}: crop_pct: must be a share of the picture, at most 1, got {share}")
    return (int(side / share), side) if side < 384 else (side, None)


def _flag(settings: Mapping[str, Any], key: str, default: bool, where: str) -> bool:
    value = settings.get(key, default)
    if not isinstance(value, bool | None):
        raise UserError(f"{where}: {key}: must be true or false, got {value!r:.80}")
    return bool(value)  # null leaves the step out


def _filter(settings: Mapping[str, Any], where: str) -> int:
    value = settings.get("resample")
    if not isinstance(value, int) or isinstance(value, bool) or value not in FILTERS:
        raise UserError(
            f"{where}: resample: must be one of {sorted(FILTERS)} (Pillow's filters), got {value!r:.80}"
        )
    return value


def _number(settings: Mapping[str, Any], key: str, where: str) -> float:
    value = settings.get(key)
    if not _is_number(value) or value <= 0:
        raise UserError(f"{where}: {key}: must be a number above 0, got {value!r:.80}")
    return float(value)


def _side(settings: Mapping[str, Any], key: str, where: str) -> int:
    """A size as files write it: 224, {shortest_edge: 224} or {height: 224, width: 224}, equal for square clips."""
    value = settings.get(key)
    sides = list(value.values()) if isinstance(value, Mapping) else [value]
    known = not isinstance(value, Mapping) or set(value) in ({"shortest_edge"}, {"height", "width"})
    side = sides[0] if known and sides.count(sides[0]) == len(sides) else None
    if type(side) is not int or not 1 <= side <= LARGEST:
        raise UserError(
            f"{where}: {key}: must be the side of a square in pixels, at most {LARGEST}, got {value!r:.80}"
        )
    return side


def _colours(settings: Mapping[str, Any], key: str, where: str) -> tuple[float, float, float]:
    value = settings.get(key)
    values: Any = value if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3 or not all(_is_number(v) for v in values):
        raise UserError(f"{where}: {key}: must be three numbers, one for each colour, got {value!r:.80}")
    if key == "image_std" and not all(values):
        raise UserError(f"{where}: {key}: must not be zero, got {value!r:.80}")
    return float(values[0]), float(values[1]), float(values[2])


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a JSON value, which may be NaN, true or a whole number of any length, fits into a float32."""
    return type(value) in (int, float) and abs(value) < 1e30
