"""What was fetched is verified on every use, fetched once however many ask for it, and never silently another file.

The oracle is the bytes that were put on the server or into the mirror.
"""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from servers import Cut, Lie, Other, Server, Status, Unmarked
from trajprobe.core.errors import UserError
from trajprobe.download import cache, mirror, transfer
from trajprobe.download.cache import LONGEST_NAME, cache_dir, download, drop

CONTENT = bytes(range(256)) * 8192  # 2 MiB
CHANGED = CONTENT[::-1]
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "weights.ckpt"
PATH = f"/folder/{NAME}"
MIRRORED = f"/mirror/{NAME}"
GIVES_UP = [Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1)

pytestmark = pytest.mark.usefixtures("download_cache")


def refusal(url: str, sha256: str | None = None) -> str:
    with pytest.raises(UserError) as error:
        download(url, sha256=sha256)
    assert "\n" not in str(error.value)
    return str(error.value)


def files_in(cache_folder: Path) -> set[str]:
    names = {path.name for path in cache_folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.endswith((".lock", ".digest.json"))}


def test_a_file_comes_whole_and_is_fetched_once(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    found = download(url)
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.bytes, found.verified) == (DIGEST, len(CONTENT), True)
    assert download(url, sha256=DIGEST).path == found.path
    assert len(server.requests) == 1
    assert files_in(download_cache) == {NAME}


def test_addresses_that_end_alike_do_not_clash(server: Server) -> None:
    first, second = server.put("/a/model.bin", b"first"), server.put("/b/model.bin", b"second")
    for _ in range(2):
        assert download(first).path.read_bytes() == b"first"
        assert download(second).path.read_bytes() == b"second"


