"""Tokens and passwords: in nothing that a succeeding and a failing run prints or writes."""

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from servers import Cut, Server
from trajprobe import cli
from trajprobe.artifacts.encoder_card import HubWeights, UrlWeights
from trajprobe.commands import cached, doctor
from trajprobe.core import paths
from trajprobe.core.errors import UserError
from trajprobe.core.schema import validate
from trajprobe.download.cache import download
from trajprobe.extract.shard_cache import ShardCache
from trajprobe.fetch.resolve import resolve

PASSWORD, TOKEN = "s3cret-pass", "hf_s3cretToken"


@pytest.fixture
def everything(
    download_cache: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> "Everything":
    caplog.set_level(logging.DEBUG)
    return Everything(download_cache, capsys, caplog)


class Everything:
    """Whatever a run left: its output, its log, the names and contents of its files, and errors given to `failed`."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        self.folder, self.capsys, self.caplog = folder, capsys, caplog
        self.errors = ""

    def failed(self, error: UserError) -> None:
        self.errors += f"{error!r} {error}"

    def text(self) -> str:
        printed = self.capsys.readouterr()
        files = [f"{path}\n{path.read_bytes()!r}" for path in self.folder.rglob("*") if path.is_file()]
        assert files
        return "\n".join([printed.out, printed.err, self.caplog.text, self.errors, *files])


def test_the_password_of_a_mirror(
    server: Server, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("/weights.bin", b"w" * 3_000_000)
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url.replace("//", f"//somebody:{PASSWORD}@"))
    download("http://127.0.0.1:1/weights.bin")
    server.faults["/weights.bin"].extend([Cut(10)] * 40)
    for sha256 in (None, "0" * 64):
        with pytest.raises(UserError) as error:
            download("http://127.0.0.1:1/again/weights.bin", sha256=sha256)
        everything.failed(error.value)
    text = everything.text()
    assert PASSWORD not in text
    assert "***@" in text  # the mirror was named


def test_the_password_of_an_address(server: Server, everything: Everything) -> None:
    """A card is committed and shared, so it must not have one."""
    address = server.put("/weights.bin", b"w" * 100).replace("//", f"//somebody:{PASSWORD}@")
    with pytest.raises(UserError, match="has no password") as error:
        validate(UrlWeights, {"url": address}, "card.yaml")
    assert PASSWORD not in str(error.value)
    with pytest.raises(UserError) as error:
        download(address + ".absent")
    assert PASSWORD not in str(error.value)


def test_the_token_of_the_hub(
    server: Server, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    server.put_model("a/gated", {"model.safetensors": b"m" * 1000}, token=TOKEN, gated=True)
    server.put_model("a/other", {"model.safetensors": b"m" * 1000}, token="hf_other", gated=True)
    assert resolve(HubWeights(hub="a/gated", file="model.safetensors")).bytes == 1000
    with pytest.raises(UserError) as error:
        resolve(HubWeights(hub="a/other", file="model.safetensors"))
    everything.failed(error.value)
    assert TOKEN not in everything.text()


def test_the_password_of_an_address_of_the_cache(
    server: Server, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    everything.caplog.set_level(logging.INFO, "fsspec.memoryfs")  # which has the whole address for a path
    download(server.put("/weights.bin", b"w" * 100))
    monkeypatch.setattr(doctor, "_device", lambda: "cpu")
    monkeypatch.setenv("TRAJPROBE_CACHE", f"memory://somebody:{PASSWORD}@kept")
    cache = ShardCache(paths.finished_work("features"))
    cache.put("ab" * 32, {"a": np.zeros(3, np.float32)})
    cached.show_cache()
    print(*doctor._environment())
    for damage in (b"damaged", None):
        if damage is None:
            monkeypatch.setattr(MemoryFileSystem, "find", None)  # whatever is wrong with a library
        else:
            cache.store.write(f"ab/{'ab' * 32}.shard", damage)
        with pytest.raises(UserError, match=r"damaged|cannot be listed") as error:
            cached.verify_cache()
        everything.failed(error.value)
    text = everything.text()
    assert PASSWORD not in text
    assert text.count("memory://***@kept") >= 4


def test_a_command_that_fails_shows_no_password_of_its_environment(
    server: Server, everything: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    download(server.put("/weights.bin", b"w" * 100))
    for variable, scheme in (("TRAJPROBE_CACHE", "sea3"), ("TRAJPROBE_MIRROR", "ftp")):
        with monkeypatch.context() as patch:
            patch.setenv(variable, f"{scheme}://somebody:{PASSWORD}@kept")
            patch.setattr(sys, "argv", ["trajprobe", "families"])
            with pytest.raises(SystemExit, match="1"):
                cli.main()
    text = everything.text()
    assert text.count("***@kept") == 2
    assert PASSWORD not in text
    assert TOKEN not in text
