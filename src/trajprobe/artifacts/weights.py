"""models/<encoder>/weights/: the files an encoder is loaded from, and `provenance.json`, the record of their origin.

The record has a digest of the sections of the card that decide the weights, and the digest of every file beside it. So
`fetch` returns at once if they still fit, and `extract` refuses files that are damaged or of another card before it
computes anything.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights, HubWeights
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError

PROVENANCE = "provenance.json"
FORMAT = 1  # raise it if `fetch` makes other files from the same card: weights are then fetched again


def write_record(record: dict[str, Any], card: EncoderCard, folder: Path) -> dict[str, Any]:
    """Write `record` with the digests of the card and of all files in `folder`; returns what was written."""
    digests = file_digests(folder)
    complete = {**record, "card_sha256": _card_digest(card), "files": dict(sorted(digests.items()))}
    files.write_json(folder / PROVENANCE, complete)
    return complete


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record in `folder`; None if there is none, or it is damaged or of an older version."""
    try:
        record = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        texts = [record["summary"], record["card_sha256"], *record["files"].values()]
        return record if all(isinstance(text, str) for text in texts) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def fits_card(record: Mapping[str, Any], card: EncoderCard) -> bool:
    """Whether weights with this record are what `card` asks for, but for the digest that it may pin."""
    accepted = {_card_digest(card)}
    weights = card.weights
    if isinstance(weights, HubWeights) and weights.revision and weights.revision == record.get("revision"):
        # The revision may have been pinned only after it had been fetched.
        unpinned = weights.model_copy(update={"revision": None})
        accepted.add(_card_digest(card.model_copy(update={"weights": unpinned})))
    return record["card_sha256"] in accepted


def load_record(card: EncoderCard) -> tuple[dict[str, Any], str]:
    """The record of an encoder's weights, and the digest of all their files.

    The record has `first_seen`, the digest of the source, if the card does not say which weights were meant.
    Raises UserError if they are missing, were fetched for another card, or are not the files that were fetched.
    """
    folder, again = paths.weights(card.name), f"run `dvc repro fetch@{card.name}`"
    if not (folder / PROVENANCE).is_file():
        raise UserError(f"{folder}: is missing; {again}")
    record = read_record(folder)
    if record is None:
        raise UserError(f"{folder / PROVENANCE}: is damaged, or of an older version; {again}")
    if not fits_card(record, card):
        raise UserError(
            f"{folder}: was fetched for another card: its family, architecture, weights or licence differ; {again}"
        )
    digests = file_digests(folder)
    for name in sorted({*record["files"], *digests}):
        expected, found = record["files"].get(name), digests.get(name)
        if expected != found:
            raise UserError(
                f"{folder / name}: is not what was fetched: expected {_shown(expected)}, found {_shown(found)}; run "
                f"`dvc checkout --force {folder}` or `dvc repro fetch@{card.name}`; if it stays so, its copy in DVC's "
                "cache is damaged: run `trajprobe doctor --fix` before"
            )
    seen = first_seen(card, record)
    return record if seen is None else {**record, "first_seen": seen}, folder_digest(digests)


def first_seen(card: EncoderCard, record: Mapping[str, Any]) -> str | None:
    """The digest of downloaded weights whose card pins neither a revision nor a digest; None for all others."""
    weights = card.weights
    if isinstance(weights, str | FileWeights) or weights.sha256 or getattr(weights, "revision", None):
        return None
    return record.get("sha256")


def describe_record(record: Mapping[str, Any]) -> list[str]:
    """Lines for a reader: what was read, its origin, its digest, and whether that is only what was seen first.

    Weights without an origin have the first line only.
    """
    # The summary of weights made by a recipe already names their origin.
    keys = () if "recipe" in record else ("source", "revision")
    lines = [str(record["summary"]), " · ".join(str(record[key]) for key in keys if record.get(key))]
    if record.get("sha256"):
        doubt = ", as first seen: the card pins none" if record.get("first_seen") else ""
        lines.append(f"sha256 {record['sha256']}{doubt}")
    return [line for line in lines if line]


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a weights folder but its record, by name, in the order of their paths."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != PROVENANCE)
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in found}


def folder_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 of the names and the bytes of files, from their `file_digests`."""
    return hashlib.sha256(
        "\n".join(f"{name} {digest}" for name, digest in digests.items()).encode()
    ).hexdigest()


def _shown(digest: str | None) -> str:
    return "no such file" if digest is None else f"sha256 {digest:.12}…"


def _card_digest(card: EncoderCard) -> str:
    """SHA-256 of what decides the weights. Not the pinned digest: pinning what is there already changes nothing."""
    weights: Any = card.weights
    if weights != "none":
        without = (
            {"sha256"} if weights.prefix is not None else {"sha256", "prefix"}
        )  # as before there was a prefix
        weights = weights.model_dump(exclude=without)
    deciding = {
        "format": FORMAT,
        "family": card.family,
        "architecture": card.architecture,
        "weights": weights,
        "licence": card.licence,
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
