"""Held: whatever a server does, a download ends with exactly the served bytes or with one line, and nothing partial.

The oracle is the bytes that were put on the server; the server is real, on the loopback.
"""

import contextlib
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from servers import (
    Chunked,
    Compressed,
    Cut,
    Deaf,
    Elsewhere,
    Lie,
    Other,
    Server,
    Slice,
    Stall,
    Status,
    Unmarked,
)
from trajprobe.checkpoints import cache, transfer
from trajprobe.checkpoints.cache import drop, slot
from trajprobe.checkpoints.download import download, download_verified
from trajprobe.errors import UserError

CONTENT = bytes(range(256)) * 8192  # 2 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "/folder/weights.ckpt"


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def leftovers(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*") if path.is_file()} - {
        "weights.ckpt.lock",
        "weights.ckpt.digest.json",
    }


def part_of(url: str) -> Path:
    return transfer.Part(url, slot(url) / "weights.ckpt").path


@contextlib.contextmanager
def killed_before_the_name() -> Iterator[None]:
    """The process ends just before what arrived gets the name of the file."""
    replace = Path.replace

    def end(path: Path, target: Path) -> Path:
        if path.name.startswith("weights.ckpt.") and path.name.endswith(".part"):
            raise KeyboardInterrupt
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", end)
        yield


