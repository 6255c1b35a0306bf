"""The tables of what there is to choose from: a row for every card in the repository, and what is on disk of each."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from trajprobe.commands import listing
from trajprobe.encoders.magvit2_model import Magvit2Encoder
from trajprobe.encoders.open_magvit2 import architecture as magvit2_architecture
from trajprobe.encoders.stem import Stem
from trajprobe.encoders.stem import architecture as stem_architecture
from trajprobe.errors import UserError
from trajprobe.params.encoder_card import load_encoder_card
from trajprobe.trajectories.families import FAMILIES

ROOT = Path(__file__).parents[2]
CARD = """\
name: mine
summary: an encoder of one's own
family: placeholder
architecture: {{width: 4}}
weights: {weights}
training: none
licence: none at all
input: {{frames: any, size: 32, scale: none}}
features: {{layer: noise, pooling: mean}}
"""


def test_every_card_of_the_repository_has_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    listing.encoders()
    shown = capsys.readouterr().out
    names = {path.parent.name for path in ROOT.glob("models/*/card.yaml")}
    assert {"videomae_base", "clip_vit_b32", "vivit_k400", "cifar_resnet20", "videoprism_base"} <= names
    for name in names:
        assert name in shown
    assert "CC-BY-NC-4.0" in shown
    assert "304 M" in shown
    assert "facebook/dinov2-base" in shown


@pytest.mark.parametrize("width", [80, 120, 140])
def test_no_figure_and_no_licence_is_cut_off(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(listing, "console", lambda: Console(width=width, highlight=False))
    listing.encoders()
    shown = capsys.readouterr().out
    assert "…" not in shown
    for heading in ("size", "licence", "on disk"):
        assert heading in shown
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", ["magvit2_mini", "open_magvit2", "open_magvit2_stem"])
def test_the_size_that_a_card_tells_is_that_of_its_architecture(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    card = load_encoder_card(name)
    with torch.device("meta"):
        model = (
            Stem(stem_architecture(card), card.input)
            if card.family == "stem"
            else Magvit2Encoder(magvit2_architecture(card))
        )
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert card.parameters == pytest.approx(millions, rel=0.05)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROOT.glob("models/*/card.yaml")))
def test_every_card_is_whole_and_its_weights_belong_to_dvc(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    load_encoder_card(name)
    assert (ROOT / "models" / name / ".gitignore").read_text() == "/weights\n"


def test_what_is_on_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no encoder's card"):
        listing.encoders()
    folder = tmp_path / "models" / "mine" / "weights"
    folder.mkdir(parents=True)
    for weights, source in (
        ("none", "no weights"),
        ("{file: local.ckpt}", "local.ckpt"),
        ("{url: 'https://example.org/a/b.pt'}", "b.pt"),
    ):
        (tmp_path / "models/mine/card.yaml").write_text(CARD.format(weights=weights))
        listing.encoders()
        shown = capsys.readouterr().out
        assert source in shown
        assert " MB" not in shown
    (folder / "encoder.safetensors").write_bytes(bytes(2_500_000))
    (folder / "provenance.json").write_text(json.dumps({"parameters": 625000}))
    listing.encoders()
    shown = capsys.readouterr().out
    assert "2.5 MB" in shown
    assert "0.62 M" in shown


def test_every_family_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    listing.families()
    shown = capsys.readouterr().out
    for family in FAMILIES.values():
        assert family.name in shown
        assert all(
            f"{name} {low:g} to {high:g}" in " ".join(shown.split())
            for name, (low, high) in family.ranges.items()
        )
