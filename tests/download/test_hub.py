"""Files from a server that speaks the hub's protocol arrive whole, from one commit; its refusals are one line.

The client is huggingface_hub itself; only the server is ours.
"""

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from servers import COMMIT, Cut, Other, Server, Status
from trajprobe.artifacts.encoder_card import FileWeights, HubWeights, UrlWeights
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.download import hub, transfer
from trajprobe.fetch.resolve import UNVERIFIED, ResolvedWeights, drop_download, resolve

MODEL = "someone/some-encoder"
LARGE = bytes(range(256)) * 8192
SMALL = b'{"hidden_size": 32}'
FILES = {
    "config.json": SMALL,
    "model.safetensors": LARGE,
    "model.py": b"raise SystemExit",
    "onnx/model.onnx": LARGE[:-1],
}
RESOLVE = f"/{MODEL}/resolve/{COMMIT}/model.safetensors"
CDN = f"/cdn/{hashlib.sha256(LARGE).hexdigest()}"


@pytest.fixture
def model(server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    server.put_model(MODEL, FILES, revisions=("main", "v1.0"))
    return server


def refusal(weights: HubWeights | UrlWeights | FileWeights, *names: str) -> str:
    with pytest.raises(UserError) as error:
        resolve(weights, names)
    text = str(error.value)
    assert "\n" not in text
    return text


def large(**pins: str) -> ResolvedWeights:
    return resolve(HubWeights(hub=MODEL, file="model.safetensors", **pins))


def test_a_large_file_comes_from_the_commit_behind_a_branch(model: Server) -> None:
    found = large()
    assert found.path.read_bytes() == LARGE
    assert found.files == ("model.safetensors",)
    assert found.source == f"hub:{MODEL}/model.safetensors"
    assert found.revision == COMMIT
    assert found.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert found.bytes == len(LARGE)
    before = len(model.requests)
    assert large() == found
    assert len(model.requests) == before
    assert model.gets(RESOLVE)
    assert not any("telemetry" in path for _, path, _ in model.requests)


def test_a_small_file_and_a_pinned_commit(model: Server) -> None:
    found = resolve(HubWeights(hub=MODEL, file="config.json", revision=COMMIT))
    assert found.path.read_bytes() == SMALL
    assert {path for _, path, _ in model.requests} == {f"/{MODEL}/resolve/{COMMIT}/config.json"}


def test_downloads_from_the_hub_are_resumed(model: Server) -> None:
    model.faults[CDN].extend([Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1))
    assert "0.5 MB are kept" in refusal(HubWeights(hub=MODEL, file="model.safetensors"))
    assert large().path.read_bytes() == LARGE
    assert model.gets(CDN)[-1]["Range"] == "bytes=500000-"


def test_the_hubs_own_digest_is_checked(model: Server) -> None:
    model.faults[CDN].append(Other(LARGE[::-1]))
    text = refusal(HubWeights(hub=MODEL, file="model.safetensors"))
    assert "the server says" in text
    assert "(removed)" in text
    model.faults[f"/{MODEL}/resolve/{COMMIT}/config.json"].append(Other(SMALL[::-1]))
    assert "other bytes than the hub's" in refusal(HubWeights(hub=MODEL, file="config.json"))
    model.faults[f"/{MODEL}/resolve/{COMMIT}/config.json"].append(Other(SMALL + b" "))
    assert "20 bytes instead of 19" in refusal(HubWeights(hub=MODEL, file="config.json"))
    assert large().path.read_bytes() == LARGE


def test_wrong_bytes_are_not_trusted_after_a_kill(model: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(path: Path) -> str:
        raise KeyboardInterrupt

    model.faults[CDN].append(Other(LARGE[::-1]))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "sha256", end)
        large()
    assert "the server says" in refusal(HubWeights(hub=MODEL, file="model.safetensors"))
    found = large()
    assert found.path.read_bytes() == LARGE
    assert found.revision == COMMIT


def test_the_git_digest_is_that_of_git_and_needs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\n")
    assert hub._git_blob_id(path) == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
    path.write_bytes(bytes(20_000_000))
    tracemalloc.start()
    found = hub._git_blob_id(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == hashlib.sha1(b"blob 20000000\0" + bytes(20_000_000)).hexdigest()
    assert peak < 2e6


def test_the_cards_digest_is_checked(model: Server) -> None:
    assert "the card pins" in refusal(HubWeights(hub=MODEL, file="model.safetensors", sha256="0" * 64))
    assert large(sha256=hashlib.sha256(LARGE).hexdigest()).path.exists()


def test_a_branch_that_moves_is_noticed(model: Server) -> None:
    large()
    drop_download(HubWeights(hub=MODEL, file="model.safetensors"))
    model.put_model(MODEL, {"model.safetensors": LARGE[::-1]}, commit="f" * 40)
    assert "first seen as" in refusal(HubWeights(hub=MODEL, file="model.safetensors"))


def test_gated_private_and_absent_models(model: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    model.put_model("a/gated", FILES, token="hf_good", gated=True)
    gated = HubWeights(hub="a/gated", file="config.json")
    assert f"no token is set: accept its conditions at {model.url}/a/gated" in refusal(gated)
    assert "gated" in refusal(HubWeights(hub="a/gated"), "config.json")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "has no access" in refusal(gated)
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert resolve(gated).path.read_bytes() == SMALL
    # The token is not for the server that the large file lies on.
    assert resolve(HubWeights(hub="a/gated", file="model.safetensors")).path.read_bytes() == LARGE
    assert "Authorization" not in model.gets(CDN)[-1]
    assert "no such model, or it is private" in refusal(HubWeights(hub="a/absent"), "config.json")
    model.put_model("a/private", FILES, token="hf_secret")
    assert "or it is private" in refusal(HubWeights(hub="a/private", file="config.json"))


def test_what_the_model_does_not_have(model: Server) -> None:
    assert "has no file 'absent.bin'" in refusal(HubWeights(hub=MODEL, file="absent.bin"))
    assert "has none of the files a.bin, a.h5" in refusal(HubWeights(hub=MODEL), "a.bin", "a.h5")
    path = f"/{MODEL}/resolve/v9/config.json"
    model.faults[path].append(Status(404, {"X-Error-Code": "RevisionNotFound"}))
    assert "no such revision" in refusal(HubWeights(hub=MODEL, file="config.json", revision="v9"))
    assert "<owner>/<name>" in refusal(HubWeights(hub="a/b/c", file="config.json"))
    assert f"hub:{MODEL}: `file` is missing in the card" in refusal(HubWeights(hub=MODEL))


@pytest.mark.parametrize("name", ["", ".", "./", "a\0b", "\x1b[2J"])
def test_what_no_file_is_called(name: str, model: Server) -> None:
    assert "must name a file" in refusal(HubWeights(hub=MODEL, file=name))
    assert not model.requests


@pytest.mark.parametrize("name", ["../escaped.json", "sub/../../escaped.json", "/tmp/escaped.json"])
def test_a_hub_that_names_files_outside_the_cache(name: str, model: Server, download_cache: Path) -> None:
    model.put_model("a/hostile", {name: SMALL})
    assert "outside its folder" in refusal(HubWeights(hub="a/hostile"), name)
    assert not [*download_cache.parent.rglob("escaped.json")]


@pytest.mark.parametrize("code", [429, 503])
def test_a_busy_hub_is_asked_again(code: int, model: Server) -> None:
    asked = f"/{MODEL}/resolve/main/config.json"
    model.faults[asked].extend([Status(code)] * 3)
    assert resolve(HubWeights(hub=MODEL, file="config.json")).path.read_bytes() == SMALL
    listing = f"/api/models/{MODEL}/revision/main"
    model.faults[listing].extend([Status(code)] * 20)
    assert f"does not answer: it answered {code}" in refusal(
        HubWeights(hub=MODEL, revision="main"), "config.json"
    )
    model.faults[listing].clear()
    model.faults[listing].append(Status(code, {"Retry-After": "600"}))
    assert "wait 600 s" in refusal(HubWeights(hub=MODEL, revision="main"), "config.json")


@pytest.mark.parametrize(
    ("code", "words"), [(401, "HF_TOKEN is valid"), (403, "HF_TOKEN is valid"), (418, "answered 418")]
)
def test_other_refusals(code: int, words: str, model: Server) -> None:
    headers = {"X-Error-Message": "Invalid credentials in Authorization header"}
    model.faults[f"/{MODEL}/resolve/main/config.json"].append(Status(code, headers))
    assert words in refusal(HubWeights(hub=MODEL, file="config.json"))


def test_a_hub_that_is_not_there(download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 does not answer" in refusal(HubWeights(hub=MODEL, file="config.json"))


def test_offline_takes_the_cache_or_says_so(model: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    whole = resolve(HubWeights(hub=MODEL), ["config.json"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve(HubWeights(hub=MODEL), ["config.json"]) == whole
    assert "HF_HUB_OFFLINE is set" in refusal(HubWeights(hub=MODEL, file="model.safetensors"))
    assert "HF_HUB_OFFLINE is set" in refusal(HubWeights(hub="a/b"), "config.json")


def test_the_files_of_a_model_that_are_wanted_and_no_others(model: Server) -> None:
    wanted = ["config.json", "model.safetensors"]
    found = resolve(HubWeights(hub=MODEL), [*wanted, "absent.json"])
    assert found.files == ("config.json", "model.safetensors")
    assert (found.path / "config.json").read_bytes() == SMALL
    assert (found.path / "model.safetensors").read_bytes() == LARGE
    assert not (found.path / "model.py").exists()
    lines = "".join(f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}\n" for name in found.files)
    assert found.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert found.revision == COMMIT
    assert found.bytes == len(SMALL) + len(LARGE)
    assert resolve(HubWeights(hub=MODEL, sha256=found.sha256), wanted) == found
    assert "wrong digest" in refusal(HubWeights(hub=MODEL, sha256="0" * 64), *wanted)
    drop_download(HubWeights(hub=MODEL))
    assert {path.suffix for path in found.path.iterdir()} == {".json", ".lock"}  # the list, digests, locks
    assert not (found.path / "config.json").exists()


def test_the_mirror_serves_files_and_whole_models(
    model: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    (mirror / MODEL).mkdir(parents=True)
    (mirror / "model.safetensors").write_bytes(LARGE)
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(mirror))
    assert (large().path, large().revision) == (mirror / "model.safetensors", UNVERIFIED)
    assert large(revision=COMMIT, sha256=hashlib.sha256(LARGE).hexdigest()).revision == COMMIT
    # A bare config.json could be anybody's; only the model's own folder stands for the model.
    (mirror / "config.json").write_bytes(b"of another model")
    assert resolve(HubWeights(hub=MODEL, revision="v1.0"), ["config.json"]).revision == COMMIT
    asked = len(model.requests)
    (mirror / MODEL / "config.json").write_bytes(SMALL)
    (mirror / MODEL / "model.safetensors").write_bytes(LARGE)
    found = resolve(HubWeights(hub=MODEL, revision="v2"), ["config.json", "model.safetensors"])
    assert found.path == mirror / MODEL
    assert found.files == ("config.json", "model.safetensors")
    assert found.revision == UNVERIFIED  # it need not be the pinned one
    pinned = HubWeights(hub=MODEL, revision="v2", sha256=found.sha256)
    assert resolve(pinned, found.files).revision == "v2"
    assert len(model.requests) == asked
    drop_download(HubWeights(hub=MODEL, revision="v2"))
    assert (mirror / MODEL / "config.json").exists()


def test_the_mirror_of_a_whole_model_may_be_an_address(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TRAJPROBE_MIRROR", f"{server.url}/mirror")
    wanted = ["config.json", "preprocessor_config.json", "model.safetensors"]
    assert "does not answer" in refusal(HubWeights(hub=MODEL), *wanted)
    for name in ("config.json", "model.safetensors"):
        server.put(f"/mirror/{MODEL}/{name}", FILES[name])
    found = resolve(HubWeights(hub=MODEL), wanted)
    assert found.files == ("config.json", "model.safetensors")
    assert found.revision == UNVERIFIED
    assert (found.path / "model.safetensors").read_bytes() == LARGE
    monkeypatch.setenv("TRAJPROBE_MIRROR", "http://127.0.0.1:9")
    assert "does not answer" in refusal(HubWeights(hub="a/b"), *wanted)


def test_local_files_and_folders(tmp_path: Path, download_cache: Path) -> None:
    path = tmp_path / "weights.ckpt"
    path.write_bytes(LARGE)
    for name in (str(path), f"file://{path}"):
        found = resolve(FileWeights(file=name))
        assert (found.path, found.source, found.revision, found.bytes) == (path, name, None, len(LARGE))
    assert "wrong digest" in refusal(FileWeights(file=str(path), sha256="0" * 64))
    assert "no such file" in refusal(FileWeights(file=str(tmp_path / "absent")))
    assert "no such home folder" in refusal(FileWeights(file="~nobody-of-that-name/x"))
    assert "is a folder, and this family reads one file" in refusal(FileWeights(file=str(tmp_path)))
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "config.json").write_bytes(SMALL)
    assert resolve(FileWeights(file=str(tmp_path / "whole")), ["config.json"]).files == ("config.json",)
    assert "has none of the files a.bin" in refusal(FileWeights(file=str(tmp_path / "whole")), "a.bin")
    drop_download(FileWeights(file=str(path)))
    assert path.exists()


def test_a_dropped_download_is_fetched_again(server: Server, download_cache: Path) -> None:
    weights = UrlWeights(url=server.put("/weights.ckpt", LARGE))
    path = resolve(weights).path
    drop_download(weights)
    assert not path.exists()
    assert resolve(weights).path == path
    assert path.read_bytes() == LARGE
    assert len(server.requests) == 2


def test_the_cache_keeps_revisions_apart() -> None:
    assert len({hub.hub_source(MODEL, None), hub.hub_source(MODEL, "v1"), hub.hub_source("a/b", None)}) == 3
    assert hub.hub_source(MODEL, None) == hub.hub_source(MODEL, "main")
