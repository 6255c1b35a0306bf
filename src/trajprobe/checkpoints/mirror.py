"""The offline mirror: TRAJPROBE_MIRROR, a folder or an address, serves files by name before the network is tried."""

import os
from pathlib import Path
from urllib.parse import quote, urlsplit

from trajprobe.errors import UserError


def mirrored(*names: str) -> list[Path | str]:
    """Where the mirror may have a file that goes by any of `names` (relative, with forward slashes).

    A folder is looked into, so its path is there; an address is only put together. Nothing where no mirror is set.
    Raises UserError where the folder does not exist, or the address cannot be one.
    """
    mirror = os.environ.get("TRAJPROBE_MIRROR")
    if not mirror:
        return []
    if is_address(mirror):
        return [f"{mirror.rstrip('/')}/{quote(name)}" for name in names]
    folder = expanded(mirror.removeprefix("file://"), "TRAJPROBE_MIRROR")
    if not folder.is_dir():
        raise UserError(
            f"TRAJPROBE_MIRROR: must name a folder or an http(s) address, got {mirror!r}; mend or unset it"
        )
    return [folder / name for name in names if (folder / name).is_file()]


def is_address(text: str) -> bool:
    """Whether `text` is an http(s) address, as far as it can be told without asking there."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that make no sense
        return False


def expanded(path: str, where: str) -> Path:
    """`path` with the home folder in place of a ~. where: who named it, for the message of the UserError."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(
            f"{where}: must name a path, got {path!r}, and there is no such home folder; write it without ~"
        ) from None
