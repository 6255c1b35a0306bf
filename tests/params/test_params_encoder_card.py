"""The schema of encoder cards against its contract: each mistake is one line with the key as the card has it, nothing
of what the schema calls its alternatives, and the nearest name that would have been right in that place.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from trajprobe.encoders.hub_model import Architecture
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import (
    EncoderCard,
    FileWeights,
    HubWeights,
    RecipeWeights,
    UrlWeights,
    Weights,
    load_encoder_card,
)
from trajprobe.params.loading import validate

ROOT = Path(__file__).parents[2]
CARDS = {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("models/*/card.yaml")}


def refusal(card: str = "dinov2_base", **sections: Any) -> str:
    """The message for the card with the sections changed, without the file that opens it."""
    with pytest.raises(UserError) as caught:
        validate(EncoderCard, CARDS[card] | sections, "card.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("card.yaml: ")
    return message.removeprefix("card.yaml: ")


@pytest.mark.parametrize("name", sorted(CARDS))
def test_the_committed_cards_are_valid_and_survive_a_round_trip(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    card = load_encoder_card(name)
    assert EncoderCard.model_validate(card.model_dump()) == card
    assert EncoderCard.model_validate(dict(card)) == card  # sections that are parsed already


RECIPE = CARDS["magvit2_mini"]["weights"]["recipe"]
DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("none", "none"),
        ({"hub": "a/b"}, HubWeights(hub="a/b")),
        ({"hub": "a/b", "file": "c", "sha256": DIGEST}, HubWeights(hub="a/b", file="c", sha256=DIGEST)),
        ({"file": "c", "ema": False}, FileWeights(file="c", ema=False)),
        ({"url": "https://x"}, UrlWeights(url="https://x", ema=None)),
        ({"recipe": RECIPE}, RecipeWeights(recipe=RECIPE)),
    ],
)
def test_the_key_says_where_weights_come_from(weights: Any, expected: Any) -> None:
    assert TypeAdapter(Weights).validate_python(weights) == expected


CHOICE = "weights: give one of hub, url, file, recipe, or none, got "
WEIGHTS: list[tuple[Any, str]] = [
    (
        {"hub": "a/b", "revision": 1234567},
        "weights.revision: required text (put it in quotes), got 1234567 (whole number)",
    ),
    ({"hub": 3}, "weights.hub: required text (put it in quotes), got 3 (whole number)"),
    ({"hub": None}, "weights.hub: required text, got None (nothing)"),
    (
        {"hub": "a/b", "sha256": "abc"},
        "weights.sha256: required a SHA-256 of 64 hexadecimal digits in lower case, got 'abc' (text)",
    ),
    ({"hub": "a/b", "revison": "x"}, "unknown key weights.revison; did you mean revision?"),
    (
        {"hub": "a/b", "revison": "x", "ema": 1},
        "unknown key weights.revison; did you mean revision?; 1 more to mend",
    ),
    ({"file": "a", "fil": "b"}, "unknown key weights.fil; did you mean file?"),
    ({"url": "https://x", "file": "a"}, "unknown key weights.file; known: ema, sha256, url"),
    ({"file": "a", "ema": "yes"}, "weights.ema: required true or false, got 'yes' (text)"),
    ({"recipe": {**RECIPE, "steps": 0}}, "weights.recipe.steps: required at least 1, got 0 (whole number)"),
    ({"recipe": {**RECIPE, "batches": 8}}, "unknown key weights.recipe.batches; did you mean batch?"),
    ({"recipe": {"steps": 1}}, "weights.recipe.batch is missing; 4 more to mend"),
    ({"recipe": 3}, "weights.recipe: required a section of keys and values, got 3 (whole number)"),
    ("facebook/dinov2-base", f"{CHOICE}'facebook/dinov2-base' (text)"),
    ({"hubb": "a/b"}, f"{CHOICE}{{'hubb': 'a/b'}} (section)"),
    (None, f"{CHOICE}None (nothing)"),
    ({}, f"{CHOICE}{{}} (section)"),
    (["none"], f"{CHOICE}['none'] (list)"),
    (3, f"{CHOICE}3 (whole number)"),
]


@pytest.mark.parametrize(("weights", "message"), WEIGHTS)
def test_a_mistake_in_weights_is_told_in_terms_of_what_was_meant(weights: Any, message: str) -> None:
    assert refusal(weights=weights) == message


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        (
            "input",
            {"frames": 0},
            "input.frames: required at least 1 or one of 4k+1, any, got 0 (whole number)",
        ),
        ("input", {"frames": "4k"}, "input.frames: required one of 4k+1, any, got '4k' (text)"),
        ("input", {"siz": 224}, "unknown key input.siz; did you mean size?"),
        ("features", {"random": {"recipee": 1}}, "unknown key features.random.recipee; did you mean recipe?"),
        (
            "features",
            {"layer": [3]},
            "features.layer.0: required text (put it in quotes), got 3 (whole number)",
        ),
    ],
)
def test_a_mistake_elsewhere(section: str, change: dict[str, Any], message: str) -> None:
    assert refusal(**{section: CARDS["dinov2_base"][section] | change}) == message


def test_a_mistake_of_the_card_as_a_whole() -> None:
    features = CARDS["magvit2_mini"]["features"] | {"random": {"positions": "pretrained"}}
    assert refusal("magvit2_mini", features=features) == (
        "required no features.random, which is for the families transformers and resnet only"
    )


def test_arguments_of_several_types() -> None:
    for arguments, message in (
        (
            {"x": [1]},
            "arguments.x: required true or false or a whole number or a number or text, got [1] (list)",
        ),
        ({1: 1}, "arguments.1: required text (put it in quotes), got 1 (whole number)"),
    ):
        with pytest.raises(UserError) as caught:
            validate(Architecture, {"arguments": arguments}, "card: architecture")
        assert str(caught.value) == f"card: architecture: {message}"


def test_an_encoder_without_a_card_comes_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    for name in ("dinov2_base", "videomae_base"):
        shutil.copytree(
            ROOT / "models" / name, tmp_path / "models" / name, ignore=shutil.ignore_patterns("weights")
        )
    monkeypatch.chdir(tmp_path)
    for name, remedy in (
        ("dinov2_bas", "did you mean dinov2_base"),
        ("x", "known: dinov2_base, videomae_base"),
    ):
        with pytest.raises(UserError) as caught:
            load_encoder_card(name)
        assert str(caught.value).startswith(
            f"models/{name}/card.yaml: there is no card for '{name}'; {remedy}"
        )
    assert load_encoder_card("dinov2_base").name == "dinov2_base"
    (tmp_path / "models" / "dinov2_base" / "card.yaml").rename(
        tmp_path / "models" / "videomae_base" / "card.yaml"
    )
    with pytest.raises(
        UserError, match="name: must be that of its folder, 'videomae_base', got 'dinov2_base'"
    ):
        load_encoder_card("videomae_base")
