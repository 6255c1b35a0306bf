"""Does a checkpoint have what the encoder needs, all of it and in the right shape? And the record of what was taken.

An encoder with one tensor left at random would still give features, and a comparison would blame the pretraining;
so anything missing, unexpected or misshapen stops the stage.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from trajprobe.checkpoints.obtain import Obtained
from trajprobe.errors import UserError

SHOWN = 4  # names of each kind in a message

Shapes = Mapping[str, Sequence[int]]


def audit(found: Shapes, expected: Shapes, what: str) -> None:
    """Hold the tensors that a checkpoint has for an encoder against those that the encoder needs, by name and shape.

    what: the checkpoint, for the message. Raises UserError with the first names of each kind of difference and their
    counts.
    """
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [
        f"{_plain(name)} {_shape(found[name])} for {_shape(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    differences = [
        f"{len(names)} {kind} ({_some(names)})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
        if names
    ]
    if differences:
        raise UserError(
            f"{what}: does not fit the encoder, which has {len(expected)} tensors: {'; '.join(differences)}; check "
            "`architecture` and `weights` in the card"
        )


def provenance(
    obtained: Obtained,
    *,
    shapes: Shapes,
    expected: Collection[str],
    unused: int,
    variant: str | None,
    licence: str,
    digest: str,
) -> dict[str, object]:
    """The record of a conversion, as it stands in `provenance.json`.

    shapes: the tensors that were read. expected: the names that the encoder needs. unused: how many other tensors the
    checkpoint has. variant: "EMA" or "raw" where it has both, else None. digest: SHA-256 of the weights as converted.
    """
    parameters = sum(math.prod(shape) for shape in shapes.values())
    summary = f"{len(shapes)} of {len(expected)} tensors, {parameters / 1e6:.1f} M parameters"
    return {
        "summary": f"{summary}, {variant}" if variant else summary,
        "source": obtained.source,
        "revision": obtained.revision,
        "sha256": obtained.sha256,
        "bytes": obtained.bytes,
        "tensors": {"read": len(shapes), "expected": len(expected), "unused": unused},
        "parameters": parameters,
        "variant": variant,
        "licence": licence,
        "weights_sha256": digest,
    }


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(_plain(name) for name in names[:SHOWN]) + more


def _plain(name: str) -> str:
    """A name from a file that nobody vouches for, fit for a terminal."""
    return name if name.isprintable() and len(name) <= 150 else f"{name!a:.150}"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "scalar"
