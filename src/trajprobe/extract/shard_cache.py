"""The cache of finished shards, outside the repository: a killed extraction resumes at the first missing shard.

A shard is what one arm gives for a run of consecutive clips. It is stored under a key made of everything that decides
its content, so it is never stale, only absent. Two runs that need the same shard write the same bytes, each
atomically, and do not disturb each other. A file begins with the SHA-256 of its key and its content: a shard with a
flipped or missing byte, or under the key of another one, is treated as absent and computed again.

A cache in a folder is bounded: after an extraction the least recently used shards are removed until
TRAJPROBE_CACHE_LIMIT gigabytes (20 by default) are left. At an address, which machines may share, nothing is removed by
itself. The cache may be deleted at any time.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError
from safetensors.numpy import load, save

from trajprobe.core.errors import UserError
from trajprobe.core.store import StoredFile, open_store

LIMIT = 20.0  # gigabytes
SHARD_FILE = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}\.shard")


def shard_key(identity: Mapping[str, Any]) -> str:
    """Hex SHA-256 of a JSON description of everything that decides a shard's content."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True, allow_nan=False).encode()).hexdigest()


class ShardCache:
    """Shards by key: dictionaries of named arrays, in files <first two digits of the key>/<key>.shard.

    place: a folder, or an address (see core/store).
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self.store = open_store(place)

    def get(
        self, key: str, names: Collection[str], shape: tuple[int | None, ...], dtype: DTypeLike = np.float32
    ) -> dict[str, np.ndarray] | None:
        """The shard under `key`, or None unless it is whole and what the caller expects.

        names: of the arrays, exactly. shape: of each of them, None for any length. dtype: of each; all are finite.
        Raises UserError if the place is an address that does not answer, or that cannot be written to.
        """
        content = self.store.read(_name(key))
        if content is None:
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
        self.store.used(_name(key))
        return arrays

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store a shard. Raises UserError if the cache cannot be written to."""
        payload = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        try:
            self.store.write(_name(key), _digest(key, payload) + payload)
        except OSError as error:
            raise UserError(
                f"{self.place}: cannot store a finished shard ({error.strerror}); free some space there, or set "
                "TRAJPROBE_CACHE to another folder"
            ) from None

    def shards(self) -> list[StoredFile]:
        """All shards, the least recently used first."""
        found = [file for file in self.store.files() if SHARD_FILE.fullmatch(file.name)]
        return sorted(found, key=lambda shard: (shard.used, shard.bytes, shard.name))

    def is_whole(self, shard: StoredFile) -> bool:
        """Whether a shard's bytes are those that were stored under its key."""
        content = self.store.read(shard.name)
        return content is not None and _digest(Path(shard.name).stem, content[32:]) == content[:32]

    def remove(self, shard: StoredFile) -> None:
        self.store.remove(shard.name)

    def prune(self, limit: float | None = None) -> None:
        """Remove the least recently used shards beyond `limit` bytes, and what killed writers left.

        limit: by default TRAJPROBE_CACHE_LIMIT in a folder; at an address, which other machines use as well, then
        nothing is removed. Nothing else in the place is touched, and no symbolic link below it is followed. Raises
        UserError if TRAJPROBE_CACHE_LIMIT is not a number of gigabytes.
        """
        if limit is None:
            if not self.store.bounded:
                return
            limit = cache_limit()
        self.store.sweep(SHARD_FILE)
        shards = self.shards()
        excess = sum(shard.bytes for shard in shards) - limit
        for shard in shards:
            if excess <= 0:
                return
            self.remove(shard)
            excess -= shard.bytes


def _name(key: str) -> str:
    return f"{key[:2]}/{key}.shard"


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
