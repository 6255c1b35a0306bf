"""How each family's weights are put into models/<encoder>/weights. Each module is imported only when it is needed."""

from pathlib import Path

from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard


def fetch(card: EncoderCard, folder: Path) -> dict[str, object]:
    """Fill the (empty) `folder` with the weights that the card names and return their provenance.

    The provenance has a `summary`, one line, and whatever else is to be known of where they come from; it holds no
    times and no paths, so that the same weights give the same bytes. Raises UserError where they cannot be had whole.
    """
    match card.family:
        case "open_magvit2" | "stem":
            from trajprobe.encoders import fetch_magvit2

            return fetch_magvit2.fetch(card, folder)
        case "transformers":
            from trajprobe.encoders import fetch_hub

            return fetch_hub.fetch(card, folder)
        case "resnet":
            from trajprobe.encoders import fetch_resnet

            return fetch_resnet.fetch(card, folder)
        case "placeholder":
            return {"summary": "no weights: seeded noise"}
    raise UserError(f"the family {card.family!r} has no code yet; see CONTRIBUTING.md, 'Add an encoder'")
