"""Writing files so that a reader sees the old state or the new one, never a part."""

import glob
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path` (file or folder); put it in place when the block ends without an error.

    On an error the temporary is removed and what stood at `path` before is left untouched; what a killed process
    left behind is removed by the next one that writes `path`. A folder that stands at `path` is replaced as a whole.
    The parent folder is made where it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = f".{path.name}.{platform.node()}-"
    for stale in path.parent.glob(f"{glob.escape(owner)}*.part"):
        if not _runs(int(stale.name.removeprefix(owner).split(".")[0])):
            shutil.rmtree(stale, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{owner}{os.getpid()}.", suffix=".part", dir=path.parent))
    try:
        temporary = scratch / path.name
        yield temporary
        if path.is_dir():
            path.replace(scratch / "replaced")
        temporary.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, as somebody else
        pass
    return True


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with its keys in the given order; NaN and infinities raise ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def keep_only(files: Sequence[Path]) -> None:
    """Remove every other file with the suffix of `files` from their folder.

    DVC cannot template a list of dependencies, so a stage that reads one file an encoder depends on the whole folder;
    what other experiments left there would enter the hash in dvc.lock, and no second clone could ever match it.
    """
    for other in files[0].parent.glob(f"*{files[0].suffix}"):
        if other not in files:
            other.unlink()


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
