"""The offline mirror: TRAJPROBE_MIRROR, a folder or an address, serves files by name before the network is tried."""

import os
from pathlib import Path
from urllib.parse import quote

from trajprobe.errors import UserError


def mirrored(*names: str) -> Path | str | None:
    """Where the mirror has the first of `names` (relative, with forward slashes): a path, or an address to try.

    A folder is looked into; an address is not, so it is returned for the first name whether or not it has it. None
    where no mirror is set or its folder has none of the names. Raises UserError where the folder does not exist.
    """
    mirror = os.environ.get("TRAJPROBE_MIRROR")
    if not mirror:
        return None
    if mirror.startswith(("http://", "https://")):
        return f"{mirror.rstrip('/')}/{quote(names[0])}"
    folder = Path(mirror.removeprefix("file://")).expanduser()
    if not folder.is_dir():
        raise UserError(
            f"TRAJPROBE_MIRROR: must name a folder or an http(s) address, got {mirror!r}; mend or unset it"
        )
    return next((folder / name for name in names if (folder / name).is_file()), None)
