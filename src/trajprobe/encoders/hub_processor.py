"""What a published checkpoint's own processor does to a picture, on whole batches and on any device.

Size, crop, filter and normalisation are read from the file that came with the weights, never assumed: two models of
one architecture differ in them. The order is the library's: resize, crop the centre, scale, normalise.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trajprobe.encoders.pil_resize import FILTERS, resize
from trajprobe.errors import UserError

FILES = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
# Steps that some processors know and this one does not: to leave them out in silence would feed the model wrongly.
UNKNOWN_STEPS = (
    "crop_pct",
    "do_pad",
    "do_thumbnail",
    "do_align_long_axis",
    "do_crop_margin",
    "do_flip_channel_order",
)
SOME = 8  # pictures at a time: what stays in a processor's cache is resized four times as fast


@dataclass(frozen=True)
class Processor:
    """uint8 pictures to a model's input.

    resized, cropped: pixels on a side, None where the step is left out. resample: Pillow's number of the filter.
    A grey level x becomes (x factor - shift - mean) / std, in each colour.
    """

    resized: int | None
    cropped: int | None
    resample: int
    factor: float
    shift: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def size(self, side: int) -> int:
        """Pixels on a side of what comes out, for pictures of `side` x `side`."""
        return self.cropped or self.resized or side

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, S, S, 3) uint8 -> (n, 3, size, size) float32 on the same device."""
        return torch.cat([self._some(part) for part in pictures.split(SOME)])

    def _some(self, pictures: torch.Tensor) -> torch.Tensor:
        if self.resized is not None:
            pictures = resize(pictures, self.resized, self.resample)
        if self.cropped is not None:
            first = (pictures.shape[1] - self.cropped) // 2
            pictures = pictures[:, first : first + self.cropped, first : first + self.cropped]
        mean, std = (torch.tensor(values, device=pictures.device) for values in (self.mean, self.std))
        return ((pictures.float() * self.factor - self.shift - mean) / std).permute(0, 3, 1, 2).contiguous()


def read_processor(folder: Path) -> Processor:
    """The processor of the checkpoint in `folder`, from the first of FILES that is there.

    Raises UserError where there is none, or where it asks for something that is not known here.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise UserError(
            f"{folder}: has none of {', '.join(FILES)}, so nothing tells how to feed the model; take a repository "
            "that has one"
        )
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: is not JSON ({error}); get a fresh copy of the repository") from None
    return parse_processor(settings, str(path))


def parse_processor(settings: Mapping[str, Any], where: str) -> Processor:
    """The processor that the JSON object `settings` describes; keys as Hugging Face's processors write them.

    A newer file nests them under `image_processor` or `video_processor`. An older one writes a size as one number.
    Raises UserError, which opens with `where`.
    """
    for part in ("image_processor", "video_processor"):
        if isinstance(settings.get(part), Mapping):
            settings = settings[part]
    for step in UNKNOWN_STEPS:
        if settings.get(step):
            raise UserError(f"{where}: {step}: not supported; take another checkpoint, or report it")
    does = {step: settings.get(f"do_{step}", True) for step in ("resize", "rescale", "normalize")}
    crops = settings.get("do_center_crop", "crop_size" in settings)
    resized = _side(settings, "size", where) if does["resize"] else None
    cropped = _side(settings, "crop_size", where) if crops else None
    if resized is not None and cropped is not None and cropped > resized:
        raise UserError(f"{where}: crop_size: must not exceed size, got {cropped} and {resized}")
    resample = settings.get("resample", None if does["resize"] else 2)
    if resample not in FILTERS:
        raise UserError(
            f"{where}: resample: must be one of {sorted(FILTERS)} (Pillow's filters), got {resample!r}"
        )
    # ViViT's processor maps to -1..1 before it normalises; its class does so unless the file says otherwise.
    names = [
        str(settings.get(key, ""))
        for key in ("image_processor_type", "feature_extractor_type", "video_processor_type")
    ]
    offset = settings.get("offset", any(name.startswith("Vivit") for name in names))
    return Processor(
        resized=resized,
        cropped=cropped,
        resample=resample,
        factor=float(settings.get("rescale_factor", 1 / 255)) if does["rescale"] else 1.0,
        shift=1.0 if does["rescale"] and offset else 0.0,
        mean=_colours(settings, "image_mean", where) if does["normalize"] else (0.0, 0.0, 0.0),
        std=_colours(settings, "image_std", where) if does["normalize"] else (1.0, 1.0, 1.0),
    )


def _side(settings: Mapping[str, Any], key: str, where: str) -> int:
    """A size as files write it: 224, {shortest_edge: 224} or {height: 224, width: 224}; all one for square clips."""
    value = settings.get(key)
    sides = list(value.values()) if isinstance(value, Mapping) else [value]
    known = not isinstance(value, Mapping) or set(value) in ({"shortest_edge"}, {"height", "width"})
    if not known or len(set(map(str, sides))) != 1 or not isinstance(sides[0], int) or sides[0] < 1:
        raise UserError(f"{where}: {key}: must be the side of a square in pixels, got {value!r}")
    return sides[0]


def _colours(settings: Mapping[str, Any], key: str, where: str) -> tuple[float, float, float]:
    value = settings.get(key)
    values = [value] * 3 if isinstance(value, int | float) else value
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not all(isinstance(v, int | float) for v in values)
    ):
        raise UserError(f"{where}: {key}: must be three numbers, one for each colour, got {value!r}")
    if key == "image_std" and not all(values):
        raise UserError(f"{where}: {key}: must not be zero, got {value!r}")
    return float(values[0]), float(values[1]), float(values[2])
