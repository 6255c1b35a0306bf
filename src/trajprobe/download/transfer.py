"""Moving the bytes behind an http(s) address into a file, over connections that break.

What has arrived is a `PartialDownload`, which knows the version of the file that it belongs to (the server's ETag or
Last-Modified). A later attempt asks for the rest of that version (`Range` with `If-Range`, RFC 9110 sections 13.1.5
and 14.2). A server that has another version by then sends it from the start. The download is complete only when its
length is the one that the server announced.
"""

import email.utils
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from trajprobe.core.errors import UserError
from trajprobe.core.progress import Advance, progress
from trajprobe.download.partial import PartialDownload

CHUNK = 1 << 20  # bytes read at a time
TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds of silence
ATTEMPTS = 6  # in a row that bring less than a chunk
BACKOFF = 0.5  # seconds before the second attempt, doubled each time
LONGEST_WAIT = 60.0  # seconds; if a server asks for more, the user decides
SPARE = 64 << 20  # bytes of the disk that a download leaves free
SPACE_CHECK = 256 << 20  # bytes between two looks at the free space: not every answer announces its length
REDIRECTS = 10
BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses after which another attempt may succeed
LENGTH = r"\d{1,18}"  # of a file, in a header

Value = TypeVar("Value")


class NotFound(Exception):
    """The server answered 404 or 410: it does not have the file."""


class TransientError(Exception):
    """An attempt failed in a way that another attempt may not. wait: seconds that the server asked for, or None."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def transfer(url: str, target: Path, headers: Mapping[str, str] | None = None) -> PartialDownload:
    """Bring the bytes behind the http(s) address `url` beside `target`, continuing an earlier attempt.

    headers: sent along; an Authorization never goes to another host that the server redirects to.
    Returns the complete download, which the caller verifies and then moves to the target or discards. Raises NotFound
    if the server does not have the file, and UserError if it refuses, cannot be reached, keeps breaking off, announces
    a wrong length, or the disk is too full. What has arrived is kept for the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = PartialDownload(url, target)
    part.resume()

    def failure(reason: str) -> str:
        kept = (
            f"; {part.size / 1e6:.1f} MB are kept and the next run continues from there" if part.size else ""
        )
        return (
            f"{url}: gave up after {ATTEMPTS} attempts: {reason}{kept}; check the network, or get the file by hand and "
            "put it into a folder that TRAJPROBE_MIRROR names"
        )

    if not part.complete:
        with _Session(headers or {}) as session:
            with_retries(lambda: _attempt(session, part), failure, lambda: part.size)
    return part


def exists(url: str) -> bool:
    """Whether a server has something at `url`; nothing is fetched."""
    try:
        return requests.head(url, timeout=TIMEOUT, allow_redirects=True).ok
    except (requests.exceptions.RequestException, ValueError):  # ValueError: a redirect to an invalid address
        return False


def is_address(text: str) -> bool:
    """Whether `text` is formed like an http(s) address."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unbalanced brackets, or a port that is not a number
        return False


def with_retries(
    attempt: Callable[[], Value], failure: Callable[[str], str], received: Callable[[], int] = lambda: 0
) -> Value:
    """The value of `attempt`, repeated after growing pauses if it raises TransientError.

    received: bytes so far; a CHUNK more than ever before counts as progress. Raises UserError after ATTEMPTS in a row
    without progress; failure: its message, from the last reason.
    """
    failures, most = 0, received()
    while True:
        try:
            return attempt()
        except TransientError as error:
            failures = 1 if received() - most >= CHUNK else failures + 1
            most = max(most, received())
            if failures == ATTEMPTS:
                raise UserError(failure(str(error))) from None
            wait = BACKOFF * 2 ** (failures - 1) if error.wait is None else error.wait
        time.sleep(wait)


def server_busy(where: str, status: int, reason: str, retry_after: str | None) -> TransientError:
    """The error for a status in BUSY. retry_after: the header of that name (RFC 9110 section 10.2.3).

    Raises UserError if the server asks to wait longer than LONGEST_WAIT.
    """
    wait = _seconds(retry_after)
    if wait is not None and wait > LONGEST_WAIT:
        raise UserError(
            f"{where}: the server is busy ({status}) and asks to wait {wait:.0f} s; try again then"
        )
    return TransientError(f"it answered {status} {reason}", wait)


class _Session(requests.Session):
    """A session that does not replace its Authorization by a login that ~/.netrc has for the host."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.max_redirects = REDIRECTS
        self.headers = requests.structures.CaseInsensitiveDict(headers)
        if "Authorization" in self.headers:
            self.auth = lambda request: request

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        before, after = response.request.url, prepared_request.url
        if self.auth is None:
            super().rebuild_auth(prepared_request, response)
        elif self.should_strip_auth(before, after):
            prepared_request.headers.pop("Authorization", None)


