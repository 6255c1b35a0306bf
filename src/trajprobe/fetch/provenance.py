"""The origin of an encoder's weights in `provenance.json`, and whether they still are what its card asks for.

It makes `fetch` return at once: DVC keeps the weights folder (`persist: true`) and re-runs the stage after every edit
of its code, but the weights change only with the card.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights, HubWeights
from trajprobe.artifacts.weights import file_digests, first_seen, fits_card, read_record
from trajprobe.core import paths
from trajprobe.fetch.resolve import UNVERIFIED, ResolvedWeights, local_sha256


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


def valid_record(card: EncoderCard, folder: Path) -> dict[str, Any] | None:
    """The record in `folder`; None if there is none, it was made for another card, or a file is damaged.

    A digest pinned in the card must be that of the source. A local source that is still there must be unchanged.
    """
    record = read_record(folder)
    if record is None or not fits_card(record, card) or record["files"] != file_digests(folder):
        return None
    if card.weights == "none":
        return record
    found, revision = record.get("sha256"), record.get("revision")
    if card.weights.sha256 and (found != card.weights.sha256 or revision == UNVERIFIED):
        return None
    if isinstance(card.weights, FileWeights):
        local = local_sha256(card.weights, record["source_files"])
        return record if local in (None, found) else None
    return record


def pinning(card: EncoderCard, record: Mapping[str, Any]) -> str:
    """The lines that pin the weights of `record` in a card that pins neither a revision nor a digest; "" for others."""
    digest = first_seen(card, record)
    if digest is None:
        return ""
    lines = [f"  sha256: {digest}"]
    if isinstance(card.weights, HubWeights) and record["revision"] not in (None, UNVERIFIED):
        lines.insert(0, f"  revision: {record['revision']}")
    doubt = " (a mirror brought them, and nothing vouches for it)" if record["revision"] == UNVERIFIED else ""
    where = paths.encoder_card(card.name)
    return f"\nthe card pins none; to pin these{doubt}, add to `weights` in {where}:\n" + "\n".join(lines)
