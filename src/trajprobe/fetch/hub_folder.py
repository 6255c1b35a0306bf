"""A repository for transformers becomes `encoder.safetensors` and the configuration beside it.

The library renames a checkpoint's tensors to the names that its models have today. Where it fails to, it leaves tensors
at random and continues: transformers 5.0 to 5.17 lost VideoMAE's query and value biases in this way
(https://github.com/huggingface/transformers/pull/48675). So its report must be empty, and the number of values that it
took must be that of the checkpoint: a report can be filtered, a count cannot.
"""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights, HubWeights
from trajprobe.checkpoints.tensors import read_index, read_tensors
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.schema import nearest
from trajprobe.encoders.protocol import WEIGHTS_FILE
from trajprobe.encoders.transformers.encoder import check_input
from trajprobe.encoders.transformers.model import (
    HubModel,
    layer_names,
    library_version,
    load_state,
    read_architecture,
    read_config,
    strip,
)
from trajprobe.encoders.transformers.processor import FILES, read_processor
from trajprobe.fetch.audit import ValueCheck, audit, first_names
from trajprobe.fetch.provenance import origin_record
from trajprobe.fetch.resolve import ResolvedWeights, available, check_folder, resolve

CONFIGURATION = ("config.json", *FILES)
CHECKPOINTS = ("model.safetensors", "pytorch_model.bin")  # in the order of preference
# Weights of other frameworks, which transformers read up to version 4.
OTHERS = {"flax_model.msgpack": "flax", "tf_model.h5": "tf"}
INDEX = ".index.json"  # after the name of a checkpoint: which shards have its tensors


def fetch_hub_folder(card: EncoderCard, folder: Path) -> dict[str, Any]:
    """Write the encoder's tensors and its configuration into `folder` and return the record of their origin.

    Raises UserError if the repository cannot be had, is not whole, or does not fit the card.
    """
    resolved = _resolve(card)
    for name in CONFIGURATION:
        if name in resolved.files:
            shutil.copyfile(resolved.path / name, folder / name)
    checkpoints = [
        resolved.path / name
        for name in resolved.files
        if name not in CONFIGURATION and not name.endswith(INDEX)
    ]
    module, unused = convert(card, folder, checkpoints, resolved.source)
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    check = ValueCheck(resolved.source)
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            check.add(name, tensor.numpy())
    check.finish()
    save_file(tensors, folder / WEIGHTS_FILE)
    return origin_record(
        resolved,
        shapes={name: tuple(tensor.shape) for name, tensor in tensors.items()},
        expected=list(tensors),
        unused=unused,
        prefix="",
        variant=None,
        licence=card.licence,
        digest=files.sha256(folder / WEIGHTS_FILE),
    )


