"""Stage `fetch@E`: models/E/card.yaml -> models/E/weights/, the encoder's tensors and `provenance.json`."""

from pathlib import Path
from typing import Any

from trajprobe.artifacts.encoder_card import EncoderCard, FileWeights, load_encoder_card
from trajprobe.artifacts.seen_items import read_seen_items
from trajprobe.artifacts.weights import write_record
from trajprobe.core import paths
from trajprobe.core.files import atomic
from trajprobe.fetch.provenance import pinning, valid_record
from trajprobe.fetch.resolve import drop_download


def run(encoder: str, drop_downloads: bool = False) -> str:
    """Fill the weights folder as the card says, unless it is intact and made for this card; say what it holds, and when
    they arrive what to add to the card if it pins no revision and no digest.

    drop_downloads: also remove the original from the download cache.
    Raises UserError, one line, if the card is wrong or the weights cannot be had whole; then the folder is left alone.
    """
    card = load_encoder_card(encoder)
    record = valid_record(card, paths.weights(encoder))
    if record is not None:
        said = f"{encoder}: unchanged, {record['summary']}"
    else:
        with atomic(paths.weights(encoder)) as folder:
            folder.mkdir()
            record = write_record(fetch(card, folder) | _seen(card), card, folder)
        said = f"{encoder}: {record['summary']}{pinning(card, record)}"
    if drop_downloads:
        drop_download(card.weights)
    return said


def fetch(card: EncoderCard, folder: Path) -> dict[str, Any]:
    """Fill the empty `folder` with the weights that the card names, and return the record of their origin.

    The record has a one-line `summary`, and no times or paths: the same weights give the same bytes.
    Raises UserError if the weights cannot be had whole or do not fit the card.
    """
    match card.family:
        case "placeholder":
            return {"summary": "no weights: seeded noise"}
        case "transformers":
            from trajprobe.fetch.hub_folder import fetch_hub_folder

            return fetch_hub_folder(card, folder)
    from trajprobe.fetch.state_dict import fetch_state_dict

    return fetch_state_dict(card, folder)


def _seen(card: EncoderCard) -> dict[str, Any]:
    """What the pretraining saw, for the record; nothing if the card does not say."""
    if isinstance(card.weights, FileWeights) and (seen := card.weights.seen_items) is not None:
        return {"seen": read_seen_items(seen.file, seen.sha256)}
    return {}
