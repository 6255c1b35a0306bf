"""The offline mirror: a folder or an http(s) address (TRAJPROBE_MIRROR) that is tried before the network.

It holds single files by their bare names, and copies of model repositories as `<owner>/<name>/<file>`.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from trajprobe.core.errors import UserError
from trajprobe.core.paths import expand_user
from trajprobe.download.partial import PartialDownload
from trajprobe.download.transfer import NotFound, exists, is_address, transfer

log = logging.getLogger(__name__)


def mirror_places(names: Sequence[str]) -> list[Path | str]:
    """Where the mirror may have a file that is called by any of `names` (relative, with forward slashes).

    Paths of existing files if the mirror is a folder, unchecked addresses if it is an address, nothing if none is set.
    Raises UserError if the folder does not exist or the address is malformed.
    """
    mirror = os.environ.get("TRAJPROBE_MIRROR")
    if not mirror:
        return []
    if is_address(mirror):
        return [f"{mirror.rstrip('/')}/{quote(name)}" for name in names]
    folder = expand_user(mirror.removeprefix("file://"), "TRAJPROBE_MIRROR")
    if not folder.is_dir():
        raise UserError(
            f"TRAJPROBE_MIRROR: must name a folder or an http(s) address, got {mirror!r}; correct or unset it"
        )
    return [folder / name for name in names if (folder / name).is_file()]


def mirrored_repository(repository: str, names: Sequence[str]) -> tuple[Path | None, list[str]] | None:
    """The mirror's copy of a model repository: its folder (None if the mirror is an address), and which of the files
    `names` it has. None if the mirror has no copy, that is, no `<repository>/config.json`.
    """
    for place in mirror_places([f"{repository}/config.json"]):
        if isinstance(place, Path):
            return place.parent, [name for name in names if (place.parent / name).is_file()]
        if exists(place):
            folder = place.removesuffix("config.json")
            return None, [name for name in names if exists(folder + quote(name))]
    return None


def transfer_from_mirror(places: Sequence[Path | str], target: Path) -> PartialDownload | None:
    """The complete download from the first of the addresses that has the file; None if none of them has it.

    A mirror that fails is skipped with a warning: it must not block the source.
    """
    for place in places:
        try:
            return transfer(str(place), target)
        except NotFound:
            continue
        except UserError as error:
            log.warning("TRAJPROBE_MIRROR: skipped: %s", error)
    return None
