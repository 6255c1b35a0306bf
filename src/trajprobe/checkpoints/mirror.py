"""The offline mirror: TRAJPROBE_MIRROR, a folder or an address, serves files by name before the network is tried."""

import os
from pathlib import Path
from urllib.parse import quote

from trajprobe.errors import UserError


def mirrored(*names: str) -> list[Path | str]:
    """Where the mirror may have a file that goes by any of `names` (relative, with forward slashes).

    A folder is looked into, so its path is there; an address is only put together. Nothing where no mirror is set.
    Raises UserError where the folder does not exist.
    """
    mirror = os.environ.get("TRAJPROBE_MIRROR")
    if not mirror:
        return []
    if mirror.startswith(("http://", "https://")):
        return [f"{mirror.rstrip('/')}/{quote(name)}" for name in names]
    folder = Path(mirror.removeprefix("file://")).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"TRAJPROBE_MIRROR: must name a folder or an http(s) address, got {mirror!r}; mend or unset it"
        )
    return [folder / name for name in names if (folder / name).is_file()]
