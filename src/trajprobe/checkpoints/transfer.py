"""Moving the bytes behind an address into a file, over connections that break.

What has arrived lies in a part beside the target (part.py), which knows what version of the file it belongs to (the
server's ETag or Last-Modified). A later attempt asks for the rest of that very version (`Range` with `If-Range`,
RFC 9110 sections 13.1.5 and 14.2); where the server has another version by now it sends that from the start, and
so do we. The part is whole only when its length is what the server announced.
"""

import email.utils
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import requests
import urllib3

from trajprobe.checkpoints.part import Part
from trajprobe.errors import UserError
from trajprobe.progress import Advance, progress

CHUNK = 1 << 20  # bytes read at a time
TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds of silence
ATTEMPTS = 6  # in a row that bring less than a chunk
BACKOFF = 0.5  # seconds before the second attempt, doubled each time
LONGEST_WAIT = 60.0  # seconds; a server that asks for more is told to the user
SPARE = 64 << 20  # bytes of the disk that a download leaves free
ROOM_EVERY = 256 << 20  # bytes after which the disk is looked at again: not every body says how long it is
REDIRECTS = 10
BUSY = (408, 425, 429, 500, 502, 503, 504)  # statuses that another attempt may mend
LENGTH = r"\d{1,18}"  # of a file, in a header

Value = TypeVar("Value")


class NotThere(Exception):
    """The server answered 404 or 410: it does not have the file."""


class Broken(Exception):
    """An attempt failed in a way that another attempt may mend."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Session(requests.Session):
    """One whose Authorization, where it has one, is not replaced by a login that ~/.netrc has for the host."""

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


def transfer(url: str, target: Path, headers: Mapping[str, str] | None = None) -> Part:
    """Bring the bytes behind the http(s) address `url` beside `target`, going on where an earlier attempt stopped.

    headers: sent along, but an Authorization never to another host that the server redirects to.
    Returns the whole part, to `settle` once it is verified, or to `forget`; where that is cut short the next call
    returns it again. Raises UserError, one line, where the server refuses, cannot be reached, keeps breaking off, lies
    about the length, or the disk is too full; and NotThere where the server does not have the file. What has arrived
    stays for the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Part(url, target)
    part.recall()

    def gave_up(reason: str) -> str:
        kept = f"; {part.size / 1e6:.1f} MB are kept and the next run goes on from there" if part.size else ""
        return (
            f"{url}: gave up after {ATTEMPTS} attempts: {reason}{kept}; check the network, or get the file by hand and "
            "put it into a folder that TRAJPROBE_MIRROR names"
        )

    if not part.whole:
        with _Session(headers or {}) as session:
            persist(lambda: _attempt(session, part), gave_up, lambda: part.size)
    return part


def answers(url: str) -> bool:
    """Whether a server has something at `url`, without fetching it."""
    try:
        return requests.head(url, timeout=TIMEOUT, allow_redirects=True).ok
    except (requests.exceptions.RequestException, ValueError):  # ValueError: a redirect to no address at all
        return False


def persist(
    attempt: Callable[[], Value], gave_up: Callable[[str], str], arrived: Callable[[], int] = lambda: 0
) -> Value:
    """The value of `attempt`, tried again where it raises Broken, with longer and longer pauses.

    gave_up: the message of the UserError that ends it after ATTEMPTS in a row without progress, from the last reason.
    arrived: how many bytes there are by now; a CHUNK more than there ever were is progress.
    """
    failures, most = 0, arrived()
    while True:
        try:
            return attempt()
        except Broken as broken:
            failures = 1 if arrived() - most >= CHUNK else failures + 1
            most = max(most, arrived())
            if failures == ATTEMPTS:
                raise UserError(gave_up(str(broken))) from None
            wait = BACKOFF * 2 ** (failures - 1) if broken.wait is None else broken.wait
        time.sleep(wait)


def busy(where: str, status: int, reason: str, retry_after: str | None) -> Broken:
    """What to raise for an answer that may be another one later: it may say when (RFC 9110 section 10.2.3).

    Raises UserError where that is longer than anybody waits in front of a screen.
    """
    wait = _seconds(retry_after)
    if wait is not None and wait > LONGEST_WAIT:
        raise UserError(
            f"{where}: the server is busy ({status}) and asks to wait {wait:.0f} s; try again then"
        )
    return Broken(f"it answered {status} {reason}", wait)


