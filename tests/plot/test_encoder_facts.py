"""The description of an encoder, from hand-made metadata of its features."""

from collections.abc import Mapping
from typing import Any

import pytest

from trajprobe.artifacts.encoder_card import EncoderCard
from trajprobe.plot.encoder_facts import describe_encoder


def metadata(ratios: Mapping[str, float], **features: Any) -> dict[str, Any]:
    """ratios: for each arm, how far its features move when frames are shuffled. features: of the card."""
    card = EncoderCard.model_validate(
        {
            "name": "e",
            "summary": "An encoder",
            "family": "transformers",
            "architecture": {},
            "weights": {"hub": "someone/something"},
            "training": "captions",
            "licence": "MIT",
            "input": {"frames": "any", "size": 64, "scale": "x/255"},
            "features": {"layer": "last", "pooling": "mean", **features},
        }
    )
    return {
        "card": card.model_dump(),
        "provenance": {"summary": "7 of 7 tensors"},
        "layers": ["last"],
        "poolings": ["mean"],
        "order": {arm: {"last/mean": {"shuffled": ratio}} for arm, ratio in ratios.items()},
    }


def test_an_encoder_is_described() -> None:
    facts = describe_encoder(metadata({"pretrained": 0.3, "random": 0.2}))
    assert (facts.name, facts.summary, facts.trained) == ("e", "An encoder", True)
    assert facts.weights == ["7 of 7 tensors"]
    assert facts.random_arm == "the same architecture at its own random initialisation"
    assert facts.lacks == "both what was learned and the scale of pretrained weights"
    assert facts.order == ""


@pytest.mark.parametrize(
    ("ratios", "order"),
    [
        ({"pretrained": 0.3, "random": 1e-6}, "its random arm is insensitive to frame order"),
        ({"pretrained": 1e-5, "random": 1e-6}, "neither arm is sensitive to frame order"),
        ({"pretrained": 0.0, "random": 0.3}, "its pretrained arm is insensitive to frame order"),
    ],
)
def test_an_arm_that_is_insensitive_to_order_is_named(ratios: dict[str, float], order: str) -> None:
    kept = {"positions": "pretrained", "recipe": "shuffled_weights"}
    facts = describe_encoder(metadata(ratios, random=kept))
    assert facts.order == order
    assert facts.random_arm.startswith("the pretrained values of every tensor, randomly permuted")
    assert facts.random_arm.endswith("pretrained position embeddings")
    assert facts.lacks == "only the arrangement of the pretrained values, not their scale"