def _attempt(session: requests.Session, part: PartialDownload) -> None:
    """One request; returns when the download is complete."""
    url = part.url
    headers = {"Accept-Encoding": "identity", "User-Agent": "trajprobe"}
    if part.size and part.validator:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            _check_status(response, part, "Range" in headers)
            if response.status_code == 200:
                part.restart(*_version(response, url))
            check_space(part.target, part.missing)
            _receive(response, part)
    except requests.exceptions.SSLError as error:
        raise UserError(f"{url}: the server's certificate is not trusted ({_cause(error)})") from None
    except requests.exceptions.TooManyRedirects:
        raise UserError(f"{url}: redirected more than {REDIRECTS} times; check the address") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise UserError(f"{url}: redirected to an address that is not http(s) ({_cause(error)})") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise TransientError(_cause(error)) from None
    except ValueError as error:  # from urllib.parse, for a redirect that requests does not check
        raise UserError(f"{url}: redirected to an invalid address ({_cause(error)})") from None
    if part.total is not None and part.size != part.total:
        raise TransientError(f"it announced {part.total} bytes and sent {part.size}")


def _check_status(response: requests.Response, part: PartialDownload, ranged: bool) -> None:
    """Raise the error that the status stands for, if any. ranged: whether the rest of the file was requested."""
    url, status = part.url, response.status_code
    if status == 200:
        return
    if status == 206:
        total = _resumed_total(response, part) if ranged else None
        if total is None:
            part.discard()
            span = response.headers.get("Content-Range", "unnamed")
            raise TransientError(
                f"it sent a range that was not requested, or of another version ({span:.80})"
            )
        part.total = total
        return
    if status == 416:
        part.discard()
        raise TransientError("it does not have the range that is missing")
    if status in (404, 410):
        raise NotFound
    if status in (401, 403):
        raise UserError(
            f"{url}: the server refuses it ({status} {response.reason}); it requires a login, or a licence to be "
            "accepted: get the file by hand and put it into a folder that TRAJPROBE_MIRROR names"
        )
    if status in BUSY:
        raise server_busy(url, status, response.reason, response.headers.get("Retry-After"))
    raise UserError(f"{url}: the server answered {status} {response.reason}; check the address")


def _resumed_total(response: requests.Response, part: PartialDownload) -> int | None:
    """The whole file's length, from a 206 with the rest of `part`; None for another range or version.

    The answer need not name the version, but if it does, it must be the same (RFC 9110 section 15.3.7.3).
    """
    span = re.fullmatch(
        f"bytes ({LENGTH})-{LENGTH}/({LENGTH})", response.headers.get("Content-Range", ""), re.ASCII
    )
    name = "ETag" if str(part.validator).startswith('"') else "Last-Modified"
    same = response.headers.get(name, part.validator) == part.validator and _uncompressed(response)
    if span is None or int(span[1]) != part.size or part.total not in (None, int(span[2])) or not same:
        return None
    return int(span[2])


def _receive(response: requests.Response, part: PartialDownload) -> None:
    name, done, unchecked = part.target.name, part.size, 0
    bar: AbstractContextManager[Advance | Callable[[float], None]] = nullcontext(lambda amount: None)
    if part.total is not None:
        resumed = f" (from {done / 1e6:.1f} MB on)" if done else ""
        bar = progress(f"downloading {name}{resumed}", part.total - done, "bytes")
    with bar as advance, part.path.open("ab") as file:
        # read1 returns what has arrived; iter_content would wait for a whole chunk, and lose it in a cut.
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            file.write(chunk)
            advance(len(chunk))
            unchecked += len(chunk)
            if unchecked >= SPACE_CHECK:
                unchecked = 0
                check_space(part.target, part.missing)


def _version(response: requests.Response, url: str) -> tuple[str | None, int | None]:
    """What names this version of the file in If-Range (a strong ETag, or Last-Modified), and its length in bytes.

    The length is None for a chunked body, whose end is marked. A body that is compressed although that was not
    requested has neither: its length and ranges are not the file's.
    """
    text = response.headers.get("Content-Length", "")
    total = int(text) if re.fullmatch(LENGTH, text, re.ASCII) else None
    if total is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
        raise UserError(
            f"{url}: the server announces no length, so a cut could not be distinguished from the end; get the file by "
            "hand and put it into a folder that TRAJPROBE_MIRROR names"
        )
    if not _uncompressed(response):
        return None, None
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified"), total


def _uncompressed(response: requests.Response) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() == "identity"


def check_space(target: Path, needed: int) -> None:
    """Raise UserError if the disk cannot take `needed` more bytes of `target` and leave SPARE free."""
    name, free = target.name, shutil.disk_usage(target.parent).free
    if needed + SPARE > free:
        raise UserError(
            f"{name}: needs {(needed + SPARE) / 1e6:.0f} MB in {target.parent}, {free / 1e6:.0f} MB are free; "
            "make room, or let TRAJPROBE_CACHE name a folder on another disk"
        )


def _seconds(text: str | None) -> float | None:
    """A Retry-After header, a number or a date, as seconds from now; None if it is neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):  # OverflowError: a year or a zone out of range
        return None


def _cause(error: Exception) -> str:
    """The innermost cause, which says more than the layers around it."""
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
