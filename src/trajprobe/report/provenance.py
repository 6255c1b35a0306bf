"""Which encoder and which weights exactly: its card and its weights' provenance, as they came with its features."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from trajprobe.features.order import is_blind
from trajprobe.params.encoder_card import EncoderCard, RandomArm


@dataclass(frozen=True)
class EncoderFacts:
    """An encoder as the page introduces it.

    weights: lines that say which ones were used. trained: whether there are any. random_arm: what the random arm is.
    lacks: what it has not that the pretrained arm has. order: which arms cannot tell the order of frames, as measured;
    empty where both can. moved: for each arm how far its features move under each of `DISORDERS`, as a fraction of the
    distance between clips.
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


def describe(features: Mapping[str, Any]) -> EncoderFacts:
    """From the metadata of an encoder's features, which hold its card and its weights' provenance."""
    card = EncoderCard.model_validate(features["card"])
    kept = card.features.random
    headline = f"{features['layers'][0]}/{features['poolings'][0]}"
    order = {arm: ratios[headline] for arm, ratios in features["order"].items()}
    blind = {arm for arm, ratios in order.items() if is_blind(ratios)}
    return EncoderFacts(
        name=card.name,
        summary=card.summary,
        training=card.training,
        licence=card.licence,
        weights=weight_lines(features["provenance"]),
        trained=card.weights != "none",
        random_arm=_random_arm(kept),
        lacks=_lacks(kept),
        order=_order(blind) if blind else "",
        moved=order,
    )


def weight_lines(provenance: Mapping[str, Any]) -> list[str]:
    """What was read, from where, and its digest; weights that come from nowhere have the first line alone."""
    keys = (
        () if "recipe" in provenance else ("source", "revision")
    )  # the summary tells where a recipe's come from
    origin = [str(provenance[key]) for key in keys if provenance.get(key)]
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


def _lacks(kept: RandomArm) -> str:
    if kept.recipe == "shuffled_weights":
        return "only the places of the trained values, not their scale"
    learned = "what was learned" + (" beyond positions" if kept.positions == "pretrained" else "")
    return f"both {learned} and the scale that trained weights have"


def _order(blind: Set[str]) -> str:
    if len(blind) > 1:
        return "neither arm can tell the order of frames"
    return f"its {min(blind)} arm cannot tell the order of frames"
