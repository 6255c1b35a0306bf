"""The stage fills models/<encoder>/weights from a real source, the same bytes each time, and at once if they still fit.

The oracle of "at once" is the server, which counts requests, and the files, which are not written again.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

from servers import COMMIT, Cut, Server
from trajprobe.artifacts import weights
from trajprobe.core.errors import UserError
from trajprobe.fetch import provenance, stage
from trajprobe.fetch.resolve import UNVERIFIED, ResolvedWeights

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
CHECKPOINT = SHARED / "mirror" / "resnet20-12fca82f.th"
DIGEST = "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8"
PATH = "/pretrained/resnet20-12fca82f.th"
WEIGHTS = Path("models/cifar/weights")
RECORD = WEIGHTS / "provenance.json"
MADE = "cifar: 95 of 95 tensors, 0.3 M parameters"
UNCHANGED = MADE.replace(": ", ": unchanged, ")


Card = dict[str, Any]


@pytest.fixture
def card(server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """The card of a real encoder, served from the loopback, in an empty project."""
    if not CHECKPOINT.exists():
        pytest.skip("the shared mirror is not there")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/cifar").mkdir(parents=True)
    shipped = Path(__file__).resolve().parents[2] / "models/cifar_resnet20/card.yaml"
    content = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    content |= {"name": "cifar", "weights": {"url": server.put(PATH, CHECKPOINT.read_bytes())}}
    write(content)
    return dict(content)


def write(card: Card) -> None:
    Path("models/cifar/card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")


def written() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in WEIGHTS.iterdir()}


def untouched() -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in WEIGHTS.iterdir()}


def said(drop_downloads: bool = False) -> str:
    """The first line of what the stage says."""
    return stage.run("cifar", drop_downloads).partition("\n")[0]


def record() -> dict[str, Any]:
    return dict(json.loads(RECORD.read_text(encoding="utf-8")))


def test_weights_and_their_record(card: Card, server: Server) -> None:
    server.faults[PATH].append(Cut(300_000))
    assert said() == MADE
    first = written()
    assert set(first) == {"encoder.safetensors", "provenance.json"}
    digest = hashlib.sha256(first["encoder.safetensors"]).hexdigest()
    assert record()["sha256"] == DIGEST
    assert record()["weights_sha256"] == digest
    assert record()["files"] == {"encoder.safetensors": digest}
    original = torch.load(CHECKPOINT, map_location="cpu")["state_dict"]
    for name, tensor in safetensors.torch.load(first["encoder.safetensors"]).items():
        assert torch.equal(tensor, original[f"module.{name}"])
    RECORD.unlink()
    assert said() == MADE
    assert written() == first
    assert len(server.gets(PATH)) == 2  # the one that was cut, and the rest


def test_what_still_fits_is_kept_without_a_request_and_without_torch(card: Card, server: Server) -> None:
    stage.run("cifar")
    asked, before = len(server.requests), untouched()
    code = (
        "import sys; from trajprobe.fetch import stage; print(stage.run('cifar'))\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert output.splitlines()[0] == UNCHANGED
    assert untouched() == before
    assert len(server.requests) == asked


def test_only_what_decides_the_weights_in_the_card_has_them_fetched_again(card: Card, server: Server) -> None:
    stage.run("cifar")
    for change in (
        {"summary": "other words"},
        {"parameters": 1},
        {"training": "unknown"},
        {"input": card["input"] | {"size": 64}},
        {"features": {"layer": "layer1", "pooling": "mean"}},
        {"weights": card["weights"] | {"sha256": DIGEST}},  # what is there already
    ):
        write(card | change)
        assert said() == UNCHANGED
    elsewhere = server.put("/elsewhere/other.th", CHECKPOINT.read_bytes())
    for change in ({"licence": "MIT"}, {"weights": {"url": elsewhere}}):
        write(card | change)
        assert said() == MADE
    assert record()["source"] == elsewhere
    write(card | {"architecture": {"depth": 32}})
    with pytest.raises(UserError, match="missing"):
        stage.run("cifar")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[], object]] = {
    "a bit of the weights": lambda: flip(WEIGHTS / "encoder.safetensors"),
    "weights cut short": lambda: (WEIGHTS / "encoder.safetensors").write_bytes(b""),
    "weights missing": lambda: (WEIGHTS / "encoder.safetensors").unlink(),
    "record cut short": lambda: RECORD.write_text(RECORD.read_text()[:-20]),
    "record of an older version": lambda: RECORD.write_text(json.dumps({"summary": "95 tensors"})),
    "record of another kind": lambda: RECORD.write_text("[1]"),
    "files of another kind": lambda: RECORD.write_text(json.dumps(record() | {"files": ["a"]})),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_made_again(damage: str, card: Card) -> None:
    stage.run("cifar")
    first = written()
    DAMAGES[damage]()
    assert said() == MADE
    assert written() == first


def test_a_new_format_has_all_weights_made_again(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.run("cifar")
    monkeypatch.setattr(weights, "FORMAT", weights.FORMAT + 1)
    assert said() == MADE


def test_a_local_source_is_compared_while_it_is_there(card: Card, server: Server) -> None:
    local = Path("models/cifar/pretrained.th")
    local.write_bytes(CHECKPOINT.read_bytes())
    write(card | {"weights": {"file": str(local)}})
    assert said() == MADE
    assert said() == UNCHANGED
    state = torch.load(local, map_location="cpu")
    torch.save({"state_dict": {n: t + 0.125 for n, t in state["state_dict"].items()}}, local)
    assert said() == MADE
    found = safetensors.torch.load_file(WEIGHTS / "encoder.safetensors")["conv1.weight"]
    assert torch.equal(found, state["state_dict"]["module.conv1.weight"] + 0.125)
    local.unlink()
    assert said() == UNCHANGED
    assert not server.requests


def test_bytes_of_a_mirror_are_not_recorded_as_the_pinned_revision(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(CHECKPOINT.parent))
    weights = {"hub": "someone/cifar", "file": CHECKPOINT.name, "revision": "v1"}
    write(card | {"weights": weights})
    assert said() == MADE
    assert record()["revision"] == UNVERIFIED
    assert said() == UNCHANGED
    write(card | {"weights": weights | {"sha256": DIGEST}})
    assert said() == MADE  # the record is corrected
    assert record()["revision"] == "v1"


def paste(lines: str) -> None:
    """Put the lines that the stage printed under `weights` into the card, as a user would."""
    path = Path("models/cifar/card.yaml")
    path.write_text(path.read_text().replace("weights:\n", f"weights:\n{lines}\n"))


def test_the_lines_that_pin_weights_are_those_of_what_came(card: Card, server: Server) -> None:
    first, heading, lines = stage.run("cifar").split("\n", 2)
    assert first == MADE
    assert heading == "the card pins none; to pin these, add to `weights` in models/cifar/card.yaml:"
    assert lines == f"  sha256: {DIGEST}"
    assert stage.run("cifar") == UNCHANGED  # said once
    paste(lines)
    asked = len(server.requests)
    assert stage.run("cifar") == UNCHANGED  # and nothing more
    assert len(server.requests) == asked


def test_a_commit_that_is_pinned_later_is_not_fetched_again(
    card: Card, server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the weights that are there nor for another encoder that reads the same file."""
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.put_model("someone/cifar", {CHECKPOINT.name: CHECKPOINT})
    write(card | {"weights": {"hub": "someone/cifar", "file": CHECKPOINT.name}})
    _, _, lines = stage.run("cifar").split("\n", 2)
    assert lines == f"  revision: {COMMIT}\n  sha256: {DIGEST}"
    paste(lines.split("\n")[0])
    asked = len(server.requests)
    assert stage.run("cifar") == UNCHANGED
    RECORD.unlink()
    assert stage.run("cifar") == MADE
    assert len(server.requests) == asked
    assert record()["revision"] == COMMIT
    assert stage.run("cifar", drop_downloads=True) == UNCHANGED
    assert not [*download_cache.rglob("*.th")]
    RECORD.unlink()
    assert stage.run("cifar") == MADE
    assert len(server.requests) > asked