def convert(
    card: EncoderCard, folder: Path, checkpoints: Sequence[Path], what: str
) -> tuple[torch.nn.Module, int]:
    """The encoder with the tensors of `checkpoints`, and how many of them the card leaves unused.

    folder: holds the configuration. what: the checkpoint, for messages.
    Raises UserError if a tensor of the encoder is missing, another is left over, shapes differ, the model does not run,
    or lacks a layer that the card names.
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
    _check_count(card, found, module, removed, what)
    check_input(card.input, HubModel(module, architecture), read_processor(folder))
    _check_layers(card, folder, what)
    return module, unused


def _resolve(card: EncoderCard) -> ResolvedWeights:
    """The configuration and the checkpoint of the card's repository; of a sharded one, the shards in its index."""
    weights: Any = card.weights
    whole = isinstance(weights, FileWeights) or (isinstance(weights, HubWeights) and weights.file is None)
    if not whole:
        raise UserError(
            f"card of {card.name}: weights: the family transformers reads a whole repository: give "
            "`hub: <owner>/<name>`, or `file: <folder>` with its files"
        )
    for key in ("ema", "prefix"):
        if getattr(weights, key) is not None:
            raise UserError(
                f"card of {card.name}: weights.{key}: is not for the family transformers; remove it"
            )
    there = available(weights, [*CONFIGURATION, *CHECKPOINTS, *(f"{name}{INDEX}" for name in CHECKPOINTS)])
    configuration = [name for name in CONFIGURATION if name in there]
    unpinned = weights.model_copy(update={"sha256": None})
    if "config.json" in configuration:  # before the tensors are downloaded
        _check_configuration(resolve(unpinned, configuration).path)
    for checkpoint in CHECKPOINTS:
        index = f"{checkpoint}{INDEX}"
        if checkpoint in there:
            names = [checkpoint]
        elif index in there:
            names = [index, *_shards(resolve(unpinned, [index]).path / index)]
        else:
            continue
        if absent := sorted(set(names) - set(available(weights, names))):
            raise UserError(
                f"card of {card.name}: weights: the repository lacks {first_names(absent)}, which its {index} names; "
                "name another revision, or a folder with all files"
            )
        return resolve(weights, [*configuration, *names])
    if isinstance(weights, FileWeights):
        check_folder(weights)
    remedy = "take one for transformers"
    if others := available(weights, list(OTHERS)):
        where = weights.hub if isinstance(weights, HubWeights) else weights.file
        remedy = (
            f"it has {others[0]}, which transformers 4 converts: `python -c 'import transformers; transformers."
            f'AutoModel.from_pretrained("{where}", from_{OTHERS[others[0]]}=True).save_pretrained("converted")\'`; add '
            "its preprocessor_config.json and let `file` in the card name the folder"
        )
    raise UserError(
        f"card of {card.name}: weights: the repository has neither model.safetensors nor pytorch_model.bin; {remedy}"
    )


def _check_configuration(folder: Path) -> None:
    """Raise UserError if the model in `folder` is none of the library's, or its processor is not implemented."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        custom, kind = isinstance(config["auto_map"], dict), config.get("model_type")
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # `read_config` knows what is wrong
        custom, kind = False, None
    if custom and not (isinstance(kind, str) and kind in CONFIG_MAPPING):
        raise UserError(
            f"{path}: the model type {kind!a:.80} is code in its repository (auto_map), which is never run; take a "
            "model that transformers has itself (see docs/encoders.md)"
        )
    read_config(folder)
    read_processor(folder)


def _shards(index: Path) -> list[str]:
    """The files that an index names; others in the repository may be left from an earlier upload."""
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        if shards and all(isinstance(name, str) for name in shards):
            return sorted(shards)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UserError(f"{index}: is not an index of shards; get a fresh copy of the repository")


def _check_count(
    card: EncoderCard,
    found: dict[str, torch.Tensor],
    module: torch.nn.Module,
    removed: Sequence[str],
    what: str,
) -> None:
    """Raise UserError if the encoder has not as many floating-point values as the checkpoint.

    removed: tensors that were taken from the checkpoint and then off the model, as the card's `unused` says.
    """
    state = module.state_dict()
    there = sum(tensor.numel() for tensor in found.values() if tensor.is_floating_point())
    here = sum(math.prod(t.shape) for t in state.values() if t.is_floating_point())
    if there == here:
        return
    if removed:
        raise UserError(
            f"card of {card.name}: architecture.unused: takes {first_names(removed)} off the encoder, which the "
            "checkpoint has values for; leave it out, or name it as the checkpoint does"
        )
    left = [name for name in found if not any(f".{name}".endswith(f".{known}") for known in state)]
    rest = f" of the rest (perhaps {first_names(left)})" if left else ""
    raise UserError(
        f"{what}: transformers {library_version()} takes {here} values of its {there} and reports nothing{rest}: if "
        "what is left over is a head, name it in the card's architecture.unused; otherwise install another version of "
        "transformers"
    )


def _check_layers(card: EncoderCard, folder: Path, what: str) -> None:
    """Compare the card's layers with the model's, before any clip is encoded."""
    try:
        layers = layer_names(card, folder)
    except UserError:
        raise
    except Exception as error:  # a model that lacks a part, or gets a wrong argument, raises anything
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


def _within(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
