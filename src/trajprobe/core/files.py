"""Files are written so that a reader sees the old state or the new one, never a part of it."""

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

GRACE = 5.0  # seconds: younger scratch folders are left alone, as their writer may not have locked them yet


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary sibling of `path` (file or folder); put it in place if the block ends without an error.

    On an error the temporary is removed and whatever stood at `path` is left untouched. A folder at `path` is
    replaced as a whole. The parent folder is created if it is missing. Scratch folders that a killed process left
    for `path` are removed: their writer held a lock that the system releases when a process dies, whatever its host
    or process namespace.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        _remove_if_abandoned(stale)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    lock = _try_lock(scratch)  # None on a file system without locks: nothing is ever swept there
    try:
        temporary = scratch / path.name
        yield temporary
        if not path.is_dir():
            temporary.replace(path)
        elif not _exchange(temporary, path):
            path.replace(scratch / "replaced")
            temporary.replace(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, so that neither name is ever missing; False if the system cannot (Linux can)."""
    swap = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return swap is not None and swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the exclusive lock of `folder` until it is closed; None if it cannot be had."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None


def _remove_if_abandoned(scratch: Path) -> None:
    with contextlib.suppress(OSError):  # another process removed it
        if scratch.is_symlink() or time.time() - scratch.stat().st_mtime < GRACE:
            return
        lock = _try_lock(scratch)
        if lock is not None:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(lock)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with its keys in the given order; NumPy scalars and arrays are converted.

    Raises ValueError for NaN and infinities, and TypeError, which names the file, for a value that JSON cannot hold.
    """

    def plain(part: Any) -> Any:
        if type(part).__module__ == "numpy":  # by name, so that numpy need not be imported
            return part.tolist()
        raise TypeError(f"{path}: JSON cannot hold a {type(part).__name__}: {part!r:.80}")

    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False, default=plain) + "\n"
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
