"""The download cache: each file is fetched once, however many processes ask for it, and verified on every use.

It lies outside the repository (see `cache_folder`). Every source (an address, a revision of a hub repository, a
version of a package) has a folder of its own, so that files of one name do not clash. Beside each file lies a record of
its digest, written before the file gets its name: a file without a record was never verified. If no digest is pinned,
the first one seen binds all later downloads from the same source.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.paths import cache_folder
from trajprobe.download.mirror import mirror_places, transfer_from_mirror
from trajprobe.download.partial import PartialDownload
from trajprobe.download.transfer import NotFound, is_address, transfer

log = logging.getLogger(__name__)

LONGEST_NAME = 150  # bytes; a file system takes 255, and the notes beside a file have longer names than it


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    revision: the commit it belongs to, if known. sha256: its digest, if the server gives it. check: raises UserError
    if the downloaded bytes are not those that the server describes. mirror: whether `url` is the mirror's. write:
    writes the file to a path, if it cannot be had from `url` as such.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    sha256: str | None = None
    check: Callable[[Path], None] = lambda path: None
    mirror: bool = False
    write: Callable[[Path], None] | None = None

    def bring(self, target: Path) -> PartialDownload:
        """The complete file beside `target`. Raises as `transfer` does."""
        if self.write is None:
            return transfer(self.url, target, self.headers)
        part = PartialDownload(self.url, target)
        part.restart(None, None)
        try:
            self.write(part.path)
        except BaseException:
            part.discard()
            raise
        return part


@dataclass(frozen=True)
class FetchedFile:
    """A local file. sha256, bytes: its digest and size. revision: the commit or the wheel that it is from, if known.

    verified: False if it came from the mirror and nothing (a pinned digest, an earlier download) vouches for it.
    """

    path: Path
    sha256: str
    bytes: int
    revision: str | None = None
    verified: bool = True


def cache_dir(source: str) -> Path:
    """The cache's folder for files from `source`; created if it is missing."""
    folder = cache_folder() / "downloads" / hashlib.sha256(source.encode()).hexdigest()[:20]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"TRAJPROBE_CACHE: must name a folder, got {str(cache_folder())!r}, which is a file"
        ) from None
    return folder


def download(url: str, *, sha256: str | None = None) -> FetchedFile:
    """The file behind the http(s) address `url`: from the mirror, the cache or the network.

    sha256: the digest that it must have; without one, that of the first download of this address. The mirror has the
    file under the last part of the address.
    Raises UserError if the file cannot be had whole (see `transfer`) or has another digest.
    """
    name = url_name(url)
    try:
        return fetch_cached(url, name, sha256=sha256, mirror_names=[name], locate=lambda: RemoteFile(url))
    except NotFound:
        raise UserError(f"{url}: there is no such file (404); check the address") from None


def url_name(url: str) -> str:
    """The file name at the end of an address. Raises UserError if it is no http(s) address or ends in none."""
    name = unquote(Path(urlsplit(url).path).name) if is_address(url) and url.isprintable() else ""
    if name in ("", ".", "..") or "/" in name:
        raise UserError(f"{url}: must be an http(s) address that ends in a file's name")
    return name


def fetch_cached(
    source: str,
    name: str,
    *,
    sha256: str | None,
    mirror_names: Sequence[str],
    locate: Callable[[], RemoteFile],
) -> FetchedFile:
    """The file `name` of `source`: from the mirror's folder, the cache, the mirror's address or the source itself.

    sha256: the digest that the card pins. locate: asks the source where the file is.
    Raises NotFound if the source does not have the file, and UserError if it cannot be had whole or has another digest.
    """
    _check_name(name, source)
    target = cache_dir(source) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    places = mirror_places(mirror_names)
    with _locked(target):
        for place in places:
            if isinstance(place, Path):
                return _verify(place, target, source, sha256)
        if target.is_file():
            record, found = read_digest_record(target), files.sha256(target)
            recorded = record.get("sha256")
            if found == (sha256 or recorded):
                verified = sha256 is not None or record.get("verified", True)
                return FetchedFile(target, found, target.stat().st_size, record.get("revision"), verified)
            if found == recorded:  # an intact file, which other cards may pin
                raise UserError(
                    f"{target}: wrong digest for {source}: the card pins sha256 {sha256}, got {found}; correct "
                    "`sha256` in the card, or delete the file if the source has a new version"
                )
            # A damaged file: fetch it again.
        part = transfer_from_mirror(places, target)
        if part is not None:
            return _accept(part, RemoteFile(part.url, mirror=True), target, source, sha256)
        remote = locate()
        return _accept(remote.bring(target), remote, target, source, sha256)


