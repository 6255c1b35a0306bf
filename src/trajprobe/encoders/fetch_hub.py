"""What `fetch` does for the family `transformers`: a published repository becomes an encoder and its configuration.

The library knows how to rename a checkpoint's tensors to what its models call them today, and where it does not, it
leaves tensors at random and goes on (transformers 5.0 to 5.17 lost VideoMAE's query and value biases so, see
https://github.com/huggingface/transformers/pull/48675). So its report is held to be empty, and what it took is counted
against what the checkpoint has: a report can be filtered, a count cannot.
"""

import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from trajprobe import files
from trajprobe.checkpoints.audit import audit, provenance
from trajprobe.checkpoints.obtain import Obtained, obtain
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.encoders.hub_model import (
    HubModel,
    layer_names,
    library_version,
    load_state,
    read_architecture,
    strip,
)
from trajprobe.encoders.hub_processor import FILES, read_processor
from trajprobe.encoders.hub_vision import ANY, check_input
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, FileWeights, HubWeights
from trajprobe.params.loading import nearest

CONFIGURATION = ("config.json", *FILES)
# Preferred first; a sharded checkpoint has its tensors spread over several files.
CONTAINERS = (
    ("model.safetensors", "model-*-of-*.safetensors"),
    ("pytorch_model.bin", "pytorch_model-*-of-*.bin"),
)
SHOWN = 3  # names in a message


def fetch(card: EncoderCard, folder: Path) -> dict[str, object]:
    """Fill `folder` with the encoder's tensors and the configuration; the record of it.

    Raises UserError, one line, where the repository cannot be had, or is not whole, or does not fit the card.
    """
    obtained = _obtain(card)
    for name in CONFIGURATION:
        if name in obtained.files:
            shutil.copyfile(obtained.path / name, folder / name)
    checkpoints = [obtained.path / name for name in obtained.files if name not in CONFIGURATION]
    module, unused = convert(card, folder, checkpoints, obtained.source)
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(tensors, folder / "encoder.safetensors")
    return provenance(
        obtained,
        shapes={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        expected=list(tensors),
        unused=unused,
        variant=None,
        licence=card.licence,
        digest=files.sha256(folder / "encoder.safetensors"),
    )


def convert(
    card: EncoderCard, folder: Path, checkpoints: Sequence[Path], what: str
) -> tuple[torch.nn.Module, int]:
    """The encoder with the tensors of `checkpoints`, and how many of them the card leaves unused.

    folder: holds the configuration. what: the checkpoint, for messages. Raises UserError where any tensor of the
    encoder is missing, where any other is left over, where shapes differ, or where the model does not run or does not
    have the layers that the card names.
    """
    architecture = read_architecture(card)
    found: dict[str, torch.Tensor] = {}
    unused = 0
    for checkpoint in checkpoints:
        names = list(read_index(checkpoint))
        wanted = [name for name in names if not _within(name, architecture.unused)]
        found.update(read_tensors(checkpoint, wanted))
        unused += len(names) - len(wanted)
    module, report = load_state(folder, found)
    loaded = [name for name in module.state_dict() if name not in report["missing_keys"]]
    strip(module, architecture)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = {name for name in report["missing_keys"] if not _within(name, architecture.unused)}
    taken: dict[str, Sequence[int]] = {name: shape for name, shape in expected.items() if name not in missing}
    taken.update({name: shape for name, shape, _ in report["mismatched_keys"] if name in expected})
    taken.update(dict.fromkeys(sorted(report["unexpected_keys"]), ()))  # of any shape: the name is wrong
    audit(taken, expected, what)
    removed = [name for name in loaded if name not in expected]
    _count(card, found, module, removed, what)
    check_input(card.input, HubModel(module, architecture), read_processor(folder))
    _check_layers(card, folder, what)
    return module, unused


def _count(
    card: EncoderCard,
    found: dict[str, torch.Tensor],
    module: torch.nn.Module,
    removed: Sequence[str],
    what: str,
) -> None:
    """Hold the numbers in the encoder against those in the checkpoint; whole numbers are indices and do not count.

    removed: tensors that were taken from the checkpoint and then off the model, as the card's `unused` says.
    """
    state = module.state_dict()
    there = sum(tensor.numel() for tensor in found.values() if tensor.is_floating_point())
    here = sum(math.prod(t.shape) for t in state.values() if t.is_floating_point())
    if there == here:
        return
    if removed:
        raise UserError(
            f"card of {card.name}: architecture.unused: takes {_some(removed)} off the encoder, which the checkpoint "
            "has numbers for; leave it out, or name it as the checkpoint does"
        )
    left = [name for name in found if not any(f".{name}".endswith(f".{known}") for known in state)]
    rest = f" of the rest (perhaps {_some(left)})" if left else ""
    raise UserError(
        f"{what}: transformers {library_version()} takes {here} numbers of its {there} and reports nothing{rest}: if "
        "what is left over is a head, name it in the card's architecture.unused; otherwise install another version of "
        "transformers"
    )


def _check_layers(card: EncoderCard, folder: Path, what: str) -> None:
    """Hold the card's layers against the model's, before anything is encoded."""
    frames = card.input.frames if isinstance(card.input.frames, int) else ANY
    try:
        layers = layer_names(card, folder, frames, card.input.size)
    except UserError:
        raise
    except Exception as error:  # whatever a model raises that lacks a part, or is called with a wrong value
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(
            f"card of {card.name}: the model cannot run as the card says ({reason:.200}); correct its `architecture` "
            "(does `unused` name a part that is needed, do the `arguments` fit?) or its `input`"
        ) from None
    if not layers:
        raise UserError(f"{what}: the model has no layer whose positions are known; take another model")
    for layer in card.features.layer:
        if layer not in layers:
            raise UserError(
                f"card of {card.name}: features.layer: no layer {layer!r}; {nearest(layer, layers)}"
            )


def _some(names: Sequence[str]) -> str:
    """The first names, which nobody vouches for, fit for a terminal."""
    return ", ".join(f"{name!a:.100}" for name in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _obtain(card: EncoderCard) -> Obtained:
    weights: Any = card.weights
    if not isinstance(weights, HubWeights | FileWeights) or (
        isinstance(weights, HubWeights) and weights.file
    ):
        raise UserError(
            f"card of {card.name}: weights: the family transformers reads a whole repository: give "
            "`hub: <owner>/<name>`, or `file: <folder>` with its files"
        )
    for container in CONTAINERS:
        obtained = obtain(weights.model_copy(update={"sha256": None}), [*CONFIGURATION, *container])
        if set(obtained.files) - set(CONFIGURATION):
            return obtain(weights, [*CONFIGURATION, *container]) if weights.sha256 else obtained
    raise UserError(
        f"{obtained.source}: has neither model.safetensors nor pytorch_model.bin; take a repository for transformers"
    )
