"""Tokens and passwords: in nothing that a whole run through DVC, and runs that fail, print or leave.

Everything is searched: what they print, what `dvc push` and `dvc pull` print of a remote whose address has a password,
provenance, features, the report, dvc.lock, DVC's own files and its cache, downloads, the home folder. The server proves
that the secrets were sent.
"""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from servers import Server
from small_project import ENCODER, ROOT, command, make_project, set_params

pytestmark = pytest.mark.e2e

# Made here, because the project that is searched holds this file as well.
TOKEN, PASSWORD, KEY = (hashlib.sha256(name).hexdigest()[:20] for name in (b"token", b"password", b"key"))
SECRETS = (TOKEN, PASSWORD, KEY)
CARDS = {
    "gated": {"hub": "a/gated", "file": "gated.safetensors"},
    "mirrored": {"url": "http://127.0.0.1:1/mirrored.safetensors"},
    "forbidden": {"hub": "a/forbidden", "file": "forbidden.safetensors"},
    "absent": {"url": "http://127.0.0.1:1/absent.safetensors"},
}
SMALLER = {
    "encoders": ["gated", "mirrored"],
    "synthesis.families": ["linear", "circular"],
    "extract.random_inits": 2,
    "probe.repeats": 1,
    "probe.split_halves": 2,
    "analyse.attributes": False,
    "analyse.injection": False,
}


def found(secret: str, text: bytes) -> bool:
    """Whether it is there as it is, or as the header of an address with a name and a password has it."""
    encoded = base64.b64encode(f"somebody:{secret}".encode())
    return secret.encode() in text or encoded in text


def test_nothing_shows_a_token_or_a_password(server: Server, tmp_path: Path) -> None:
    weights = (ROOT / f"models/{ENCODER}/encoder.safetensors").read_bytes()
    server.put_model("a/gated", {"gated.safetensors": weights}, token=TOKEN, gated=True)
    server.put_model("a/forbidden", {"forbidden.safetensors": weights}, token="hf_other", gated=True)
    server.put("/mirrored.safetensors", weights)
    address = server.url.replace("//", f"//somebody:{PASSWORD}@")
    project = make_project(tmp_path / "project")
    card = yaml.safe_load((project / f"models/{ENCODER}/card.yaml").read_text())
    for name, source in CARDS.items():
        (project / "models" / name).mkdir()
        made = yaml.safe_dump({**card, "name": name, "weights": source})
        (project / "models" / name / "card.yaml").write_text(made)
    set_params(project, SMALLER)
    (project / "studies/secret.yaml").write_text(
        "question: Who may?\nexperiments:\n  it: {encoders: [forbidden]}\n"
    )
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "cards")
    command(project, "dvc", "remote", "add", "--local", "far", f"{address}/remote")
    settings = project / ".dvc/config.local"
    environment = {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": TOKEN,
        "TRAJPROBE_MIRROR": address,
        "AWS_SECRET_ACCESS_KEY": KEY,
        "TRAJPROBE_CACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path / "home"),
    }
    said = command(project, "dvc", "repro", "-v", **environment)
    command(project, "git", "add", "-A")
    command(project, "git", "commit", "-q", "-m", "results")
    failing = {
        "trajprobe fetch forbidden": "a/forbidden",
        "trajprobe fetch absent": "absent.safetensors",
        "trajprobe study run studies/secret.yaml": "a/forbidden",
    }
    for line, named in failing.items():
        output = command(project, *line.split(), fails=True, **environment)
        assert named in output
        said += output
    for line in ("trajprobe doctor", "trajprobe cache", "trajprobe encoders", "trajprobe show"):
        said += command(project, *line.split(), fails=None, **environment)
    assert "remote far" in said
    clone = tmp_path / "clone"
    command(tmp_path, "git", "clone", "-q", str(project), str(clone))
    copied = clone / ".dvc/config.local"
    copied.write_bytes(settings.read_bytes())
    for folder, line, needed in (
        (project, "dvc push -r far", "failed to push"),
        (project, "dvc status -c -r far", "new:"),
        (clone, "dvc pull -r far", "failed to pull"),
    ):
        output = command(
            folder, *line.split(), fails=None, **environment
        )  # the server has nothing, and takes nothing
        assert needed in output
        said += output

    paths = [path for path in tmp_path.rglob("*") if path.is_file() and path not in (settings, copied)]
    texts = {path: path.read_bytes() for path in paths}
    texts[Path("stdout")] = said.encode()
    history = ["git", "log", "-p", "--all", "--text"]
    texts[Path("history")] = subprocess.run(history, cwd=project, check=True, capture_output=True).stdout
    assert len(texts) > 100
    for secret in SECRETS:
        assert [path for path, text in texts.items() if found(secret, text)] == []
    assert found(PASSWORD, settings.read_bytes())  # where the user wrote it
    sent = str(server.requests)
    assert TOKEN in sent
    assert found(PASSWORD, sent.encode())
