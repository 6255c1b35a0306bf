"""Held: the stage fills models/<encoder>/weights from a real source, the same bytes each time, or leaves it alone."""

import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from servers import Cut, Server
from trajprobe.errors import UserError
from trajprobe.stages import fetch

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CHECKPOINT = SHARED / "mirror" / "resnet20-12fca82f.th"
PATH = "/pretrained/resnet20-12fca82f.th"
WEIGHTS = Path("models/cifar/weights")

pytestmark = pytest.mark.skipif(not CHECKPOINT.exists(), reason="the shared mirror is not there")


@pytest.fixture
def card(
    server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """The card of a real encoder, served from the loopback, in an empty project."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/cifar").mkdir(parents=True)
    shipped = Path(__file__).resolve().parents[2] / "models/cifar_resnet20/card.yaml"
    content = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    content |= {"name": "cifar", "weights": {"url": server.put(PATH, CHECKPOINT.read_bytes())}}
    write(content)
    return dict(content)


def write(card: dict[str, object]) -> None:
    Path("models/cifar/card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")


def written() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in WEIGHTS.iterdir()}


def test_weights_and_their_record(card: dict[str, object], server: Server) -> None:
    server.faults[PATH].append(Cut(300_000))
    assert fetch.run("cifar") == "cifar: 95 of 95 tensors, 0.3 M parameters"
    first = written()
    assert set(first) == {"encoder.safetensors", "provenance.json"}
    record = json.loads(first["provenance.json"])
    assert record["sha256"] == hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    assert record["weights_sha256"] == hashlib.sha256(first["encoder.safetensors"]).hexdigest()
    original = torch.load(CHECKPOINT, map_location="cpu")["state_dict"]
    for name, tensor in safetensors.torch.load(first["encoder.safetensors"]).items():
        assert torch.equal(tensor, original[f"module.{name}"])
    fetch.run("cifar")
    assert written() == first
    assert len(server.gets(PATH)) == 2  # the one that was cut, and the rest


def test_a_failure_leaves_what_was_there(card: dict[str, object]) -> None:
    fetch.run("cifar")
    first = written()
    write(card | {"weights": {**card["weights"], "sha256": "0" * 64}})  # type: ignore[dict-item]
    with pytest.raises(UserError, match="wrong digest"):
        fetch.run("cifar")
    assert written() == first
    assert {path.name for path in Path("models/cifar").iterdir()} == {"card.yaml", "weights"}


def test_the_original_can_be_dropped(
    card: dict[str, object], download_cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch.run("cifar")
    assert [*download_cache.rglob("*.th")]
    monkeypatch.setenv("TRAJPROBE_DROP_DOWNLOADS", "1")
    fetch.run("cifar")
    assert not [*download_cache.rglob("*.th")]
    # Its digest is remembered.
    server.put(PATH, b"something else")
    with pytest.raises(UserError, match="first seen as"):
        fetch.run("cifar")


def test_an_encoder_without_weights(card: dict[str, object]) -> None:
    card |= {"family": "placeholder", "weights": "none"}
    write(card | {"architecture": {"width": 8}})
    assert fetch.run("cifar") == "cifar: no weights: seeded noise"
    assert set(written()) == {"provenance.json"}
