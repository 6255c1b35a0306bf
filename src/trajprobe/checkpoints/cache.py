"""The download cache: what was fetched once is kept, verified, and fetched once however many processes ask for it.

It lies outside the repository (TRAJPROBE_CACHE). Every source (an address, a revision of a hub repository) has a
folder of its own, so that two that end alike never clash. Beside each file stands a record of its digest. Where a card
pins no digest, the first one seen is the one that the same source has to have ever after.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trajprobe import files
from trajprobe.checkpoints.mirror import mirrored
from trajprobe.checkpoints.transfer import NotThere, transfer
from trajprobe.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verified:
    """A local file whose bytes are those that were asked for."""

    path: Path
    sha256: str
    bytes: int
    revision: str | None = None  # the commit it came from, where that is known


@dataclass(frozen=True)
class Promise:
    """What a source says of a file that it has sent."""

    revision: str | None = None
    sha256: str | None = None


def cache() -> Path:
    """The folder that keeps downloads between runs and between repositories."""
    return Path(os.environ.get("TRAJPROBE_CACHE") or "~/.cache/trajprobe").expanduser()


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
    bring: Callable[[Path], Promise],
) -> Verified:
    """The file `name` of `source`: from the mirror, from the cache, or brought there.

    sha256: the digest that the card pins. bring: fetches the file to a path; it raises NotThere where the source does
    not have it, and so does this function. Raises UserError where the file cannot be had whole, or is another one.
    """
    target = slot(source) / name
    if ".." in target.parts or Path(name).is_absolute():
        raise UserError(f"{source}: names a file outside its folder: {name!a}")
    target.parent.mkdir(parents=True, exist_ok=True)
    places = mirrored(*mirror_names)
    with _alone(target):
        for place in places:
            if isinstance(place, Path):
                return _verified(place, target, source, sha256)
        if target.exists():
            # What the cache holds was whole once; where its bytes are other ones by now it is fetched anew.
            record, found = _record(target), files.sha256(target)
            if found == (sha256 or record.get("sha256", found)):
                return Verified(target, found, target.stat().st_size, record.get("revision"))
        promise = _mirrored_to(target, places) or bring(target)
        return _verified(target, target, source, sha256, promise)


def drop(source: str, name: str | None = None) -> None:
    """Remove a file of `source`, or all that it has, from the cache; their digests stay on record."""
    folder = slot(source)
    for target in (
        [folder / name] if name else [path for path in folder.rglob("*") if _record_path(path).exists()]
    ):
        with _alone(target):
            target.unlink(missing_ok=True)


def _mirrored_to(target: Path, places: Sequence[Path | str]) -> Promise | None:
    for place in places:
        try:
            transfer(str(place), target)
            return Promise()
        except NotThere:
            continue
    return None


def _verified(
    path: Path, target: Path, source: str, pinned: str | None, promise: Promise | None = None
) -> Verified:
    """Hold a file that was just found or brought against the digest it must have, and put that on record."""
    promise = promise or Promise()
    record = _record(target)
    first = record.get("sha256")
    found = files.sha256(path)
    for wanted, why, mend in (
        (pinned, "the card pins", "correct `sha256` in the card"),
        (promise.sha256, "the server says", "try again"),
        (None if pinned else first, "it was first seen as", f"delete {_record_path(target)}"),
    ):
        if wanted is not None and found != wanted:
            if path == target:
                path.unlink()
            gone = " (removed)" if path == target else ""
            raise UserError(
                f"{path}{gone}: wrong digest for {source}: {why} sha256 {wanted}, got {found}; if the change is "
                f"expected, {mend}"
            )
    size = path.stat().st_size
    revision = promise.revision or (record.get("revision") if first == found else None)
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
