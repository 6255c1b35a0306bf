"""What all tests share: how hypothesis searches, a server that misbehaves, a cache that no other test has seen."""

import os
from collections.abc import Iterator
from pathlib import Path

# Before NumPy and torch are loaded: their threads would only wait for each other on the small matrices of tests, and
# for those of the other workers of pytest.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from servers import Server, serving  # noqa: E402

# The same examples on every machine, however slow it is.
settings.register_profile("trajprobe", deadline=None, derandomize=True)
settings.load_profile("trajprobe")


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on the loopback; see servers.py for what it can be told to do wrong."""
    with serving() as running:
        yield running


@pytest.fixture
def download_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TRAJPROBE_CACHE, no mirror, no account on the hub, and attempts that follow each other at once."""
    from huggingface_hub import constants

    from trajprobe.download import transfer

    for name in (
        "TRAJPROBE_MIRROR",
        "TRAJPROBE_DROP_DOWNLOADS",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transfer, "BACKOFF", 0.001)
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