def recorded_revision(source: str, name: str) -> str | None:
    """The revision of the file `name` of `source` that the cache has or had; None if it is not known."""
    revision = read_digest_record(cache_dir(source) / name).get("revision")
    return revision if isinstance(revision, str) else None


def drop(source: str, name: str | None = None) -> None:
    """Remove a file of `source`, or all of them, from the cache; their digests stay on record."""
    folder = cache_dir(source)
    recorded = (path for path in folder.rglob("*") if _record_path(path).exists())
    for target in [folder / name] if name else list(recorded):
        with _locked(target):
            target.unlink(missing_ok=True)


def _check_name(name: str, source: str) -> None:
    """Raise UserError for a name that no file in the cache can have. It may come from a card or from a repository."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{source}: names a file outside its folder: {name!a:.200}")
    if not path.parts or not name.isprintable():
        raise UserError(f"{source}: must name a file, got {name!a:.200}; check `file` in the card")
    if any(len(part.encode()) > LONGEST_NAME for part in path.parts):
        raise UserError(
            f"{source}: file names must have at most {LONGEST_NAME} bytes, got {name!a:.40}...; get the file by "
            "hand and let `file` in the card name it"
        )


def _accept(
    part: PartialDownload, remote: RemoteFile, target: Path, source: str, pinned: str | None
) -> FetchedFile:
    """Verify a download and record its digest; only then does it get the name under which later runs trust it."""
    try:
        remote.check(part.path)
        found = _verify(part.path, target, source, pinned, remote)
    except UserError:
        part.discard()
        raise
    part.move_to_target()
    return replace(found, path=target)


def _verify(
    path: Path, target: Path, source: str, pinned: str | None, remote: RemoteFile | None = None
) -> FetchedFile:
    """Compare a file's digest with the one that it must have, and record it. remote: None for a file in the mirror.

    Raises UserError if they differ.
    """
    record = read_digest_record(target)
    first = record.get("sha256")
    found = files.sha256(path)
    for expected, why, remedy in (
        (pinned, "the card pins", "correct `sha256` in the card"),
        (remote and remote.sha256, "the server says", "try again"),
        (None if pinned else first, "it was first seen as", f"delete {_record_path(target)}"),
    ):
        if expected is not None and found != expected:
            where = f"{remote.url} (removed)" if remote else str(path)
            raise UserError(
                f"{where}: wrong digest for {source}: {why} sha256 {expected}, got {found}; if the change is "
                f"expected, {remedy}"
            )
    known = record if first == found else {}
    from_mirror = remote is None or remote.mirror
    file = FetchedFile(
        path,
        found,
        path.stat().st_size,
        (remote and remote.revision) or known.get("revision"),
        not from_mirror or pinned is not None or (bool(known) and known.get("verified", True)),
    )
    described = {
        "source": source,
        "name": target.name,
        "sha256": found,
        "bytes": file.bytes,
        "revision": file.revision,
        "verified": file.verified,
    }
    if record != described:
        files.write_json(_record_path(target), described)
    return file


def _record_path(target: Path) -> Path:
    return target.with_name(target.name + ".digest.json")


def read_digest_record(target: Path) -> dict[str, Any]:
    """What is on record about `target`; empty if nothing is. Raises UserError if the record is damaged."""
    path = _record_path(target)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("sha256"), str):
        raise UserError(f"{path}: is not a record of a digest; delete it and run again")
    return record


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep other processes from fetching `target` meanwhile."""
    lock = FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("waiting for another process that fetches %s", target.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