def _attempt(session: requests.Session, part: Part) -> None:
    """One request; returns when the part is whole."""
    url = part.url
    headers = {"Accept-Encoding": "identity", "User-Agent": "trajprobe"}
    if part.size and part.validator:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.validator}
    try:
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            _check(response, part, "Range" in headers)
            if response.status_code == 200:
                part.begin(*_version(response, url))
            _room(part)
            _receive(response, part)
    except requests.exceptions.SSLError as error:
        raise UserError(f"{url}: the server's certificate is not trusted ({_reason(error)})") from None
    except requests.exceptions.TooManyRedirects:
        raise UserError(f"{url}: redirected more than {REDIRECTS} times; check the address") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
        raise UserError(f"{url}: leads to an address that is not http(s) ({_reason(error)})") from None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Broken(_reason(error)) from None
    except ValueError as error:  # of urllib.parse, for a redirect that requests does not look at before
        raise UserError(f"{url}: leads to what is not an address ({_reason(error)})") from None
    if part.total is not None and part.size != part.total:
        raise Broken(f"it announced {part.total} bytes and sent {part.size}")


def _check(response: requests.Response, part: Part, asked: bool) -> None:
    """Turn every answer but "here it is" into the error it stands for. asked: for the rest of the part."""
    url, status = part.url, response.status_code
    if status == 200:
        return
    if status == 206:
        total = _rest(response, part) if asked else None
        if total is None:
            part.forget()
            span = response.headers.get("Content-Range", "unnamed")
            raise Broken(f"it sent a part that was not asked for, or of another version ({span:.80})")
        part.total = total
        return
    if status == 416:
        part.forget()
        raise Broken("it does not have the range that is missing")
    if status in (404, 410):
        raise NotThere
    if status in (401, 403):
        raise UserError(
            f"{url}: the server refuses it ({status} {response.reason}); it needs a login or a licence to be "
            "accepted: get the file by hand and put it into a folder that TRAJPROBE_MIRROR names"
        )
    if status in BUSY:
        raise busy(url, status, response.reason, response.headers.get("Retry-After"))
    raise UserError(f"{url}: the server answered {status} {response.reason}; check the address")


def _rest(response: requests.Response, part: Part) -> int | None:
    """The length of the file whose rest a 206 brings; None where it is not the part's (RFC 9110 section 15.3.7.3)."""
    span = re.fullmatch(
        f"bytes ({LENGTH})-{LENGTH}/({LENGTH})", response.headers.get("Content-Range", ""), re.ASCII
    )
    # It need not name the version, but where it does it must be the same one.
    name = "ETag" if str(part.validator).startswith('"') else "Last-Modified"
    same = response.headers.get(name, part.validator) == part.validator and _plain(response)
    if span is None or int(span[1]) != part.size or part.total not in (None, int(span[2])) or not same:
        return None
    return int(span[2])


def _receive(response: requests.Response, part: Part) -> None:
    name, done, unlooked = part.target.name, part.size, 0
    bar: AbstractContextManager[Advance | Callable[[float], None]] = nullcontext(lambda amount: None)
    if part.total is not None:
        resumed = f" (from {done / 1e6:.1f} MB on)" if done else ""
        bar = progress(f"downloading {name}{resumed}", part.total - done, "bytes")
    with bar as advance, part.path.open("ab") as file:
        # Whatever has arrived is written at once: iter_content would wait for a whole chunk, and lose it in a cut.
        while chunk := response.raw.read1(CHUNK, decode_content=True):
            file.write(chunk)
            advance(len(chunk))
            unlooked += len(chunk)
            if unlooked >= ROOM_EVERY:
                unlooked = 0
                _room(part)


def _version(response: requests.Response, url: str) -> tuple[str | None, int | None]:
    """What names this version of the file in If-Range (a strong ETag, or the date of the last change), and its length.

    The length is None where the body is chunked, whose end is marked and a cut therefore seen. A body that comes
    compressed though nobody asked for that has neither: its length and its ranges are not the file's.
    """
    text = response.headers.get("Content-Length", "")
    total = int(text) if re.fullmatch(LENGTH, text, re.ASCII) else None
    if total is None and response.headers.get("Transfer-Encoding", "").lower() != "chunked":
        raise UserError(
            f"{url}: the server announces no length, so a cut could not be told from the end; get it by hand and put "
            "it into a folder that TRAJPROBE_MIRROR names"
        )
    if not _plain(response):
        return None, None
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified"), total


def _plain(response: requests.Response) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() == "identity"


def _room(part: Part) -> None:
    name, needed = part.target.name, 0 if part.total is None else part.total - part.size
    free = shutil.disk_usage(part.path.parent).free
    if needed + SPARE > free:
        raise UserError(
            f"{name}: needs {(needed + SPARE) / 1e6:.0f} MB in {part.path.parent}, {free / 1e6:.0f} MB are free; "
            "make room, or let TRAJPROBE_CACHE name a folder on another disk"
        )


def _seconds(text: str | None) -> float | None:
    """Either form of Retry-After, as seconds from now."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):  # OverflowError: a year or a zone that no calendar has
        return None


def _reason(error: Exception) -> str:
    """The innermost cause, which says more than the layers that wrap it."""
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(error) or type(error).__name__
