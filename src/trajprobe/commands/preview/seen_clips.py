"""What an encoder is shown: clips after its own preprocessing, turned back into pictures.

The encoder's own code chooses the frames, resizes and scales; here the scale alone is inverted, so what the pictures
show (which frames, how coarse, stretched, cropped or grey) is what arrives at the first layer, rounded to grey levels.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajprobe.artifacts.encoder_card import EncoderCard

if TYPE_CHECKING:
    import torch

# Encoders of the Hub keep their preprocessing beside their weights, so it is unknown before they are fetched.
APPROXIMATE = (
    "its processor comes with its weights, which are not here yet: size and frames are the card's, by areas"
)


def seen_clips(clips: np.ndarray, card: EncoderCard, weights: Path) -> np.ndarray:
    """(n, T', h, w, 3) uint8: what the encoder of `card` is shown of clips (n, T, S, S, 3) uint8.

    weights: its folder, which may be missing (see `is_approximate`). Raises UserError if the encoder refuses the clips.
    """
    import torch

    shown = torch.from_numpy(np.ascontiguousarray(clips))
    if card.family == "placeholder":
        return clips  # it reads the bytes
    if card.family == "transformers" and not is_approximate(card, weights):
        from trajprobe.encoders.preprocess import shown_frames
        from trajprobe.encoders.transformers.processor import read_processor

        processor = read_processor(weights)
        frames = shown_frames(shown, card.input)
        pictures = processor(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        std, mean = (torch.tensor(values)[:, None, None] for values in (processor.std, processor.mean))
        levels = (pictures * std + mean + processor.shift) / processor.factor
    else:
        levels = _grey_levels(shown, card)
    if card.family == "light_asd":
        from trajprobe.encoders.light_asd import GREY

        luma = torch.tensor(GREY)[:, None, None]
        levels = (levels * luma).sum(dim=2, keepdim=True).expand_as(levels)
    return levels.round().clamp(0, 255).byte().permute(0, 1, 3, 4, 2).numpy()


def is_approximate(card: EncoderCard, weights: Path) -> bool:
    """Whether the encoder's preprocessing is not known on this machine (see APPROXIMATE)."""
    return card.family == "transformers" and not (weights / "provenance.json").is_file()


def _grey_levels(clips: "torch.Tensor", card: EncoderCard) -> "torch.Tensor":
    """(n, T', 3, h, w) float32 from 0 to 255, by the preprocessing that the card's `input` describes."""
    import torch

    from trajprobe.encoders.preprocess import SCALES, prepare

    expected = card.input
    if card.family == "transformers":
        expected = expected.model_copy(update={"scale": "x/255"})
    prepared = prepare(clips, expected)
    divisor, *colour = SCALES[expected.scale]
    shift, deviation = (torch.tensor(values)[:, None, None] for values in colour)
    return (prepared * deviation + shift) * divisor
