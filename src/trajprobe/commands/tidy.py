"""`trajprobe tidy`: remove files of encoders and alternatives that params.yaml no longer lists.

DVC cannot template a list of dependencies, so the stages `compare` and `plot` depend on whole folders. Files that
another experiment left there would enter their hashes in dvc.lock, and no other clone could ever match it. A file of a
known encoder or alternative can always be restored: DVC has it in its cache, and `dvc repro` makes it again.
"""

from collections.abc import Sequence
from typing import get_args

from trajprobe.baseline.params import BaselineName
from trajprobe.core import paths
from trajprobe.core.errors import UserError


def run(encoders: Sequence[str], baselines: Sequence[str]) -> str | None:
    """Remove predictions, analyses and costs of encoders that have a card, and of alternatives, which are not listed.

    Returns a message with the files, or None. Raises UserError, and removes nothing, if anything else is found there.
    """
    wanted = {
        *(paths.predictions(name) for name in [*encoders, *baselines, paths.CONTROLS]),
        *(paths.analyses(name) for name in encoders),
        *(paths.costs(name) for name in [*encoders, *baselines]),
    }
    folders = {make("any").parent for make in (paths.predictions, paths.analyses, paths.costs)}
    found = [
        path
        for folder in sorted(folders)
        for path in sorted(folder.glob("*"))
        if path not in wanted and not path.name.startswith(".")
    ]
    for path in found:
        name = path.stem
        if name in get_args(BaselineName):
            own = path in (paths.predictions(name), paths.costs(name))
        else:
            files = paths.predictions(name), paths.analyses(name), paths.costs(name)
            own = path in files and paths.encoder_card(name).is_file()
        if not own or not path.is_file():
            raise UserError(
                f"{path}: expected only files of encoders with a card in models/ and of alternatives, since `compare` "
                "and `plot` depend on the whole folder; move it elsewhere"
            )
    for path in found:
        path.unlink()
    return (
        f"removed files of encoders and alternatives that params.yaml does not list: {', '.join(map(str, found))}"
        if found
        else None
    )
