"""The tables of encoders and families: a row for every card of the repository, and what is on disk."""

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console

from trajprobe.artifacts.encoder_card import load_encoder_card
from trajprobe.commands import listing
from trajprobe.core.errors import UserError
from trajprobe.encoders.open_magvit2.encoder import architecture as magvit2_architecture
from trajprobe.encoders.open_magvit2.network import Magvit2Encoder
from trajprobe.encoders.open_magvit2.stem import Stem
from trajprobe.encoders.open_magvit2.stem import architecture as stem_architecture
from trajprobe.trajectories.synthetic.families import FAMILIES

ROOT = Path(__file__).parents[2]
CARD = """\
name: mine
summary: my own encoder
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
    listing.list_encoders()
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
    listing.list_encoders()
    shown = capsys.readouterr().out
    assert "…" not in shown
    for heading in ("size", "licence", "on disk"):
        assert heading in shown
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize("name", ["magvit2_mini", "open_magvit2", "open_magvit2_stem"])
def test_the_size_in_a_card_is_that_of_its_architecture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_every_card_is_valid_and_git_ignores_what_fetch_makes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    load_encoder_card(name)
    assert "/weights" in (ROOT / "models" / name / ".gitignore").read_text().splitlines()


def test_origin_and_size_on_disk_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no encoder's card"):
        listing.list_encoders()
    folder = tmp_path / "models" / "mine" / "weights"
    folder.mkdir(parents=True)
    for weights, source in (
        ("none", "no weights"),
        ("{file: local.ckpt}", "local.ckpt"),
        ("{file: models/mine/committed.safetensors}", "in the repository"),
        ("{url: 'https://example.org/a/b.pt'}", "b.pt"),
    ):
        (tmp_path / "models/mine/card.yaml").write_text(CARD.format(weights=weights))
        listing.list_encoders()
        shown = capsys.readouterr().out
        assert source in shown
        assert " MB" not in shown
    (tmp_path / "models/mine/own.safetensors.dvc").touch()
    (tmp_path / "models/mine/card.yaml").write_text(
        CARD.format(weights="{file: models/mine/own.safetensors}")
    )
    listing.list_encoders()
    assert "under DVC" in capsys.readouterr().out
    (folder / "encoder.safetensors").write_bytes(bytes(2_500_000))
    record = {"summary": "1 of 1 tensors", "card_sha256": "", "files": {}, "parameters": 625000}
    (folder / "provenance.json").write_text(json.dumps(record))
    listing.list_encoders()
    shown = capsys.readouterr().out
    assert "2.5 MB" in shown
    assert "0.62 M" in shown
    (folder / "provenance.json").write_text("{")  # damaged
    listing.list_encoders()
    assert " MB" not in capsys.readouterr().out


def test_every_family_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    listing.list_families()
    shown = capsys.readouterr().out
    for family in FAMILIES.values():
        assert family.name in shown
        assert all(
            f"{name} {low:g} to {high:g}" in " ".join(shown.split())
            for name, (low, high) in family.ranges.items()
        )
