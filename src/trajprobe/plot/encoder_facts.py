"""Which encoder and which weights were used: its card and its weights' provenance, as stored with its features."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from trajprobe.artifacts.encoder_card import EncoderCard, RandomArm
from trajprobe.artifacts.features import is_blind
from trajprobe.artifacts.formatting import counted
from trajprobe.artifacts.seen_items import held_out_seen
from trajprobe.artifacts.weights import describe_record


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder as the page describes it.

    weights: lines that identify the weights. trained: whether it has pretrained weights. random_arm: how the random arm
    is made. lacks: what the random arm lacks compared with the pretrained one. order: which arms are insensitive to
    frame order, empty if none. moved: for each arm and each disorder of the frames, the change of the features as a
    fraction of the distance between clips.
    """

    name: str
    summary: str
    training: str
    licence: str
    weights: list[str]
    trained: bool
    random_arm: str
    lacks: str
    order: str
    moved: Mapping[str, Mapping[str, float]]


def describe_encoder(features: Mapping[str, Any]) -> EncoderFacts:
    """features: the metadata of an encoder's features; they contain its card and the provenance of its weights."""
    card = EncoderCard.model_validate(features["card"])
    kept = card.features.random
    headline = f"{features['layers'][0]}/{features['poolings'][0]}"
    moved = {arm: ratios[headline] for arm, ratios in features["order"].items()}
    blind = {arm for arm, ratios in moved.items() if is_blind(ratios)}
    return EncoderFacts(
        name=card.name,
        summary=card.summary,
        training=card.training,
        licence=card.licence,
        weights=[*describe_record(features["provenance"]), *_seen(features)],
        trained=card.weights != "none",
        random_arm=_random_arm(kept),
        lacks=_lacks(kept),
        order=_order(blind) if blind else "",
        moved=moved,
    )


def _seen(features: Mapping[str, Any]) -> list[str]:
    """A line on what the pretraining saw, if that is recorded."""
    recorded, held_out = held_out_seen(features)
    if not recorded:
        return []
    return [
        f"its pretraining saw {counted(recorded, 'item')}, among them {held_out or 'none'} of those held out here"
    ]


def _random_arm(kept: RandomArm) -> str:
    made = {
        "initialisation": "the same architecture at its own random initialisation",
        "shuffled_weights": "the pretrained values of every tensor, randomly permuted",
    }[kept.recipe]
    return made + (", with the pretrained position embeddings" if kept.positions == "pretrained" else "")


def _lacks(kept: RandomArm) -> str:
    if kept.recipe == "shuffled_weights":
        return "only the arrangement of the pretrained values, not their scale"
    learned = "what was learned" + (" beyond position embeddings" if kept.positions == "pretrained" else "")
    return f"both {learned} and the scale of pretrained weights"


def _order(blind: Set[str]) -> str:
    if len(blind) > 1:
        return "neither arm is sensitive to frame order"
    return f"its {min(blind)} arm is insensitive to frame order"
