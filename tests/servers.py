"""A web server on the loopback that can misbehave, with enough of the Hugging Face Hub's protocol to fetch from it.

`Server.put` serves bytes under a path; `Server.put_model` serves a model repository as the hub does: its listing, the
redirect for large files, the headers with commit, size and digest. `Server.faults[path]` is a queue of faults, one for
each GET of that path; `Server.requests` has all requests.
"""

import gzip
import hashlib
import json
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1000  # bytes; a file of a model of this size or more is in large file storage, behind a redirect


@dataclass(frozen=True)
class Cut:
    """Announce everything, send `after` bytes, hang up."""

    after: int


@dataclass(frozen=True)
class Stall:
    """Announce everything, send `after` bytes, and say nothing more without hanging up."""

    after: int


@dataclass(frozen=True)
class Lie:
    """Announce `length` (bytes, or no number at all), send all there are, hang up."""

    length: int | str


@dataclass(frozen=True)
class Status:
    """Answer with this status and no file."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Other:
    """Send these bytes instead, with the headers of the right ones where the length is the same."""

    data: bytes


@dataclass(frozen=True)
class Chunked:
    """Send without a length, in chunks; with `after`, only so many bytes, and hang up before the end mark."""

    after: int | None = None


@dataclass(frozen=True)
class Compressed:
    """Send gzip although it was not requested; with `cut`, half of it, and hang up."""

    cut: bool = False


class Unmarked:
    """Send without a length and without chunks: the connection's end is the only end."""


@dataclass(frozen=True)
class Deaf:
    """Answer a range with the whole file (status 200)."""


@dataclass(frozen=True)
class Elsewhere:
    """Answer a range with another range (status 206)."""


@dataclass(frozen=True)
class Slice:
    """Answer with bytes [first, end) of the file (status 206) whatever was requested, and these headers."""

    first: int
    end: int
    headers: Mapping[str, str] = field(default_factory=dict)
    total: int | None = None  # instead of the file's length


@dataclass
class Resource:
    data: bytes | Path
    headers: dict[str, str]
    head: dict[str, str] | None = None  # headers of an answer that redirects to `location`
    location: str | None = None
    token: str | None = None
    refusal: Status = field(default_factory=lambda: Status(401))

    @property
    def size(self) -> int:
        return self.data.stat().st_size if isinstance(self.data, Path) else len(self.data)

    def read(self, start: int, size: int) -> bytes:
        if isinstance(self.data, bytes):
            return self.data[start : start + size]
        with self.data.open("rb") as file:
            file.seek(start)
            return file.read(size)


