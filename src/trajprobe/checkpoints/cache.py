"""The download cache: what was fetched once is kept, verified, and fetched once however many processes ask for it.

It lies outside the repository (TRAJPROBE_CACHE). Every source (an address, a revision of a hub repository) has a
folder of its own, so that two that end alike never clash. Beside each file stands a record of its digest; it is written
before the file gets its name, so that a file without one was not verified. Where a card pins no digest, the first one
seen is the one that the same source has to have ever after.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trajprobe import files
from trajprobe.checkpoints.mirror import expanded, mirrored
from trajprobe.checkpoints.part import Part
from trajprobe.checkpoints.transfer import NotThere, transfer
from trajprobe.errors import UserError

log = logging.getLogger(__name__)

LONGEST_NAME = 150  # bytes; a file system has 255, and the notes beside a file have longer names than it


@dataclass(frozen=True)
class Verified:
    """A local file whose bytes are those that were asked for."""

    path: Path
    sha256: str
    bytes: int
    revision: str | None = None  # the commit it came from, where that is known


@dataclass(frozen=True)
class Offer:
    """Where a file can be had, and what is said of it there. check: raises UserError for bytes that it is not."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    revision: str | None = None
    sha256: str | None = None
    check: Callable[[Path], None] = lambda path: None


def cache() -> Path:
    """The folder that keeps downloads between runs and between repositories."""
    return expanded(os.environ.get("TRAJPROBE_CACHE") or "~/.cache/trajprobe", "TRAJPROBE_CACHE")


def slot(source: str) -> Path:
    """The cache's folder for what comes from `source`, made where it is missing."""
    folder = cache() / "downloads" / hashlib.sha256(source.encode()).hexdigest()[:20]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"TRAJPROBE_CACHE: must name a folder, got {str(cache())!r}, which is a file"
        ) from None
    return folder


def kept(
    source: str,
    name: str,
    *,
    sha256: str | None,
    mirror_names: Sequence[str],
    ask: Callable[[], Offer],
) -> Verified:
    """The file `name` of `source`: from the mirror, from the cache, or brought there.

    sha256: the digest that the card pins. ask: where the source has the file; it raises NotThere where it does not
    have it, and so does this function. Raises UserError where the file cannot be had whole, or is another one.
    """
    _check_name(name, source)
    target = slot(source) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    places = mirrored(*mirror_names)
    with _alone(target):
        for place in places:
            if isinstance(place, Path):
                return _verified(place, target, source, sha256)
        if target.is_file():
            # What the cache holds was whole once; where its bytes are other ones by now it is fetched anew.
            record, found = _record(target), files.sha256(target)
            if found == (sha256 or record.get("sha256")):
                return Verified(target, found, target.stat().st_size, record.get("revision"))
            if found == record.get("sha256"):  # a sound file, which other cards may have pinned
                raise UserError(
                    f"{target}: wrong digest for {source}: the card pins sha256 {sha256}, got {found}; correct "
                    "`sha256` in the card, or delete the file if the source has another one by now"
                )
        return _from_mirror(places, target, source, sha256) or _brought(ask(), target, source, sha256)


def drop(source: str, name: str | None = None) -> None:
    """Remove a file of `source`, or all that it has, from the cache; their digests stay on record."""
    folder = slot(source)
    for target in (
        [folder / name] if name else [path for path in folder.rglob("*") if _record_path(path).exists()]
    ):
        with _alone(target):
            target.unlink(missing_ok=True)


def _check_name(name: str, source: str) -> None:
    """Raise UserError for a name that no file in the cache can have. It may be the hub's word, or a slip in a card."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{source}: names a file outside its folder: {name!a:.200}")
    if not path.parts or not name.isprintable():
        raise UserError(f"{source}: must name a file, got {name!a:.200}; check `file` in the card")
    if any(len(part.encode()) > LONGEST_NAME for part in path.parts):
        raise UserError(
            f"{source}: names of files must have at most {LONGEST_NAME} bytes, got {name!a:.40}...; get the file by "
            "hand and let `file` in the card name it"
        )


def _from_mirror(
    places: Sequence[Path | str], target: Path, source: str, pinned: str | None
) -> Verified | None:
    """The file from a mirror that is an address; a mirror that does not work is no reason to do without the source."""
    for place in places:
        try:
            part = transfer(str(place), target)
        except NotThere:
            continue
        except UserError as error:
            log.warning("TRAJPROBE_MIRROR: passed over: %s", error)
            continue
        return _settled(part, Offer(str(place)), target, source, pinned)
    return None


def _brought(offer: Offer, target: Path, source: str, pinned: str | None) -> Verified:
    return _settled(transfer(offer.url, target, offer.headers), offer, target, source, pinned)


def _settled(part: Part, offer: Offer, target: Path, source: str, pinned: str | None) -> Verified:
    """Only what is verified and on record gets the name under which the next run believes it."""
    try:
        offer.check(part.path)
        found = _verified(part.path, target, source, pinned, offer)
    except UserError:
        part.forget()
        raise
    part.settle()
    return replace(found, path=target)


def _verified(
    path: Path, target: Path, source: str, pinned: str | None, offer: Offer | None = None
) -> Verified:
    """Hold a file of the mirror, or what an offer brought, against the digest it must have; put that on record."""
    record = _record(target)
    first = record.get("sha256")
    found = files.sha256(path)
    for wanted, why, mend in (
        (pinned, "the card pins", "correct `sha256` in the card"),
        (offer and offer.sha256, "the server says", "try again"),
        (None if pinned else first, "it was first seen as", f"delete {_record_path(target)}"),
    ):
        if wanted is not None and found != wanted:
            where = f"{offer.url} (removed)" if offer else str(path)
            raise UserError(
                f"{where}: wrong digest for {source}: {why} sha256 {wanted}, got {found}; if the change is "
                f"expected, {mend}"
            )
    size = path.stat().st_size
    revision = (offer and offer.revision) or (record.get("revision") if first == found else None)
    fresh = {"source": source, "name": target.name, "sha256": found, "bytes": size, "revision": revision}
    if record != fresh:
        files.write_json(_record_path(target), fresh)
    return Verified(path, found, size, revision)


def _record_path(target: Path) -> Path:
    return target.with_name(target.name + ".digest.json")


def _record(target: Path) -> dict[str, Any]:
    """What was first seen, or nothing."""
    path = _record_path(target)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        record = None
    if not isinstance(record, dict) or not isinstance(record.get("sha256"), str):
        raise UserError(f"{path}: is not a record of a digest; delete it to begin anew")
    return record


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """No other process fetches `target` meanwhile."""
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