def test_a_file_that_was_never_verified_is_not_trusted(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    (cache_dir(url) / NAME).write_bytes(CHANGED)
    assert download(url).path.read_bytes() == CONTENT
    assert download(url).path.read_bytes() == CONTENT
    assert len(server.requests) == 1
    # A pin is as good as a record.
    pinned = server.put(f"/pinned/{NAME}", CONTENT)
    (cache_dir(pinned) / NAME).write_bytes(CONTENT)
    assert download(pinned, sha256=DIGEST).path.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_wrong_digest_removes_the_download(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    for fault in (Other(CHANGED), Lie(len(CONTENT) - 7)):  # the latter announces less than there is
        server.faults[PATH].append(fault)
        message = refusal(url, DIGEST)
        assert f"wrong digest for {url}: the card pins sha256 {DIGEST}, got" in message
        assert not files_in(download_cache)
    assert download(url, sha256=DIGEST).path.read_bytes() == CONTENT


def test_the_first_digest_binds_later_downloads(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    download(url)
    drop(url, NAME)
    server.put(PATH, CHANGED)
    assert f"first seen as sha256 {DIGEST}" in refusal(url)
    # A pinned digest overrides the record, and binds from then on.
    assert download(url, sha256=hashlib.sha256(CHANGED).hexdigest()).path.read_bytes() == CHANGED
    assert download(url).path.read_bytes() == CHANGED


def test_a_wrong_pin_leaves_the_file_to_cards_that_pin_it_right(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    path = download(url, sha256=DIGEST).path
    assert f"the card pins sha256 {'0' * 64}, got {DIGEST}" in refusal(url, "0" * 64)
    assert path.read_bytes() == CONTENT
    assert download(url, sha256=DIGEST).path == path
    assert len(server.requests) == 1


def test_a_damaged_file_is_fetched_again_and_a_damaged_record_is_reported(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    path = download(url).path
    path.write_bytes(CONTENT[:-1] + b"?")
    assert download(url).path.read_bytes() == CONTENT
    assert len(server.gets(PATH)) == 2
    path.with_name(f"{NAME}.digest.json").write_text("{")
    assert "delete it" in refusal(url)


def test_only_addresses_of_files_are_taken(server: Server) -> None:
    for url in (
        "ftp://host/file",
        "file:///a/b",
        "http://host/",
        "http://host/a/..",
        "weights.ckpt",
        "http://[bad/f",
        "http://host:99999/f",
        "http://host:abc/f",
        "http:///f",
        "http://host/\x00",
    ):
        assert "must be an http(s) address" in refusal(url)
    for name in ("n" * 300, "%C3%A9" * 100):
        assert "at most 150 bytes" in refusal(server.put(f"/{name}", CONTENT))
    assert "must name a file" in refusal(server.url + "/a%00b")
    assert not server.requests
    # The longest that is taken fits with all that lies beside it.
    assert download(server.put(f"/{'n' * LONGEST_NAME}", CONTENT)).path.read_bytes() == CONTENT


def test_settings_that_name_no_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put(PATH, CONTENT)
    (tmp_path / "sub").mkdir()
    for place in ("sub/../cache", "./cache", "cache/."):
        monkeypatch.setenv("TRAJPROBE_CACHE", f"{tmp_path}/{place}")
        assert download(url).path.resolve().is_relative_to(tmp_path / "cache")
    (tmp_path / "file").write_bytes(b"")
    for name, place in (
        ("TRAJPROBE_CACHE", "~nobody-of-that-name/cache"),
        ("TRAJPROBE_CACHE", str(tmp_path / "file")),
        *(
            ("TRAJPROBE_MIRROR", place)
            for place in ("~nobody/x", "/no/such/folder", "http://[bad", "http://", "ftp://host")
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, place)
            assert refusal(url).startswith(f"{name}: ")


def test_concurrent_requests_fetch_once(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    code = "import sys; from trajprobe.download.cache import download; print(download(sys.argv[1]).path)"
    command = [sys.executable, "-c", code, url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    places = {process.communicate()[0].strip() for process in running}
    assert all(process.returncode == 0 for process in running)
    (place,) = places
    assert Path(place).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_waiting_for_another_process_is_reported(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.put(PATH, CONTENT)
    holds, reported = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(cache_dir(url) / f"{NAME}.lock"):
            holds.set()
            reported.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    holds.wait()
    lines: list[str] = []
    monkeypatch.setattr(cache.log, "warning", lambda text, name: (lines.append(text % name), reported.set()))
    assert download(url).path.read_bytes() == CONTENT
    other.join()
    assert lines == [f"waiting for another process that fetches {NAME}"]


@pytest.fixture
def mirror_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(folder))
    return folder


@pytest.fixture
def skipped(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A mirror at an address; the warnings that it was skipped."""
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror/")
    lines: list[str] = []
    monkeypatch.setattr(mirror.log, "warning", lambda text, *parts: lines.append(text % parts))
    return lines


def test_the_mirror_folder_comes_first_and_is_verified(server: Server, mirror_folder: Path) -> None:
    (mirror_folder / NAME).write_bytes(CONTENT)
    assert download(server.url + PATH, sha256=DIGEST).path == mirror_folder / NAME
    assert not server.requests
    assert "removed" not in refusal(server.url + PATH, "0" * 64)
    assert (mirror_folder / NAME).read_bytes() == CONTENT
    # What the mirror lacks comes from the network.
    assert download(server.put("/other.bin", b"other")).path.read_bytes() == b"other"


def test_the_mirror_may_be_an_address(server: Server, skipped: list[str]) -> None:
    server.put(MIRRORED, CONTENT)
    assert download(f"http://127.0.0.1:9/{NAME}").path.read_bytes() == CONTENT
    assert download(server.put("/other.bin", b"other")).path.read_bytes() == b"other"
    assert not skipped


def by_folder(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(folder))
    (folder / NAME).write_bytes(CONTENT)


def by_address(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror")
    server.put(MIRRORED, CONTENT)


@pytest.mark.parametrize("serve", [by_folder, by_address])
def test_bytes_of_a_mirror_count_as_verified_only_if_something_vouches_for_them(
    serve: Callable[..., None], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put(PATH, CONTENT)
    serve(tmp_path, server, monkeypatch)
    assert not download(url).verified
    assert not download(url).verified  # not by having been seen in the mirror before, nor from the cache
    assert download(url, sha256=DIGEST).verified
    known = server.put(f"/known/{NAME}", CONTENT)
    with monkeypatch.context() as patch:
        patch.delenv("TRAJPROBE_MIRROR")
        assert download(known).verified
    drop(known, NAME)
    assert download(known).verified  # the same bytes as from the source itself
    assert len(server.gets(f"/known/{NAME}")) == 1


def test_a_mirror_does_not_discard_what_the_origin_began(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend(GIVES_UP)
    refusal(url)
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror")
    assert download(url).path.read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=500000-"
    assert server.gets(MIRRORED)


@pytest.mark.parametrize(
    "faults",
    [[Status(401)], [Status(500)] * transfer.ATTEMPTS, GIVES_UP, [Unmarked()]],
    ids=["401", "500", "cut", "unmarked"],
)
def test_a_mirror_that_fails_is_skipped_with_a_warning(
    faults: list[object], server: Server, download_cache: Path, skipped: list[str]
) -> None:
    url = server.put(PATH, CONTENT)
    address = server.put(MIRRORED, CONTENT)
    server.faults[MIRRORED].extend(faults)
    assert download(url, sha256=DIGEST).path.read_bytes() == CONTENT
    (line,) = skipped
    assert line.startswith(f"TRAJPROBE_MIRROR: skipped: {address}: ")
    assert len(server.gets(PATH)) == 1
    assert files_in(download_cache) == {NAME}


def test_a_mirror_that_is_down_is_skipped(
    server: Server, skipped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", "http://127.0.0.1:9")
    assert download(server.put(PATH, CONTENT)).path.read_bytes() == CONTENT
    assert len(skipped) == 1


def test_a_mirror_with_other_bytes_is_an_error(
    server: Server, download_cache: Path, skipped: list[str]
) -> None:
    url = server.put(PATH, CONTENT)
    address = server.put(MIRRORED, CHANGED)
    assert refusal(url, DIGEST).startswith(f"{address} (removed): wrong digest")
    assert not server.gets(PATH)
    assert not files_in(download_cache)
