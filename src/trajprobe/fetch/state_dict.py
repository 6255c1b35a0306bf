"""One file with a state dict becomes `encoder.safetensors`: the encoder's tensors under its own names, in float32.

The file may be a checkpoint of 3 GB from the internet or a committed one of 1 MB in half precision; the card says
where it is, the family says which tensors it must have. One tensor is in memory at a time.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.checkpoints.storage import TensorSpec
from trajprobe.checkpoints.tensors import iterate_bits, iterate_float32, read_index
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.core.tensor_file import create_tensor_file
from trajprobe.encoders.protocol import WEIGHTS_FILE, StateDictFamily
from trajprobe.encoders.registry import family
from trajprobe.fetch.audit import ValueCheck, audit
from trajprobe.fetch.naming import Naming, Shapes, find_naming, tensors_under
from trajprobe.fetch.provenance import origin_record
from trajprobe.fetch.resolve import resolve


def fetch_state_dict(card: EncoderCard, folder: Path) -> dict[str, Any]:
    """Write `encoder.safetensors` into `folder` and return the record of its origin.

    Raises UserError if the file cannot be had or read, or a tensor is missing, unexpected, misshapen or not finite.
    """
    known = family(card.family)
    if card.weights == "none" or not isinstance(known, StateDictFamily):
        raise UserError(
            f"card of {card.name}: weights: the family {card.family} needs a checkpoint: give `url`, `hub` with "
            "`file`, `package`, or `file`"
        )
    expected = known.expected_tensors(card)
    checkpoint = resolve(card.weights)
    index = read_index(checkpoint.path)
    equal = partial(_equal, checkpoint.path, index, expected)
    weights, source = card.weights, checkpoint.source
    naming, variant = find_naming(index, expected, weights.ema, weights.prefix, equal, source)
    what = f"{source} ({naming})"
    found = tensors_under(naming, index, expected, known.UNUSED)
    audit(found, expected, what)
    _convert(checkpoint.path, expected, naming, folder / WEIGHTS_FILE, what)
    return origin_record(
        checkpoint,
        shapes=found,
        expected=expected,
        unused=len(index) - len(found),
        prefix=str(naming).removesuffix("*"),
        variant=variant,
        licence=card.licence,
        digest=files.sha256(folder / WEIGHTS_FILE),
    )


def _convert(checkpoint: Path, expected: Shapes, naming: Naming, target: Path, what: str) -> None:
    """Copy the tensors `expected` to the safetensors file `target`. Raises UserError for values that are not sound."""
    names = sorted(expected)
    size = sum(4 * int(np.prod(shape)) for shape in expected.values())
    check = ValueCheck(what)
    with (
        create_tensor_file(target, {name: ("float32", expected[name]) for name in names}) as write,
        progress("converting", size, "bytes") as advance,
    ):
        for name, values in zip(names, iterate_float32(checkpoint, map(naming, names)), strict=True):
            check.add(name, values)
            write(name, 0, values)
            advance(values.nbytes)
        check.finish()


def _equal(path: Path, index: dict[str, TensorSpec], expected: Shapes, one: Naming, other: Naming) -> bool:
    """Whether the encoder's tensors have the same dtypes and values under two namings."""
    pairs = [(one(name), other(name)) for name in expected]
    if all(index[first] == index[second] for first, second in pairs):
        return True
    firsts = iterate_bits(path, (first for first, _ in pairs))
    seconds = iterate_bits(path, (second for _, second in pairs))
    return all(
        a.dtype == b.dtype and np.array_equal(bits, other_bits)
        for (a, bits), (b, other_bits) in zip(firsts, seconds, strict=True)
    )
