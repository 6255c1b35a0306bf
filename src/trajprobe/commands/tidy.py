"""`trajprobe tidy`: remove predictions and analyses of encoders that params.yaml no longer lists.

DVC cannot template a list of dependencies, so the stages `compare` and `plot` depend on whole folders. Files that
another experiment left there would enter their hashes in dvc.lock, and no other clone could ever match it. A file of a
known encoder can always be restored: DVC has it in its cache, and `dvc repro` makes it again.
"""

from collections.abc import Sequence

from trajprobe.core import paths
from trajprobe.core.errors import UserError


def run(encoders: Sequence[str]) -> str | None:
    """Remove the predictions and analyses of encoders that have a card but are not in `encoders`.

    Returns a message with the files, or None. Raises UserError, and removes nothing, if anything else is found there.
    """
    wanted = {
        *(paths.predictions(name) for name in [*encoders, paths.CONTROLS]),
        *(paths.analyses(name) for name in encoders),
    }
    found = [
        path
        for folder in sorted({path.parent for path in wanted})
        for path in sorted(folder.glob("*"))
        if path not in wanted and not path.name.startswith(".")
    ]
    for path in found:
        own = path in (paths.predictions(path.stem), paths.analyses(path.stem)) and path.is_file()
        if not own or not paths.encoder_card(path.stem).is_file():
            raise UserError(
                f"{path}: expected only files of encoders with a card in models/, since `compare` and `plot` depend on "
                "the whole folder; move it elsewhere"
            )
    for path in found:
        path.unlink()
    return (
        f"removed files of encoders that params.yaml does not list: {', '.join(map(str, found))}"
        if found
        else None
    )
