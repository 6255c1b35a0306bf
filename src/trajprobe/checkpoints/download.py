"""A file from an address, whole and verified."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from trajprobe.checkpoints.cache import Offer, Verified, kept
from trajprobe.checkpoints.mirror import is_address
from trajprobe.checkpoints.transfer import NotThere
from trajprobe.errors import UserError


def download(url: str, *, sha256: str | None = None, name: str | None = None) -> Path:
    """The local file with the bytes behind the http(s) address `url`: from TRAJPROBE_MIRROR, the cache, or the network.

    sha256: the digest it must have; without one, that of the first download of this address.
    name: what the mirror calls it; by default the last part of the address.
    Raises UserError, one line, where it cannot be had whole (see `transfer`) or has another digest.
    """
    return download_verified(url, sha256=sha256, name=name).path


def download_verified(url: str, *, sha256: str | None = None, name: str | None = None) -> Verified:
    """As `download`, with the digest and the size of what was found."""
    name = name or url_name(url)
    try:
        return kept(url, name, sha256=sha256, mirror_names=[name], ask=lambda: Offer(url))
    except NotThere:
        raise UserError(f"{url}: there is no such file (404); check the address") from None


def url_name(url: str) -> str:
    """The name of the file that an address ends in. Raises UserError where it is no http(s) address or ends in none."""
    name = unquote(Path(urlsplit(url).path).name) if is_address(url) and url.isprintable() else ""
    if name in ("", ".", "..") or "/" in name:
        raise UserError(f"{url}: must be an http(s) address that ends in a file's name")
    return name
