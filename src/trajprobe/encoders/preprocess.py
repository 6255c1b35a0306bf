"""From a stored clip to what a model is fed: its frames, its size, its scale, as the card's `input` says.

Everything happens on the device and in batches. Nothing is padded silently: a clip whose number of frames the model
does not take is refused, or resampled where the card says so.
"""

import torch
from torch.nn.functional import avg_pool2d, interpolate

from trajprobe.errors import UserError
from trajprobe.params.encoder_card import Input
from trajprobe.params.loading import nearest

Colours = tuple[float, float, float]
# scale in a card -> (divisor, shift, deviation): (x / divisor - shift) / deviation of each colour, in this order of
# rounding, which is that of the original implementations
SCALES: dict[str, tuple[float, Colours, Colours]] = {
    "x/127.5 - 1": (127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    # the mean and the deviation of ImageNet's photographs
    "imagenet": (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def prepare(clips: torch.Tensor, expected: Input) -> torch.Tensor:
    """(B, T, H, W, 3) uint8 -> (B, T', 3, size, size) float32 on the same device.

    Raises UserError for a number of frames that the card refuses, pictures that are not square, an unknown scale.
    """
    clips = clips[:, frame_indices(clips.shape[1], expected)]
    batch, frames, height, width, colours = clips.shape
    if height != width:
        raise UserError(
            f"clips must be square, got {width} x {height} pixels; render them with one `render.size`"
        )
    if expected.scale not in SCALES:
        raise UserError(
            f"card: input.scale: unknown scale {expected.scale!r}; {nearest(expected.scale, list(SCALES))}"
        )
    divisor, *colour = SCALES[expected.scale]
    shift, deviation = (torch.tensor(values, device=clips.device) for values in colour)
    pictures = (clips.float() / divisor - shift) / deviation
    pictures = pictures.reshape(batch * frames, height, width, colours).permute(0, 3, 1, 2)
    return resize(pictures, expected.size).reshape(batch, frames, colours, expected.size, expected.size)


def frame_indices(frames: int, expected: Input) -> list[int]:
    """Which of a clip's frames the model is shown, in order.

    Resampling takes the nearest number that the model takes (the larger of two) and keeps the first and the last
    frame; frames are repeated or left out, never blended. Raises UserError where the card refuses the number.
    """
    match expected.frames:
        case "any":
            wanted = frames
        case "4k+1":
            wanted = 4 * ((frames + 1) // 4) + 1
        case number:
            wanted = int(number)
    if wanted == frames:
        return list(range(frames))
    if expected.fit == "refuse":
        raise UserError(
            f"clips have {frames} frames, this encoder takes {expected.frames}: set render.frames to {wanted}, "
            "or `fit: resample` under `input` in its card"
        )
    step = (frames - 1) / max(1, wanted - 1)
    return [int(index * step + 0.5) for index in range(wanted)]


def resize(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """(B, C, H, H) -> (B, C, size, size): areas averaged where size divides H, else bilinear with anti-aliasing."""
    side = pictures.shape[-1]
    if side == size:
        return pictures
    if side % size == 0:
        return avg_pool2d(pictures, side // size)
    return interpolate(pictures, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
