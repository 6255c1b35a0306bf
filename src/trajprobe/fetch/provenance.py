"""`provenance.json`: where an encoder's weights come from, and whether they still are what its card asks for.

It makes `fetch` return at once: DVC keeps the weights folder (`persist: true`) and re-runs the stage after every edit
of its code, but the weights change only with the card. The record therefore holds a digest of the sections of the card
that decide the weights, and the digest of every file beside it.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights
from trajprobe.core import files
from trajprobe.fetch.resolve import UNVERIFIED, ResolvedWeights, local_sha256

PROVENANCE = "provenance.json"
FORMAT = 1  # raise it if `fetch` makes other files from the same card: weights are then fetched again


def origin_record(
    resolved: ResolvedWeights,
    *,
    shapes: Mapping[str, Sequence[int]],
    expected: Collection[str],
    unused: int,
    prefix: str,
    variant: str | None,
    licence: str,
    digest: str,
) -> dict[str, Any]:
    """The record of a conversion.

    shapes: of the tensors that were read. expected: the names that the encoder has. unused: how many other tensors
    the checkpoint has. prefix: before the encoder's names in the checkpoint. variant: "EMA" or "raw" if the checkpoint
    has averaged copies, else None. digest: SHA-256 of the converted weights.
    """
    parameters = sum(math.prod(shape) for shape in shapes.values())
    summary = f"{len(shapes)} of {len(expected)} tensors, {parameters / 1e6:.1f} M parameters"
    return {
        "summary": f"{summary}, {variant}" if variant else summary,
        "source": resolved.source,
        "source_files": list(resolved.files),
        "revision": resolved.revision,
        "sha256": resolved.sha256,
        "bytes": resolved.bytes,
        "tensors": {"read": len(shapes), "expected": len(expected), "unused": unused},
        "prefix": prefix,
        "parameters": parameters,
        "variant": variant,
        "licence": licence,
        "weights_sha256": digest,
    }


def complete_record(record: dict[str, Any], card: EncoderCard, folder: Path) -> dict[str, Any]:
    """The record of the weights in `folder` with what `valid_record` compares: the card and the files."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {
        **record,
        "card_sha256": _card_digest(card),
        "files": {name: files.sha256(folder / name) for name in names},
    }


def valid_record(card: EncoderCard, folder: Path) -> dict[str, Any] | None:
    """The record in `folder`; None if there is none, it was made for another card, or a file is damaged.

    A digest pinned in the card must be that of the source. A local source that is still there must be unchanged.
    """
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        if record["card_sha256"] != _card_digest(card) or not isinstance(record["summary"], str):
            return None
        pinned = None if card.weights == "none" else card.weights.sha256
        if pinned and (record["sha256"] != pinned or record["revision"] == UNVERIFIED):
            return None
        if isinstance(card.weights, FileWeights) and (
            local_sha256(card.weights, record["source_files"]) not in (None, record["sha256"])
        ):
            return None
        intact = all(files.sha256(folder / name) == digest for name, digest in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, damaged or older
        return None
    return record if intact else None


def _card_digest(card: EncoderCard) -> str:
    """SHA-256 of what decides the weights. Not the pinned digest: pinning what is there already changes nothing."""
    weights: Any = card.weights
    if not isinstance(weights, str):
        unnamed = {"seen_items"} if getattr(weights, "seen_items", None) is None else set()
        weights = weights.model_dump(exclude={"sha256", *unnamed})
    deciding = {
        "format": FORMAT,
        "family": card.family,
        "architecture": card.architecture,
        "weights": weights,
        "licence": card.licence,
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
