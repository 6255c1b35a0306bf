"""Whatever a server does, a transfer ends with exactly the served bytes or with one line, and never with a part.

The oracle is the bytes that were put on the server; the server is real, on the loopback.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import (
    Chunked,
    Compressed,
    Cut,
    Deaf,
    Elsewhere,
    Lie,
    Server,
    Slice,
    Stall,
    Status,
    Unmarked,
)
from trajprobe.core.errors import UserError
from trajprobe.download import transfer
from trajprobe.download.cache import cache_dir, download, drop
from trajprobe.download.partial import PartialDownload

CONTENT = bytes(range(256)) * 8192  # 2 MiB
CHANGED = CONTENT[::-1]
NAME = "weights.ckpt"
PATH = f"/folder/{NAME}"
REST = (500_000, len(CONTENT))
GIVES_UP = [Cut(500_000)] + [Cut(0)] * (transfer.ATTEMPTS - 1)

pytestmark = pytest.mark.usefixtures("download_cache")


def refusal(url: str) -> str:
    with pytest.raises(UserError) as error:
        download(url)
    assert "\n" not in str(error.value)
    return str(error.value)


def part_of(url: str) -> Path:
    return PartialDownload(url, cache_dir(url) / NAME).path


def arrived(url: str) -> set[str]:
    """What the cache has for an address, but records and locks."""
    names = {path.name for path in cache_dir(url).iterdir()}
    return {name for name in names if not name.endswith((".lock", ".digest.json"))}


def ranges(server: Server, path: str = PATH) -> list[str | None]:
    return [headers.get("Range") for headers in server.gets(path)]


@contextlib.contextmanager
def killed_before_the_name() -> Iterator[None]:
    """The process ends just before what arrived gets the name of the file."""

    def end(part: PartialDownload) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PartialDownload, "move_to_target", end)
        yield


def test_cut_connections_are_resumed_at_the_byte(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(700_000), Cut(0), Cut(900_001)])
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=700000-", "bytes=700000-", "bytes=1600001-"]


def test_silence_is_treated_as_a_cut(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (5.0, 0.2))
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Stall(600_000), Stall(0)])
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server) == [None, *["bytes=600000-"] * 2]


def test_a_later_run_continues_where_an_earlier_one_gave_up(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend(GIVES_UP)
    message = refusal(url)
    assert "gave up after 6 attempts" in message
    assert "0.5 MB are kept" in message
    assert arrived(url) == {part_of(url).name, f"{part_of(url).name}.json"}
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=500000-"
    assert arrived(url) == {NAME}


def test_a_killed_process_leaves_its_part_to_the_next(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].append(Stall(600_000))
    code = "import sys; from trajprobe.download.cache import download; download(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.DEVNULL) as process:
        part = part_of(url)
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size == 600_000) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert NAME not in arrived(url)
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server)[-1] == "bytes=600000-"


def test_a_complete_part_is_not_requested_again(server: Server) -> None:
    for headers, requests in (({}, 1), ({"ETag": 'W/"weak"'}, 2)):  # without a version it belongs to nothing
        path = f"/{requests}/{NAME}"
        url = server.put(path, CONTENT, **headers)
        with killed_before_the_name():
            download(url)
        assert download(url).path.read_bytes() == CONTENT
        assert len(server.gets(path)) == requests
        assert arrived(url) == {NAME}


@pytest.mark.parametrize(
    "answer", [None, Slice(*REST)], ids=["whole", "a range though If-Range names the old one"]
)
def test_bytes_of_two_versions_are_not_put_together(answer: object, server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend(GIVES_UP)
    refusal(url)
    server.put(PATH, CHANGED)
    server.faults[PATH].extend([answer] if answer else [])
    assert download(url).path.read_bytes() == CHANGED
    assert ranges(server)[len(GIVES_UP)] == "bytes=500000-"


def test_a_part_without_a_note_of_its_version_is_not_continued(server: Server) -> None:
    for number, note in enumerate(
        ("", "{}", '{"url": "http://other/", "validator": "x", "total": 3}', "[1]")
    ):
        url = server.put(f"/{number}/{NAME}", CONTENT)
        part_of(url).write_bytes(b"something else")
        if note:
            Path(f"{part_of(url)}.json").write_text(note)
        assert download(url).path.read_bytes() == CONTENT
        assert ranges(server, f"/{number}/{NAME}") == [None]


DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


def test_without_a_strong_tag_the_date_names_the_version(server: Server) -> None:
    for number, date in enumerate(({}, {"Last_Modified": DATE})):
        path = f"/{number}/{NAME}"
        url = server.put(path, CONTENT, ETag='W/"weak"', **date)
        server.faults[path].append(Cut(500_000))
        assert download(url).path.read_bytes() == CONTENT
        assert server.gets(path)[1].get("If-Range") == date.get("Last_Modified")


def test_a_range_must_have_the_same_date(server: Server) -> None:
    url = server.put(PATH, CONTENT, ETag='W/"weak"', Last_Modified=DATE)
    for headers, requests in (({}, 2), ({"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}, 3)):
        server.requests.clear()
        server.faults[PATH].extend([Cut(500_000), Slice(*REST, headers)])
        assert download(url).path.read_bytes() == CONTENT
        assert len(server.requests) == requests
        drop(url, NAME)


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
def test_a_range_that_is_not_served_starts_over(fault: object, server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Cut(500_000), fault])
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server)[-1] is None or isinstance(fault, Deaf)


def test_a_range_that_was_not_requested_is_no_file(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Slice(0, 500_000)] * 2)
    assert download(url).path.read_bytes() == CONTENT
    drop(url, NAME)
    server.faults[PATH].extend([Slice(0, 500_000)] * transfer.ATTEMPTS)
    assert "not requested" in refusal(url)
    assert NAME not in arrived(url)


def test_bodies_in_chunks_need_no_length(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    for faults, last in (
        ([Chunked()], None),
        ([Chunked(after=1_500_000)], "bytes=1500000-"),
        ([Chunked(after=500_000), Slice(500_000, 700_000)], "bytes=700000-"),  # a range has the length
    ):
        server.faults[PATH].extend(faults)
        assert download(url).path.read_bytes() == CONTENT
        assert ranges(server)[-1] == last
        drop(url, NAME)


def test_a_compressed_body_is_unpacked(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Compressed(cut=True), Compressed()])
    assert download(url).path.read_bytes() == CONTENT
    assert ranges(server) == [None, None]


def test_a_body_without_an_end_mark_is_refused(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    for fault in (Unmarked(), *map(Lie, ("abc", "-5", "1e3", "0x10", "+7", "", "9" * 5000))):
        server.faults[PATH].append(fault)
        assert "no length" in refusal(url)
        assert not arrived(url)


def test_a_length_that_is_too_long_is_noticed(server: Server) -> None:
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Lie(len(CONTENT) + 7)] * 20)
    assert "gave up after 6 attempts" in refusal(url)
    assert NAME not in arrived(url)


def test_refusals_are_one_line_at_once(server: Server) -> None:
    for code, words in (
        (401, "login"),
        (403, "TRAJPROBE_MIRROR"),
        (404, "no such file"),
        (410, "no such file"),
        (418, "answered 418"),
    ):
        url = server.put(f"/{code}", CONTENT)
        server.faults[f"/{code}"].append(Status(code))
        assert words in refusal(url)
        assert len(server.gets(f"/{code}")) == 1
    assert "refused" in refusal("http://127.0.0.1:9/weights.ckpt")


def test_a_busy_server_is_asked_again_but_not_for_ever(server: Server) -> None:
    for code in (429, 500, 503):
        url = server.put(f"/{code}", CONTENT)
        server.faults[f"/{code}"].extend([Status(code)] * 3)
        assert download(url).path.read_bytes() == CONTENT
    url = server.put(PATH, CONTENT)
    server.faults[PATH].extend([Status(503)] * 20)
    assert "503" in refusal(url)
    assert len(server.gets(PATH)) == transfer.ATTEMPTS


def test_retry_after_is_heeded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    url = server.put(PATH, CONTENT)
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 55))
    for after in ("7", soon, "soon", "-3", "Mon, 01 Jan 99999999999 00:00:00 GMT"):
        server.faults[PATH].append(Status(429, {"Retry-After": after}))
    assert download(url).path.read_bytes() == CONTENT
    assert waits[0] == 7
    assert 0 < waits[1] <= 55
    assert waits[2:] == [transfer.BACKOFF * 4, transfer.BACKOFF * 8, transfer.BACKOFF * 16]
    drop(url, NAME)
    server.faults[PATH].append(Status(429, {"Retry-After": "3600"}))
    assert "wait 3600 s" in refusal(url)


def test_redirects_are_followed_but_not_for_ever(server: Server) -> None:
    server.put("/moved", CONTENT)
    url = server.put(PATH, b"")
    server.faults[PATH].append(Status(302, {"Location": "/moved"}))
    assert download(url).path.read_bytes() == CONTENT
    loop = server.put("/loop", b"")
    server.faults["/loop"].extend([Status(302, {"Location": "/loop"})] * 50)
    assert "redirected more than" in refusal(loop)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer secret"}], ids=["plain", "token"])
def test_redirects_to_what_is_no_address(headers: dict[str, str], server: Server, tmp_path: Path) -> None:
    url = server.put(PATH, CONTENT)
    for place in (
        "file:///etc/passwd",
        "ftp://localhost/x",
        "http://[bad/f",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:abc/",
    ):
        server.requests.clear()
        server.faults[PATH].append(Status(302, {"Location": place}))
        with pytest.raises(UserError, match=r"redirected to an (invalid )?address") as error:
            transfer.transfer(url, tmp_path / NAME, headers)
        assert "\n" not in str(error.value)
        assert len(server.requests) == 1


def test_a_login_in_netrc_is_not_used_beside_a_token(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(
        "".join(f"machine {h} login a password b\n" for h in ("127.0.0.1", "localhost"))
    )
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    port = server.url.rpartition(":")[2]
    url = server.put(PATH, CONTENT)
    for path in ("/here", "/there"):
        server.put(path, CONTENT)
    # The token goes along on the same host; to another host goes neither the token nor a login that was not asked for.
    server.faults[PATH].append(Status(302, {"Location": "/here"}))
    server.faults["/here"].append(Status(302, {"Location": f"http://localhost:{port}/there"}))
    transfer.transfer(url, tmp_path / NAME, {"Authorization": "Bearer secret"})
    sent = [(path, headers.get("Authorization")) for _, path, headers in server.requests]
    assert sent == [(PATH, "Bearer secret"), ("/here", "Bearer secret"), ("/there", None)]
    download(url)
    assert server.gets(PATH)[-1]["Authorization"].startswith("Basic ")


def test_a_full_disk_is_noticed_before_the_first_byte_and_on_the_way(
    server: Server, download_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = transfer.shutil.disk_usage(download_cache.parent)
    free = iter([transfer.SPARE + len(CONTENT) - 1, *[transfer.SPARE * 2] * 2, transfer.SPARE - 1])
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage._replace(free=next(free)))
    url = server.put(PATH, CONTENT)
    message = refusal(url)
    assert "needs 69 MB" in message
    assert "TRAJPROBE_CACHE" in message
    assert not part_of(url).exists()
    # A body in chunks does not say how long it is.
    monkeypatch.setattr(transfer, "SPACE_CHECK", 500_000)
    monkeypatch.setattr(transfer, "CHUNK", 100_000)
    server.faults[PATH].append(Chunked())
    assert "TRAJPROBE_CACHE" in refusal(url)
    assert 1_000_000 <= part_of(url).stat().st_size <= 1_200_000
