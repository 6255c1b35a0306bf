"""A file from an address, whole and verified, once for however many processes ask for it.

A download lies in the cache (TRAJPROBE_CACHE, outside the repository) in a folder of its own address, so that two
addresses that end alike never clash. Beside it stands a record of its digest. Where the card pins no digest, the
first one seen is the one that every later download of the address has to have.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from trajprobe import files
from trajprobe.checkpoints.mirror import mirrored
from trajprobe.checkpoints.transfer import NotThere, transfer
from trajprobe.errors import UserError


@dataclass(frozen=True)
class Verified:
    """A local file whose bytes are those that were asked for."""

    path: Path
    sha256: str
    bytes: int
    revision: str | None = None  # the commit it came from, where the source has such a thing


def cache() -> Path:
    """The folder that keeps downloads between runs and between repositories."""
    return Path(os.environ.get("TRAJPROBE_CACHE") or "~/.cache/trajprobe").expanduser()


def download(url: str, *, sha256: str | None = None, name: str | None = None) -> Path:
    """The local file with the bytes behind the http(s) address `url`.

    sha256: the digest it must have; without one, that of the first download of this address.
    name: what the mirror calls it; by default the last part of the address.
    Raises UserError, one line, where it cannot be had whole (see `transfer`) or has another digest.
    """
    return download_verified(url, sha256=sha256, name=name).path


def download_verified(url: str, *, sha256: str | None = None, name: str | None = None) -> Verified:
    """As `download`, with the digest and the size of what was found."""
    name = name or unquote(Path(urlsplit(url).path).name)
    if not url.startswith(("http://", "https://")) or name in ("", ".", "..") or "/" in name:
        raise UserError(f"{url}: must be an http(s) address that ends in a file's name")
    target = slot(url) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    source = mirrored(name)
    with FileLock(target.parent / "lock"):
        if isinstance(source, Path):
            return verify(source, url, sha256)
        if target.exists():
            # What the cache holds was whole once; where its bytes are other ones by now it is fetched anew.
            wanted = sha256 or recorded(url)
            if wanted is None or files.sha256(target) == wanted:
                return verify(target, url, sha256)
        for address in filter(None, (source, url)):
            try:
                transfer(address, target)
                break
            except NotThere:
                continue
        else:
            raise UserError(f"{url}: there is no such file (404); check the address in the card")
        return verify(target, url, sha256, ours=True)


def verify(path: Path, key: str, sha256: str | None, *, ours: bool = False) -> Verified:
    """Hold a file against the pinned digest, or else against the first one seen for `key`, and record it.

    ours: the file lies in the cache, and is removed where it is wrong. Raises UserError where it is wrong.
    """
    found = files.sha256(path)
    first = recorded(key)
    wanted = sha256 or first
    if wanted is not None and found != wanted:
        if ours:
            path.unlink()
        gone = " (removed)" if ours else ""
        why = "the card pins" if sha256 else "it was first seen as"
        mend = "mend the card's sha256" if sha256 else f"pin its sha256 in the card, or delete {_record(key)}"
        raise UserError(
            f"{path}{gone}: wrong digest for {key}: {why} sha256 {wanted}, got {found}; "
            f"if the change is expected, {mend}"
        )
    size = path.stat().st_size
    if first != found:
        record = {"key": key, "sha256": found, "bytes": size}
        files.write_json(_record(key), record)
    return Verified(path, found, size)


def slot(key: str) -> Path:
    """The folder of the cache for one address."""
    return cache() / "downloads" / hashlib.sha256(key.encode()).hexdigest()[:20]


def recorded(key: str) -> str | None:
    """The digest that was first seen for `key`, or None."""
    try:
        return str(json.loads(_record(key).read_text(encoding="utf-8"))["sha256"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{_record(key)}: is not a record of a digest; delete it to begin anew") from None


def _record(key: str) -> Path:
    return slot(key) / "digest.json"
