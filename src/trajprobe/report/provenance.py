"""Which encoder and which weights exactly: its card, and the provenance that `fetch` left beside the weights."""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from trajprobe import paths
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import EncoderCard, RandomArm, load_encoder_card


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder as the page introduces it.

    weights: lines that say which ones were used. trained: whether there are any. random_arm: what the random arm is.
    order: what the card says about arms that cannot tell the order of frames, perhaps empty. confounded: part of a
    gain may be only that the pretrained arm can tell it and the random one cannot.
    """

    name: str
    summary: str
    training: str
    licence: str
    weights: list[str]
    trained: bool
    random_arm: str
    order: str
    confounded: bool


def describe(encoder: str) -> EncoderFacts:
    """From the encoder's card and provenance. Raises UserError where either is missing or cannot be understood."""
    card = load_encoder_card(encoder)
    blind, kept = set(card.features.order_blind), card.features.random
    confounded = blind == {"random"} and kept.positions != "pretrained"
    return EncoderFacts(
        name=card.name,
        summary=card.summary,
        training=card.training,
        licence=card.licence,
        weights=weight_lines(_provenance(card)),
        trained=card.weights != "none",
        random_arm=_random_arm(kept),
        order=_order(blind) if confounded or "pretrained" in blind else "",
        confounded=confounded,
    )


def weight_lines(provenance: Mapping[str, Any]) -> list[str]:
    """What was read, from where, and its digest; weights that come from nowhere have the first line alone."""
    origin = [str(provenance[key]) for key in ("source", "revision") if provenance.get(key)]
    lines = [str(provenance["summary"]), " · ".join(origin)]
    if provenance.get("sha256"):
        lines.append(f"sha256 {provenance['sha256']}")
    return [line for line in lines if line]


def _random_arm(kept: RandomArm) -> str:
    made = {
        "initialisation": "the same architecture at its own random initialisation",
        "shuffled_weights": "the trained values of every tensor in shuffled places",
    }[kept.recipe]
    return made + (", with the trained positions" if kept.positions == "pretrained" else "")


def _order(blind: Set[str]) -> str:
    if len(blind) > 1:
        return "neither arm can tell the order of frames"
    return f"its {min(blind)} arm cannot tell the order of frames"


def _provenance(card: EncoderCard) -> dict[str, Any]:
    path = paths.weights(card.name) / "provenance.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(f"{path}: {reason}; run `dvc pull` or `dvc repro fetch@{card.name}`") from None
    if not isinstance(content, dict) or "summary" not in content:
        raise UserError(f"{path}: does not say which weights these are; run `dvc repro -f fetch@{card.name}`")
    return content
