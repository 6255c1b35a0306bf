"""Weights of Open-MAGVIT2's encoder: out of a published checkpoint, or from the card's own pretraining.

A published checkpoint is a Lightning state dict: `encoder.*`, `decoder.*`, and copies averaged over training (EMA)
under `model_ema.`, whose names have lost their dots. The original evaluates the averaged ones.
"""

from pathlib import Path

import torch

from trajprobe.checkpoints.audit import audit, provenance
from trajprobe.checkpoints.convert import convert
from trajprobe.checkpoints.obtain import obtain
from trajprobe.checkpoints.tensors import read_index
from trajprobe.encoders import open_magvit2, stem
from trajprobe.encoders.magvit2_model import Magvit2Encoder
from trajprobe.encoders.open_magvit2 import FILE
from trajprobe.encoders.pretraining import pretrain
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, FileWeights, HubWeights, RecipeWeights, UrlWeights

PREFIX = "encoder."
AVERAGED = "model_ema."


def fetch(card: EncoderCard, folder: Path) -> dict[str, object]:
    """Fill `folder` and return the provenance. Raises UserError where a tensor is missing, unexpected or misshapen."""
    match card.weights:
        case HubWeights() | UrlWeights() | FileWeights() as weights:
            return _from_checkpoint(card, weights, folder / FILE)
        case RecipeWeights(recipe=recipe) if card.family == "open_magvit2":
            return pretrain(open_magvit2.architecture(card), card.input, recipe, folder / FILE)
    raise UserError(
        f"card of {card.name}: weights: the family {card.family!r} cannot come from what it says there"
    )


def _from_checkpoint(
    card: EncoderCard, weights: HubWeights | UrlWeights | FileWeights, target: Path
) -> dict[str, object]:
    expected = _expected(card)
    averaged = weights.ema is not False
    checkpoint = obtain(weights)
    index = read_index(checkpoint.path)
    # The checkpoint's name of each tensor -> ours.
    prefix = AVERAGED + _undotted(PREFIX) if averaged else PREFIX
    ours = {prefix + (_undotted(name) if averaged else name): name for name in expected}
    found = {ours.get(name, name): spec.shape for name, spec in index.items() if name.startswith(prefix)}
    if card.family == "stem":  # one tensor of the encoder; the others are no surprise
        found = {name: shape for name, shape in found.items() if name in expected}
    audit(found, expected, f"{checkpoint.source} ({'EMA' if averaged else 'raw'})")
    digest = convert(checkpoint.path, {name: theirs for theirs, name in ours.items()}, target)
    return provenance(
        checkpoint,
        shapes=found,
        expected=expected,
        unused=len(index) - len(found),
        variant="EMA" if averaged else "raw",
        licence=card.licence,
        digest=digest,
    )


def _expected(card: EncoderCard) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that the card's architecture has; nothing is allocated."""
    with torch.device("meta"):
        if card.family == "stem":
            model: torch.nn.Module = stem.Stem(stem.architecture(card), card.input)
        else:
            model = Magvit2Encoder(open_magvit2.architecture(card))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def _undotted(name: str) -> str:
    return name.replace(".", "")
