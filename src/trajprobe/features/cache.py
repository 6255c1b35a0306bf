"""Finished pieces of extraction, kept outside the repository so that a killed run goes on where it was.

A shard is what one arm gave for one run of consecutive clips. It is stored under a key made of everything that
decides its content, so it is never stale, only absent; two runs that want the same shard write the same bytes, each
atomically, and never disturb each other. A shard carries the digest of its content: one with a flipped or missing
byte is treated as absent and built anew.

The cache is bounded: after an extraction the shards that were not used for longest are dropped until
TRAJPROBE_CACHE_LIMIT gigabytes (20 by default) are left. Deleting the folder by hand is always safe.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from trajprobe.errors import UserError
from trajprobe.files import atomic

LIMIT = 20.0  # gigabytes
ABANDONED = 24 * 3600  # seconds after which the leftovers of a killed write are swept up


def shard_key(identity: Mapping[str, Any]) -> str:
    """Hex SHA-256 of a JSON description of everything that decides a shard's content."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, allow_nan=False).encode()).hexdigest()


class ShardCache:
    """Shards by key: dictionaries of float32 arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> "ShardCache":
        """The folder `features` in TRAJPROBE_CACHE."""
        return cls(Path(os.environ.get("TRAJPROBE_CACHE") or "~/.cache/trajprobe").expanduser() / "features")

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The shard under `key`, or None where there is none that is whole."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, payload = content[:32], content[32:]
        if hashlib.sha256(payload).digest() != digest:
            return None
        try:
            arrays = load(payload)
        except (
            SafetensorError,
            ValueError,
        ):  # pragma: no cover - would need a broken file with a right digest
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now: the last to be dropped
        return arrays

    def put(self, key: str, arrays: dict[str, np.ndarray]) -> None:
        """Keep a shard. Raises UserError where the cache cannot be written to."""
        payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        try:
            with atomic(self._path(key)) as temporary:
                temporary.write_bytes(hashlib.sha256(payload).digest() + payload)
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot keep a finished shard ({error.strerror}); make room there, or set "
                "TRAJPROBE_CACHE to a folder with some"
            ) from None

    def prune(self) -> None:
        """Drop the shards that were not used for longest, until the limit is kept; sweep up what killed runs left."""
        found = []
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):  # another run may be pruning, too
                status = path.stat()
                if path.suffix == ".shard":
                    found.append((status.st_mtime, status.st_size, path))
                elif time.time() - status.st_mtime > ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)
        excess = sum(size for _, size, _ in found) - _limit()
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.shard"


def _limit() -> float:
    """Bytes that the cache may hold. Raises UserError where TRAJPROBE_CACHE_LIMIT is not a number of gigabytes."""
    text = os.environ.get("TRAJPROBE_CACHE_LIMIT") or str(LIMIT)
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise UserError(f"TRAJPROBE_CACHE_LIMIT: must be a number of gigabytes, at least 0, got {text!r}")
    return limit * 1e9
