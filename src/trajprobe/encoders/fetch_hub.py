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
from trajprobe.encoders.hub_model import HubModel, library_version, load_state, read_architecture, strip
from trajprobe.encoders.hub_processor import FILES, read_processor
from trajprobe.encoders.hub_vision import check_input
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, FileWeights, HubWeights

CONFIGURATION = ("config.json", *FILES)
# Preferred first; a sharded checkpoint has its tensors spread over several files.
CONTAINERS = (
    ("model.safetensors", "model-*-of-*.safetensors"),
    ("pytorch_model.bin", "pytorch_model-*-of-*.bin"),
)


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
    encoder is missing, where any other is left over, or where shapes differ.
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
    strip(module, architecture)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    missing = {name for name in report["missing_keys"] if not _within(name, architecture.unused)}
    taken: dict[str, Sequence[int]] = {name: shape for name, shape in expected.items() if name not in missing}
    taken.update({name: shape for name, shape, _ in report["mismatched_keys"] if name in expected})
    taken.update(dict.fromkeys(sorted(report["unexpected_keys"]), ()))  # of any shape: the name is wrong
    audit(taken, expected, what)
    _count(found, module, what)
    check_input(card.input, HubModel(module, architecture), read_processor(folder))
    return module, unused


def _count(found: dict[str, torch.Tensor], module: torch.nn.Module, what: str) -> None:
    """Hold the numbers in the encoder against those in the checkpoint; whole numbers are indices and do not count."""
    there = sum(tensor.numel() for tensor in found.values() if tensor.is_floating_point())
    here = sum(math.prod(t.shape) for t in module.state_dict().values() if t.is_floating_point())
    if there != here:
        raise UserError(
            f"{what}: transformers {library_version()} takes {here} numbers of its {there} and reports nothing: "
            "install another version of transformers; if what is left over is a head, name it in the card's "
            "architecture.unused"
        )


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
