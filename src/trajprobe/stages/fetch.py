"""The stage `fetch@E`: an encoder's weights, obtained, verified, and reduced to what the encoder needs."""

import os

from trajprobe import paths
from trajprobe.checkpoints.obtain import drop_download
from trajprobe.encoders.fetching import fetch
from trajprobe.files import atomic, write_json
from trajprobe.params.encoder_card import FileWeights, HubWeights, UrlWeights, load_encoder_card


def run(encoder: str) -> str:
    """Fill models/<encoder>/weights/ as the card says, with provenance.json; one line on what is there now.

    With TRAJPROBE_DROP_DOWNLOADS=1 the original is removed from the download cache once it is converted. Raises
    UserError, one line, where the card is wrong or the weights cannot be had whole.
    """
    card = load_encoder_card(encoder)
    with atomic(paths.weights(encoder)) as folder:
        folder.mkdir()
        record = fetch(card, folder)
        write_json(folder / "provenance.json", record)
    if os.environ.get("TRAJPROBE_DROP_DOWNLOADS") == "1" and isinstance(
        card.weights, HubWeights | UrlWeights | FileWeights
    ):
        drop_download(card.weights)
    return f"{encoder}: {record['summary']}"
