"""From stored clips to a model's input: frames, size and scale, as `input` in the card says.

Everything runs on the device, in batches. Nothing is padded silently: a clip with a number of frames that the model
does not take is refused, or resampled if the card says so.
"""

import torch
from torch.nn.functional import avg_pool2d, interpolate

from trajprobe.artifacts.encoder_card import Input
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest

Colours = tuple[float, float, float]
# scale in a card -> (divisor, shift, deviation): (x / divisor - shift) / deviation per colour; the order of operations,
# and with it the rounding, is that of the original implementations
SCALES: dict[str, tuple[float, Colours, Colours]] = {
    "x/127.5 - 1": (127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "x/255": (255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": (255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # mean and deviation of its images
}


def prepare(clips: torch.Tensor, expected: Input) -> torch.Tensor:
    """(B, T, H, H, 3) uint8 -> (B, T', 3, h, w) float32 on the same device.

    Raises UserError as `shown_frames` does, and for an unknown scale.
    """
    clips = shown_frames(clips, expected)
    if expected.scale not in SCALES:
        raise UserError(
            f"card: input.scale: unknown scale {expected.scale!r}; {nearest(expected.scale, list(SCALES))}"
        )
    divisor, *colour = SCALES[expected.scale]
    # One number for all colours is several times as fast as three equal ones.
    shift, deviation = (
        torch.tensor(values if len(set(values)) > 1 else values[0], device=clips.device) for values in colour
    )
    pictures = (clips.float() / divisor - shift) / deviation
    pictures = _resize(pictures.flatten(0, 1).permute(0, 3, 1, 2), *expected.height_and_width)
    return pictures.unflatten(0, clips.shape[:2])


def shown_frames(clips: torch.Tensor, expected: Input) -> torch.Tensor:
    """(B, T, H, H, 3) -> (B, T', H, H, 3): the frames that the model is shown.

    Raises UserError if the pictures are not square, or if the card does not admit the number of frames.
    """
    _, frames, height, width, _ = clips.shape
    if height != width:
        raise UserError(
            f"clips must be square, got {width} x {height} pixels; render them with one `render.size`"
        )
    return clips[:, frame_indices(frames, expected)]


def frame_indices(frames: int, expected: Input) -> list[int]:
    """The indices of the frames that the model is shown, in order, for a clip of `frames` frames.

    Resampling takes the nearest number of frames that the model admits (of two, the larger) and keeps the first and
    the last frame; frames are repeated or left out, never blended. Raises UserError if the card refuses the number.
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


def _resize(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """(B, C, H, H) -> (B, C, height, width): averages over areas if it shrinks, else bilinear."""
    side = pictures.shape[-1]
    if (side, side) == (height, width):
        return pictures
    if side % height == 0 and side % width == 0:
        return avg_pool2d(pictures, (side // height, side // width))
    if max(height, width) <= side:
        rows, columns = (_overlaps(side, size).to(pictures.device) for size in (height, width))
        return rows @ pictures @ columns.T
    return interpolate(pictures, size=(height, width), mode="bilinear", antialias=True, align_corners=False)


def _overlaps(before: int, after: int) -> torch.Tensor:
    """(after, before) float32: the share of each old pixel in each new one, as in OpenCV's INTER_AREA."""
    edges = torch.arange(after + 1, dtype=torch.float64) * before / after
    left = torch.arange(before, dtype=torch.float64)
    shared = torch.minimum(edges[1:, None], left + 1) - torch.maximum(edges[:-1, None], left)
    return (shared.clamp(min=0) * after / before).float()