def notes_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is printed on the way, as it comes."""
    said: list[str] = []
    monkeypatch.setattr(cache.log, "warning", lambda text, *parts: said.append(text % parts))
    return said


def test_a_file_comes_whole_and_is_fetched_once(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    found = download_verified(url)
    assert found.path.read_bytes() == CONTENT
    assert (found.sha256, found.bytes) == (DIGEST, len(CONTENT))
    assert download(url, sha256=DIGEST) == found.path
    assert len(server.requests) == 1
    assert leftovers(download_cache) == {"weights.ckpt"}


def test_addresses_that_end_alike_do_not_clash(server: Server, download_cache: Path) -> None:
    first, second = server.put("/a/model.bin", b"first"), server.put("/b/model.bin", b"second")
    assert download(first).read_bytes() == b"first"
    assert download(second).read_bytes() == b"second"
    assert download(first).read_bytes() == b"first"


def test_cut_connections_are_resumed_at_the_byte(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(700_000), Cut(0), Cut(900_001)])
    assert download(url).read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.gets(PATH)] == [
        None,
        "bytes=700000-",
        "bytes=700000-",
        "bytes=1600001-",
    ]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1))
    with pytest.raises(UserError) as error:
        download(url)
    assert "gave up after 6 attempts" in one_line(error)
    assert "0.5 MB are kept" in one_line(error)
    assert leftovers(download_cache) == {part_of(url).name, f"{part_of(url).name}.json"}
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=500000-"
    assert leftovers(download_cache) == {"weights.ckpt"}


def test_silence_is_as_good_as_a_cut(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (5.0, 0.2))
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Stall(600_000), Stall(0)])
    assert download(url).read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.gets(PATH)] == [None, *["bytes=600000-"] * 2]


def test_a_killed_process_leaves_its_part_to_the_next(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Stall(600_000))
    code = "import sys; from trajprobe.checkpoints.download import download; download(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.DEVNULL) as process:
        part = part_of(url)
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 600_000) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert not (slot(url) / "weights.ckpt").exists()
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=600000-"


def test_a_whole_part_is_not_asked_for_again(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    with killed_before_the_name():
        download(url)
    assert download(url).read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert leftovers(download_cache) == {"weights.ckpt"}
    # Without anything that names its version nobody can tell what the part belongs to.
    unnamed = server.put("/unnamed/weights.ckpt", CONTENT, ETag='W/"weak"')
    with killed_before_the_name():
        download(unnamed)
    assert download(unnamed).read_bytes() == CONTENT
    assert len(server.gets("/unnamed/weights.ckpt")) == 2


def test_a_file_that_nobody_verified_is_not_believed(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    (slot(url) / "weights.ckpt").write_bytes(CONTENT[::-1])
    assert download(url).read_bytes() == CONTENT
    assert download(url).read_bytes() == CONTENT
    assert len(server.requests) == 1
    # A pin is as good as a record.
    pinned = server.put("/pinned/weights.ckpt", CONTENT)
    (slot(pinned) / "weights.ckpt").write_bytes(CONTENT)
    assert download(pinned, sha256=DIGEST).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_part_of_another_version_is_not_continued(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(500_000)] + [Status(503)] * transfer.ATTEMPTS)
    with pytest.raises(UserError):
        download(url)
    server.faults[PATH].clear()
    changed = CONTENT[::-1]
    server.put(PATH, changed)
    assert download(url).read_bytes() == changed
    assert server.gets(PATH)[-1]["Range"] == "bytes=500000-"


@pytest.mark.parametrize("note", ["", "{}", '{"url": "http://other/", "validator": "x", "total": 3}', "[1]"])
def test_a_part_without_its_note_is_not_continued(note: str, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    part_of(url).write_bytes(b"something else")
    if note:
        Path(f"{part_of(url)}.json").write_text(note)
    assert download(url).read_bytes() == CONTENT
    assert "Range" not in server.gets(PATH)[-1]


@pytest.mark.parametrize(
    "headers", [{"ETag": 'W/"weak"'}, {"ETag": 'W/"weak"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}]
)
def test_without_a_strong_tag_the_date_names_the_version(
    headers: dict[str, str], server: Server, download_cache: Path
) -> None:
    url = server.put(PATH, CONTENT, **headers)
    server.faults[PATH].append(Cut(500_000))
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[1].get("If-Range") == headers.get("Last-Modified")


REST = (500_000, len(CONTENT))


@pytest.mark.parametrize(
    "fault",
    [
        Deaf(),
        Elsewhere(),
        Status(416),
        Slice(*REST, {"ETag": '"of another version"'}),
        Slice(*REST, {"ETag": 'W/"weak"'}),
        Slice(*REST, {"Content-Encoding": "gzip"}),
        Slice(*REST, {"Content-Range": "bytes 500000-2097151/*"}),
        Slice(*REST, {"Content-Range": "500000"}),
        Slice(*REST, total=len(CONTENT) + 1),
    ],
    ids=str,
)
def test_a_range_that_is_not_served_starts_over(fault: object, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(500_000), fault])
    assert download(url).read_bytes() == CONTENT
    assert "Range" not in server.gets(PATH)[-1] or isinstance(fault, Deaf)


def test_bytes_of_two_versions_are_not_put_together(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Cut(500_000))
    server.faults[PATH].extend([Status(503)] * transfer.ATTEMPTS)
    with pytest.raises(UserError):
        download(url)
    server.faults[PATH].clear()
    changed = CONTENT[::-1]
    server.put(PATH, changed)
    server.faults[PATH].append(Slice(*REST))  # though If-Range names the old version
    assert download(url).read_bytes() == changed


def test_a_range_without_a_date_goes_on_by_the_date(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT, ETag='W/"weak"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
    other = {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}
    server.faults[PATH].extend([Cut(500_000), Slice(*REST)])
    assert download(url).read_bytes() == CONTENT
    assert len(server.requests) == 2
    drop(url, "weights.ckpt")
    server.faults[PATH].extend([Cut(500_000), Slice(*REST, other)])
    assert download(url).read_bytes() == CONTENT
    assert len(server.requests) == 5


def test_a_range_that_nobody_asked_for_is_no_file(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Slice(0, 500_000)] * 2)
    assert download(url).read_bytes() == CONTENT
    drop(url, "weights.ckpt")
    server.faults[PATH].extend([Slice(0, 500_000)] * transfer.ATTEMPTS)
    with pytest.raises(UserError, match="not asked for"):
        download(url)
    assert "weights.ckpt" not in leftovers(download_cache)


def test_a_range_tells_the_length_that_chunks_did_not(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Chunked(after=500_000), Slice(500_000, 700_000)])
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=700000-"


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "0x10", "+7", "", "9" * 5000])
def test_a_length_that_is_no_number_is_none(length: str, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Lie(length))
    with pytest.raises(UserError) as error:
        download(url)
    assert "no length" in one_line(error)
    assert not leftovers(download_cache)


def test_too_long_a_length_is_told(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Lie(len(CONTENT) + 7)] * 20)
    with pytest.raises(UserError) as error:
        download(url)
    assert "gave up" in one_line(error)
    assert "weights.ckpt" not in leftovers(download_cache)


def test_too_short_a_length_is_told_by_the_digest(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Lie(len(CONTENT) - 7))
    with pytest.raises(UserError) as error:
        download(url, sha256=DIGEST)
    assert "wrong digest" in one_line(error)
    assert not leftovers(download_cache)


def test_a_body_in_chunks_needs_no_length(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Chunked())
    assert download(url).read_bytes() == CONTENT
    drop(url, "weights.ckpt")
    server.faults[PATH].append(Chunked(after=1_500_000))
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=1500000-"


def test_a_compressed_body_is_unpacked(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Compressed(cut=True), Compressed()])
    assert download(url).read_bytes() == CONTENT
    assert all("Range" not in headers for headers in server.gets(PATH))


def test_a_body_whose_end_cannot_be_told_from_a_cut_is_refused(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Unmarked())
    with pytest.raises(UserError) as error:
        download(url)
    assert "no length" in one_line(error)


def test_a_wrong_digest_removes_the_file(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Other(CONTENT[::-1]))
    with pytest.raises(UserError) as error:
        download(url, sha256=DIGEST)
    assert DIGEST in one_line(error)
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in one_line(error)
    assert not leftovers(download_cache)
    assert download(url, sha256=DIGEST).read_bytes() == CONTENT


def test_the_first_digest_binds_later_downloads(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    download(url)
    drop(url, "weights.ckpt")
    changed = server.put(PATH, CONTENT[::-1])
    with pytest.raises(UserError) as error:
        download(url)
    assert "first seen as" in one_line(error)
    assert DIGEST in one_line(error)
    # Who pins the new digest has decided; from then on that one binds.
    assert download(changed, sha256=hashlib.sha256(CONTENT[::-1]).hexdigest()).read_bytes() == CONTENT[::-1]
    assert download(url).read_bytes() == CONTENT[::-1]


def test_a_wrong_pin_leaves_the_file_to_who_pinned_it_right(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    path = download(url, sha256=DIGEST)
    with pytest.raises(UserError) as error:
        download(url, sha256="0" * 64)
    assert "wrong digest" in one_line(error)
    assert "0" * 64 in one_line(error)
    assert DIGEST in one_line(error)
    assert path.read_bytes() == CONTENT
    assert download(url, sha256=DIGEST) == path
    assert len(server.requests) == 1


def test_a_cached_file_that_changed_is_fetched_anew(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    path = download(url)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert download(url).read_bytes() == CONTENT
    assert len(server.gets(PATH)) == 2


def test_a_damaged_record_is_told(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    path = download(url)
    path.with_name("weights.ckpt.digest.json").write_text("{")
    with pytest.raises(UserError, match="delete it"):
        download(url)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "login"),
        (403, "TRAJPROBE_MIRROR"),
        (404, "no such file"),
        (410, "no such file"),
        (418, "answered 418"),
    ],
)
def test_refusals_are_one_line_at_once(code: int, words: str, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Status(code))
    with pytest.raises(UserError) as error:
        download(url)
    assert words in one_line(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(code: int, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Status(code)] * 3)
    assert download(url).read_bytes() == CONTENT


def test_a_server_that_stays_busy_ends_in_one_line(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Status(503)] * 20)
    with pytest.raises(UserError) as error:
        download(url)
    assert "503" in one_line(error)
    assert len(server.requests) == transfer.ATTEMPTS


def test_retry_after_is_heeded(server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    url = server.put(PATH, CONTENT)
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 55))
    server.faults[PATH].extend([Status(429, {"Retry-After": after}) for after in ("7", soon, "soon", "-3")])
    server.faults[PATH].append(Status(429, {"Retry-After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}))
    assert download(url).read_bytes() == CONTENT
    assert waits[0] == 7
    assert 0 < waits[1] <= 55
    assert waits[2:] == [transfer.BACKOFF * 4, transfer.BACKOFF * 8, transfer.BACKOFF * 16]


def test_a_wait_without_end_is_told(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Status(429, {"Retry-After": "3600"}))
    with pytest.raises(UserError, match="wait 3600 s"):
        download(url)


def test_redirects_are_followed_but_not_for_ever(server: Server, download_cache: Path) -> None:
    server.put("/moved", CONTENT)
    url = server.put(PATH, b"")
    server.faults[PATH].append(Status(302, {"Location": "/moved"}))
    assert download(url).read_bytes() == CONTENT
    loop = server.put("/loop", b"")
    server.faults["/loop"].extend([Status(302, {"Location": "/loop"})] * 50)
    with pytest.raises(UserError, match="redirected more than"):
        download(loop)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://localhost/x"])
def test_redirects_do_not_leave_http(place: str, server: Server, download_cache: Path) -> None:
    url = server.put(PATH, b"")
    server.faults[PATH].append(Status(302, {"Location": place}))
    with pytest.raises(UserError, match=r"not http\(s\)"):
        download(url)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer secret"}], ids=["plain", "token"])
@pytest.mark.parametrize("place", ["http://[bad/f", "http://127.0.0.1:99999/", "http://127.0.0.1:abc/"])
def test_redirects_to_what_is_no_address(
    place: str, headers: dict[str, str], server: Server, download_cache: Path
) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Status(302, {"Location": place}))
    with pytest.raises(UserError, match="leads to") as error:
        transfer.transfer(url, download_cache / "weights.ckpt", headers)
    assert one_line(error).startswith(url)
    assert len(server.requests) == 1


def test_a_login_in_netrc_is_for_who_has_no_token(
    server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(
        "".join(f"machine {h} login a password b\n" for h in ("127.0.0.1", "localhost"))
    )
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    token = {"Authorization": "Bearer secret"}
    port = server.url.rpartition(":")[2]
    url = server.put(PATH, CONTENT)
    for path in ("/here", "/there"):
        server.put(path, CONTENT)
    # On the same host the token goes along; to another one goes neither the token nor a login it did not ask for.
    server.faults[PATH].append(Status(302, {"Location": "/here"}))
    server.faults["/here"].append(Status(302, {"Location": f"http://localhost:{port}/there"}))
    transfer.transfer(url, download_cache / "weights.ckpt", token)
    sent = [(path, headers.get("Authorization")) for _, path, headers in server.requests]
    assert sent == [(PATH, "Bearer secret"), ("/here", "Bearer secret"), ("/there", None)]
    download(url)
    assert server.gets(PATH)[-1]["Authorization"].startswith("Basic ")


def test_a_server_that_is_not_there_is_told(download_cache: Path) -> None:
    with pytest.raises(UserError) as error:
        download("http://127.0.0.1:9/weights.ckpt")
    assert "refused" in one_line(error)


@pytest.mark.parametrize(
    "url",
    [
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
    ],
)
def test_only_addresses_of_files_are_taken(url: str, download_cache: Path) -> None:
    with pytest.raises(UserError, match="must be an http"):
        download(url)


@pytest.mark.parametrize("name", ["n" * 300, "%C3%A9" * 100])
def test_names_that_no_file_can_have(name: str, server: Server, download_cache: Path) -> None:
    with pytest.raises(UserError) as error:
        download(server.put(f"/{name}", CONTENT))
    assert "at most 150 bytes" in one_line(error)
    with pytest.raises(UserError, match="must name a file"):
        download(server.url + "/a%00b")
    assert not server.requests
    # The longest that is taken fits with all that lies beside it.
    longest = f"/{'n' * cache.LONGEST_NAME}"
    assert download(server.put(longest, CONTENT)).read_bytes() == CONTENT


def test_a_full_disk_is_told_before_the_first_byte(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(download_cache.parent)
    monkeypatch.setattr(
        transfer.shutil, "disk_usage", lambda _: usage._replace(free=transfer.SPARE + len(CONTENT) - 1)
    )
    url = server.put(PATH, CONTENT)
    with pytest.raises(UserError) as error:
        download(url)
    assert "69 MB" in one_line(error)
    assert "TRAJPROBE_CACHE" in one_line(error)
    assert "weights.ckpt.part" not in leftovers(download_cache)


def test_a_disk_that_fills_up_is_told_on_the_way(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(download_cache.parent)
    free = iter([transfer.SPARE * 2, transfer.SPARE * 2, transfer.SPARE - 1])
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=next(free)))
    monkeypatch.setattr(transfer, "ROOM_EVERY", 500_000)
    monkeypatch.setattr(transfer, "CHUNK", 100_000)
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Chunked())
    with pytest.raises(UserError) as error:
        download(url)
    assert "TRAJPROBE_CACHE" in one_line(error)
    assert 1_000_000 <= part_of(url).stat().st_size <= 1_200_000


@pytest.mark.parametrize("place", ["sub/../cache", "./cache", "cache/."])
def test_a_cache_may_be_written_in_any_way(
    place: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("TRAJPROBE_CACHE", f"{tmp_path}/{place}")
    assert download(server.put(PATH, CONTENT)).resolve().is_relative_to(tmp_path / "cache")


@pytest.mark.parametrize("name", ["TRAJPROBE_CACHE", "TRAJPROBE_MIRROR"])
def test_a_home_folder_that_is_not_there_is_told(
    name: str, server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "~nobody-of-that-name/cache")
    with pytest.raises(UserError, match=f"{name}: .*no such home folder"):
        download(server.put(PATH, CONTENT))


def test_a_cache_that_is_a_file_is_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TRAJPROBE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="TRAJPROBE_CACHE"):
        download(server.put(PATH, CONTENT))


def test_however_many_ask_it_is_fetched_once(server: Server, download_cache: Path) -> None:
    url = server.put(PATH, CONTENT)
    code = "import sys; from trajprobe.checkpoints.download import download; print(download(sys.argv[1]))"
    command = [sys.executable, "-c", code, url]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    places = {process.communicate()[0].strip() for process in asking}
    assert all(process.returncode == 0 for process in asking)
    (place,) = places
    assert Path(place).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_who_waits_is_told(server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.put(PATH, CONTENT)
    holds, told = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(slot(url) / "weights.ckpt.lock"):
            holds.set()
            told.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    holds.wait()
    said: list[str] = []
    monkeypatch.setattr(cache.log, "warning", lambda text, name: (said.append(text % name), told.set()))
    assert download(url).read_bytes() == CONTENT
    other.join()
    assert said == ["waiting for another process that fetches weights.ckpt"]


def test_the_mirror_folder_comes_first_and_is_checked(
    server: Server, download_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "weights.ckpt").write_bytes(CONTENT)
    monkeypatch.setenv("TRAJPROBE_MIRROR", str(mirror))
    assert download(server.url + PATH, sha256=DIGEST) == mirror / "weights.ckpt"
    assert not server.requests
    with pytest.raises(UserError) as error:
        download(server.url + PATH, sha256="0" * 64)
    assert "removed" not in one_line(error)
    assert (mirror / "weights.ckpt").read_bytes() == CONTENT
    # What the mirror lacks comes from the network; what it calls otherwise is found by `name`.
    assert download(server.put("/other.bin", b"other")).read_bytes() == b"other"
    assert download(server.url + "/x.bin", name="weights.ckpt").read_bytes() == CONTENT


def test_the_mirror_may_be_an_address(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("/mirror/weights.ckpt", CONTENT)
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror/")
    assert download("http://127.0.0.1:9/weights.ckpt").read_bytes() == CONTENT
    assert download(server.put("/other.bin", b"other")).read_bytes() == b"other"


def test_a_mirror_does_not_end_what_the_origin_began(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1))
    with pytest.raises(UserError):
        download(url)
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror")
    assert download(url).read_bytes() == CONTENT
    assert server.gets(PATH)[-1]["Range"] == "bytes=500000-"
    assert server.gets("/mirror/weights.ckpt")


MIRRORED = "/mirror/weights.ckpt"


@pytest.mark.parametrize(
    "faults",
    [
        [Status(401)],
        [Status(403)],
        [Status(500)] * transfer.ATTEMPTS,
        [Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1),
        [Unmarked()],
    ],
    ids=["401", "403", "500", "cut", "unmarked"],
)
def test_a_mirror_that_fails_is_passed_over_and_told(
    faults: list[object], server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = notes_of(monkeypatch)
    url = server.put(PATH, CONTENT)
    mirror = server.put(MIRRORED, CONTENT)
    server.faults[MIRRORED].extend(faults)
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror")
    assert download(url, sha256=DIGEST).read_bytes() == CONTENT
    (note,) = said
    assert note.startswith(f"TRAJPROBE_MIRROR: passed over: {mirror}: ")
    assert len(server.gets(PATH)) == 1
    assert leftovers(download_cache) == {"weights.ckpt"}


def test_a_mirror_that_is_down_is_passed_over_and_told(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = notes_of(monkeypatch)
    monkeypatch.setenv("TRAJPROBE_MIRROR", "http://127.0.0.1:9")
    assert download(server.put(PATH, CONTENT)).read_bytes() == CONTENT
    assert len(said) == 1


def test_a_mirror_with_other_bytes_is_an_error(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put(PATH, CONTENT)
    mirror = server.put(MIRRORED, CONTENT[::-1])
    monkeypatch.setenv("TRAJPROBE_MIRROR", server.url + "/mirror")
    with pytest.raises(UserError) as error:
        download(url, sha256=DIGEST)
    assert one_line(error).startswith(f"{mirror} (removed): wrong digest")
    assert not server.gets(PATH)
    assert not leftovers(download_cache)


@pytest.mark.parametrize("place", ["/no/such/folder", "http://[bad", "http://", "ftp://host"])
def test_a_mirror_that_is_not_there_is_told(
    place: str, server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJPROBE_MIRROR", place)
    with pytest.raises(UserError, match="TRAJPROBE_MIRROR"):
        download(server.put(PATH, CONTENT))