class Server:
    """Serves at `url` until its context ends."""

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        self.faults: defaultdict[str, deque[Any]] = defaultdict(deque)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.ends = threading.Event()
        server = self

        class Handler(_Handler):
            serves = server

        self.http = _Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def put(self, path: str, data: bytes | Path, **headers: str) -> str:
        """Serve `data` under `path` (with a leading slash); its address."""
        tag = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else str(data.stat().st_size)
        defaults = {"ETag": f'"{tag[:32]}"', "Content-Type": "application/octet-stream"}
        self.resources[path] = Resource(
            data, defaults | {key.replace("_", "-"): value for key, value in headers.items()}
        )
        return self.url + path

    def put_model(
        self,
        repository: str,
        files: Mapping[str, bytes | Path],
        *,
        commit: str = COMMIT,
        revisions: tuple[str, ...] = ("main",),
        token: str | None = None,
        gated: bool = False,
    ) -> None:
        """Serve a model as the hub does. token: without it the model is gated, or seems absent."""
        refusal = Status(401, {"X-Error-Code": "GatedRepo" if gated else "RepoNotFound"})
        listing = {
            "id": repository,
            "sha": commit,
            "siblings": [{"rfilename": name} for name in files],
            "tags": [],
            "downloads": 0,
        }
        for revision in (*revisions, commit):
            about = self._put(f"/api/models/{repository}/revision/{revision}", json.dumps(listing).encode())
            about.headers["Content-Type"] = "application/json"
            about.token, about.refusal = (
                (None if gated else token),
                refusal,
            )  # the list of a gated model is public
            for name, data in files.items():
                self._put_file(repository, revision, name, data, commit, token, refusal)
        self.resources[f"/api/models/{repository}"] = self.resources[
            f"/api/models/{repository}/revision/{commit}"
        ]

    def _put(self, path: str, data: bytes | Path) -> Resource:
        self.put(path, data)
        return self.resources[path]

    def _put_file(
        self,
        repository: str,
        revision: str,
        name: str,
        data: bytes | Path,
        commit: str,
        token: str | None,
        refusal: Status,
    ) -> None:
        file = self._put(f"/{repository}/resolve/{revision}/{name}", data)
        file.token, file.refusal = token, refusal
        file.headers["X-Repo-Commit"] = commit
        if file.size < LARGE:
            content = file.read(0, file.size)
            file.headers["ETag"] = (
                f'"{hashlib.sha1(b"blob %d" % len(content) + bytes(1) + content).hexdigest()}"'
            )
            return
        if isinstance(data, Path):
            with data.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
        else:
            digest = hashlib.sha256(data).hexdigest()
        self.put(f"/cdn/{digest}", data)
        file.location = (
            f"http://localhost:{self.http.server_port}/cdn/{digest}"  # another origin, as on the hub
        )
        file.head = file.headers | {"X-Linked-Size": str(file.size), "X-Linked-ETag": f'"{digest}"'}

    def gets(self, path: str) -> list[dict[str, str]]:
        """The headers of every GET of `path` so far."""
        return [headers for method, asked, headers in self.requests if (method, asked) == ("GET", path)]


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ends.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, as tests make it do, is not reported."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    serves: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.serves.requests.append((self.command, path, dict(self.headers)))
        resource = self.serves.resources.get(path)
        queue = self.serves.faults[path]
        fault = queue.popleft() if queue and (self.command == "GET" or isinstance(queue[0], Status)) else None
        if isinstance(fault, Status):
            return self.status(fault)
        if resource is None:
            missing = "EntryNotFound" if "/resolve/" in path else "RepoNotFound"
            return self.status(Status(404, {"X-Error-Code": missing} if path.count("/") > 1 else {}))
        if resource.token and self.headers.get("Authorization") != f"Bearer {resource.token}":
            return self.status(resource.refusal)
        if resource.location:
            return self.status(Status(302, {**(resource.head or {}), "Location": resource.location}))
        if isinstance(fault, Slice):
            return self.slice(resource, fault)
        if isinstance(fault, Other):
            resource = Resource(fault.data, resource.headers)
        if isinstance(fault, Compressed):
            packed = gzip.compress(resource.read(0, resource.size))
            resource = Resource(packed, resource.headers | {"Content-Encoding": "gzip"})
            fault = Cut(len(packed) // 2) if fault.cut else None
        return self.send(resource, fault)

    def status(self, status: Status) -> None:
        self.send_response(status.code)
        for key, value in {"Content-Length": "0", **status.headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def slice(self, resource: Resource, part: Slice) -> None:
        self.send_response(206)
        span = f"bytes {part.first}-{part.end - 1}/{part.total or resource.size}"
        length = {"Content-Range": span, "Content-Length": str(part.end - part.first)}
        for key, value in (resource.headers | length | part.headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(resource.read(part.first, part.end - part.first))

    def send(self, resource: Resource, fault: Any) -> None:
        start, size = 0, resource.size
        span = self.headers.get("Range")
        current = self.headers.get("If-Range") in (None, resource.headers["ETag"])
        if span and current and not isinstance(fault, Deaf):
            start = int(span.removeprefix("bytes=").removesuffix("-")) + isinstance(fault, Elsewhere)
            if start >= size:
                self.status(Status(416, {"Content-Range": f"bytes */{size}"}))
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        else:
            self.send_response(200)
        for key, value in resource.headers.items():
            self.send_header(key, value)
        announced = fault.length if isinstance(fault, Lie) else size - start
        if isinstance(fault, Chunked):
            self.send_header("Transfer-Encoding", "chunked")
        elif not isinstance(fault, Unmarked):
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        if self.command == "GET":
            self.body(resource, start, size - start, fault)

    def body(self, resource: Resource, start: int, left: int, fault: Any) -> None:
        after = getattr(fault, "after", None)
        left = left if after is None else min(left, after)
        while left:
            data = resource.read(start, min(left, 1 << 20))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if isinstance(fault, Chunked) else data)
            start, left = start + len(data), left - len(data)
        if isinstance(fault, Chunked) and after is None:
            self.wfile.write(b"0\r\n\r\n")
        if isinstance(fault, Stall):
            self.wfile.flush()
            self.serves.ends.wait()
        if isinstance(fault, Cut | Lie | Unmarked) or after is not None:
            self.close_connection = True
