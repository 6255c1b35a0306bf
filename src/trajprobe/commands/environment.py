"""The TRAJPROBE_* variables, checked at the start of every command.

A variable that one command reads and another does not would otherwise stop a pipeline in the middle. What an option
accepts is said once, where the option is declared: its variable is checked by the option itself.
"""

import os
import re
from pathlib import Path
from typing import Any

from trajprobe.core.errors import UserError
from trajprobe.core.paths import cache_folder, finished_work
from trajprobe.core.store import check_address

DEVICE = r"cpu|mps|cuda(:\d{1,3})?"


def check_environment(context: Any) -> None:
    """Check all variables, whatever the command. context: typer's, of the whole command line.

    Raises UserError or typer's BadParameter for the first one that no command could use.
    """
    waiting, checked = [context.command], set()
    while waiting:
        command = waiting.pop()
        waiting.extend(getattr(command, "commands", {}).values())
        for option in command.params:
            variable = option.envvar
            if variable and variable not in checked and os.environ.get(variable):
                checked.add(variable)
                option.handle_parse_result(type(context)(command), {}, [])
    _check_home()
    place, cache = finished_work(""), cache_folder()
    if isinstance(place, str):
        check_address(place, "TRAJPROBE_CACHE")
    if cache.exists() and not cache.is_dir():
        raise UserError(f"TRAJPROBE_CACHE: must name a folder, got {str(cache)!r}, which is a file")
    if os.environ.get("TRAJPROBE_MIRROR"):  # imported only then, as every command waits for it
        from trajprobe.download.mirror import mirror_places

        mirror_places(())
    if os.environ.get("TRAJPROBE_CACHE_LIMIT"):
        from trajprobe.extract.shard_cache import cache_limit

        cache_limit()


def _check_home() -> None:
    """Raise UserError if there is no home, which DVC does not run without: a user that a container does not know."""
    try:
        found = str(Path.home())
    except RuntimeError:
        found = ""
    if not Path(found).is_absolute():
        raise UserError(
            f"HOME: must name a folder from / on, got {found!r}; set it to one that can be written, as DVC keeps its "
            "settings there"
        )


def check_device(name: str | None) -> str | None:
    """The name of a device, as it is. Raises UserError unless it is one that features can be computed on."""
    if name is not None and not re.fullmatch(DEVICE, name):
        raise UserError(
            f"--device (TRAJPROBE_DEVICE): must be cpu, cuda, cuda:1, ... or mps, got {name!r}; correct or unset it"
        )
    return name
