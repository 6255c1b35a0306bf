"""Weights of a CIFAR ResNet out of a published checkpoint: `{best_prec1, state_dict}`, names behind `module.`."""

from pathlib import Path

from trajprobe.checkpoints.audit import audit, provenance
from trajprobe.checkpoints.convert import convert
from trajprobe.checkpoints.obtain import obtain
from trajprobe.checkpoints.tensors import read_index
from trajprobe.encoders.resnet import network
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, FileWeights, HubWeights, UrlWeights

PREFIX = "module."  # what torch's DataParallel puts before every name
CLASSIFIER = "linear."
COUNTER = (
    "num_batches_tracked"  # of batch norm: newer than the checkpoints, and of no use to a frozen network
)


def fetch(card: EncoderCard, folder: Path) -> dict[str, object]:
    """Fill `folder` and return the provenance. Raises UserError where a tensor is missing, unexpected or misshapen."""
    if not isinstance(card.weights, HubWeights | UrlWeights | FileWeights):
        raise UserError(
            f"card of {card.name}: weights: the family resnet needs a checkpoint: give `url`, `hub` or `file`"
        )
    checkpoint = obtain(card.weights)
    index = read_index(checkpoint.path)
    theirs = {name.removeprefix(PREFIX): name for name in index}
    kept = {name: index[theirs[name]].shape for name in theirs if not name.startswith(CLASSIFIER)}
    tensors = network(card).state_dict().items()
    expected = {name: tuple(tensor.shape) for name, tensor in tensors if not name.endswith(COUNTER)}
    found = {name: shape for name, shape in kept.items() if not name.endswith(COUNTER)}
    audit(found, expected, checkpoint.source)
    digest = convert(
        checkpoint.path, {name: theirs[name] for name in expected}, folder / "encoder.safetensors"
    )
    return provenance(
        checkpoint,
        shapes=found,
        expected=expected,
        unused=len(index) - len(found),
        variant=None,
        licence=card.licence,
        digest=digest,
    )
