"""The cache of finished shards, outside the repository: a killed extraction resumes at the first missing shard.

A shard is what one arm gives for a run of consecutive clips. It is stored under a key made of everything that decides
its content, so it is never stale, only absent. Two runs that need the same shard write the same bytes, each
atomically, and do not disturb each other. A file begins with the SHA-256 of its key and its content: a shard with a
flipped or missing byte, or under the key of another one, is treated as absent and computed again.

The cache is bounded: after an extraction the least recently used shards are removed until TRAJPROBE_CACHE_LIMIT
gigabytes (20 by default) are left. The folder may be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError
from safetensors.numpy import load, save

from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic

LIMIT = 20.0  # gigabytes
ABANDONED = 24 * 3600  # seconds after which the scratch folder of a killed writer is removed
SHARD_FILE = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.shard")
SCRATCH_FOLDER = re.compile(r"([0-9a-f]{2})/\.\1[0-9a-f]{62}\.shard\.[^/]+\.part")  # of core/files.atomic


def shard_key(identity: Mapping[str, Any]) -> str:
    """Hex SHA-256 of a JSON description of everything that decides a shard's content."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, allow_nan=False).encode()).hexdigest()


@dataclass(frozen=True)
class StoredShard:
    """A file of the cache. used: seconds since 1970."""

    path: Path
    bytes: int
    used: float


class ShardCache:
    """Shards by key: dictionaries of named arrays, in files <first two digits of the key>/<key>.shard of `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(
        self, key: str, names: Collection[str], shape: tuple[int | None, ...], dtype: DTypeLike = np.float32
    ) -> dict[str, np.ndarray] | None:
        """The shard under `key`, or None unless it is whole and what the caller expects.

        names: of the arrays, exactly. shape: of each of them, None for any length. dtype: of each; all are finite.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, payload = content[:32], content[32:]
        if _digest(key, payload) != digest:
            return None
        try:
            arrays = load(payload)
        except (SafetensorError, ValueError):
            return None
        if arrays.keys() != set(names) or not all(_fits(array, shape, dtype) for array in arrays.values()):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of its last use, for `prune`
        return arrays

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store a shard. Raises UserError if the cache cannot be written to."""
        payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        try:
            with atomic(self._path(key)) as temporary:
                temporary.write_bytes(_digest(key, payload) + payload)
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot store a finished shard ({error.strerror}); free some space there, or set "
                "TRAJPROBE_CACHE to another folder"
            ) from None

    def shards(self) -> list[StoredShard]:
        """All shards, the least recently used first."""
        found = []
        for path in self._entries():
            with contextlib.suppress(OSError):  # another run may be pruning
                status = path.lstat()
                if SHARD_FILE.fullmatch(path.relative_to(self.folder).as_posix()) and stat.S_ISREG(
                    status.st_mode
                ):
                    found.append(StoredShard(path, status.st_size, status.st_mtime))
        return sorted(found, key=lambda shard: (shard.used, shard.bytes, shard.path))

    def is_whole(self, path: Path) -> bool:
        """Whether a shard's bytes are those that were stored under its key."""
        try:
            content = path.read_bytes()
        except OSError:
            return False
        return _digest(path.stem, content[32:]) == content[:32]

    def prune(self, limit: float | None = None) -> None:
        """Remove the least recently used shards beyond `limit` bytes, and what killed writers left.

        limit: by default TRAJPROBE_CACHE_LIMIT. Nothing else in the folder is touched, and no symbolic link below it is
        followed. Raises UserError if TRAJPROBE_CACHE_LIMIT is not a number of gigabytes.
        """
        for path in self._entries():
            with contextlib.suppress(OSError):  # another run may be pruning as well
                old = time.time() - path.lstat().st_mtime > ABANDONED
                if old and SCRATCH_FOLDER.fullmatch(path.relative_to(self.folder).as_posix()):
                    shutil.rmtree(path, ignore_errors=True)  # which refuses a link
        shards = self.shards()
        excess = sum(shard.bytes for shard in shards) - (cache_limit() if limit is None else limit)
        for shard in shards:
            if excess <= 0:
                return
            shard.path.unlink(missing_ok=True)
            excess -= shard.bytes

    def _entries(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            for folder in self.folder.iterdir():
                if not folder.is_symlink():
                    with contextlib.suppress(OSError):  # a file, or removed by another run
                        yield from folder.iterdir()

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.shard"


def _digest(key: str, payload: bytes) -> bytes:
    return hashlib.sha256(key.encode() + payload).digest()


def _fits(array: np.ndarray, shape: tuple[int | None, ...], dtype: DTypeLike) -> bool:
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for length, wanted in zip(array.shape, shape, strict=True)
    )
    return fits and array.dtype == dtype and bool(np.isfinite(array).all())


def cache_limit() -> float:
    """Bytes that the cache may hold. Raises UserError if TRAJPROBE_CACHE_LIMIT is not a number of gigabytes."""
    text = os.environ.get("TRAJPROBE_CACHE_LIMIT") or str(LIMIT)
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise UserError(f"TRAJPROBE_CACHE_LIMIT: must be a number of gigabytes, at least 0, got {text!r}")
    return limit * 1e9