def test_a_mirror_gives_a_digest_but_no_revision_to_pin(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(CHECKPOINT.parent))
    write(card | {"weights": {"hub": "someone/cifar", "file": CHECKPOINT.name}})
    _, heading, lines = stage.run("cifar").split("\n", 2)
    assert "to pin these (a mirror brought them, and nothing vouches for it), add" in heading
    assert lines == f"  sha256: {DIGEST}"


def test_a_failure_leaves_what_was_there(card: Card) -> None:
    stage.run("cifar")
    first = written()
    write(card | {"weights": {**card["weights"], "sha256": "0" * 64}})
    with pytest.raises(UserError, match="wrong digest"):
        stage.run("cifar")
    assert written() == first
    assert {path.name for path in Path("models/cifar").iterdir()} == {"card.yaml", "weights"}


def test_the_original_can_be_dropped(card: Card, download_cache: Path, server: Server) -> None:
    stage.run("cifar")
    assert [*download_cache.rglob("*.th")]
    assert said(drop_downloads=True) == UNCHANGED
    assert not [*download_cache.rglob("*.th")]
    # Its digest is remembered.
    server.put(PATH, b"something else")
    assert said() == UNCHANGED
    RECORD.unlink()
    with pytest.raises(UserError, match="first seen as"):
        stage.run("cifar")


def test_an_encoder_without_weights(card: Card) -> None:
    write(card | {"family": "placeholder", "weights": "none", "architecture": {"width": 8}})
    assert stage.run("cifar", drop_downloads=True) == "cifar: no weights: seeded noise"
    assert set(written()) == {"provenance.json"}
    assert said() == "cifar: unchanged, no weights: seeded noise"


def test_the_record_of_an_origin() -> None:
    resolved = ResolvedWeights(
        Path("/cache/x"), ("x",), "hub:someone/encoder/x", "abc", "0" * 64, 2_963_000_000
    )
    shapes = {f"t{number}": (1_000_000,) for number in range(133)}
    about: dict[str, Any] = {"unused": 435, "prefix": "encoder.", "licence": "Apache-2.0", "digest": "f" * 64}
    found = provenance.origin_record(resolved, shapes=shapes, expected=list(shapes), variant="EMA", **about)
    assert found["summary"] == "133 of 133 tensors, 133.0 M parameters, EMA"
    assert found["tensors"] == {"read": 133, "expected": 133, "unused": 435}
    assert found["parameters"] == 133_000_000
    assert (found["revision"], found["prefix"]) == ("abc", "encoder.")
    assert "/cache" not in json.dumps(found)
    plain = provenance.origin_record(resolved, shapes={"a": ()}, expected=["a", "b"], variant=None, **about)
    assert plain["summary"] == "1 of 2 tensors, 0.0 M parameters"
