"""What an extraction has to do: a unit for each arm and shard of clips, in order, read ahead of the encoder.

Every arm needs the same clips in the same order. The first shards, up to KEPT bytes, stay in memory, so that a set of
usual size is read and decompressed once, however many arms there are. Of a larger set the rest is read again for each
arm, by a thread, while the encoder works. To keep the most recent shards instead would never serve a scan that starts
over, and to keep all would let memory grow with the number of clips.

Preprocessing is repeated for each arm: it is a part of the encoder, runs where the encoder runs, and its results are
many times as large as the clips.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from trajprobe.artifacts.clips import Clips
from trajprobe.core.parallel import bounded_map
from trajprobe.extract.shard_cache import ShardCache, shard_key

KEPT = 256 * 2**20  # bytes: a thousand clips of 5 frames of 128 pixels
Arrays = dict[str, np.ndarray]  # "<layer>/<pooling>" -> (n, D) float32


@dataclass(frozen=True)
class WorkUnit:
    """A shard of one arm: `count` clips from row `start` on. Either `stored` or `clips` is there, the other is None.

    arm: its index. key: of the shard. stored: the features that the cache has. clips: (count, T, H, W, 3) uint8.
    """

    arm: int
    start: int
    count: int
    key: str
    stored: Arrays | None
    clips: np.ndarray | None


class ShardReader:
    """Runs of `size` consecutive clips, numbered from 0, the last one perhaps shorter.

    most: bytes of clips to keep, of the shards that are read first.
    """

    def __init__(self, clips: Clips, size: int, most: int = KEPT) -> None:
        self._clips, self._size, self._left = clips, size, most
        self._kept: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return -(-self._clips.shape[0] // self._size)

    def rows(self, number: int) -> slice:
        """Of the shard's clips."""
        return slice(number * self._size, min((number + 1) * self._size, self._clips.shape[0]))

    def read(self, number: int) -> np.ndarray:
        """(n, T, H, W, 3) uint8, not to be changed. Raises UserError if the bytes on disk are damaged."""
        if number in self._kept:
            return self._kept[number]
        shard = self._clips[self.rows(number)]
        self._left -= shard.nbytes
        if self._left >= 0:
            self._kept[number] = shard
        return shard


def work_units(
    identities: Sequence[Mapping[str, Any]],
    digests: Sequence[str],
    names: Collection[str],
    reader: ShardReader,
    cache: ShardCache,
) -> Iterator[WorkUnit]:
    """One unit for each arm and shard, arms one after the other; a thread prepares the next one.

    identities: of the arms, with that of the settings. digests: of the clips of each shard. names: of the arrays.
    """

    def prepare(place: tuple[int, int]) -> WorkUnit:
        arm, number = place
        rows = reader.rows(number)
        key = shard_key({**identities[arm], "clips": digests[number]})
        stored = cache.get(key, names, (rows.stop - rows.start, None))
        clips = reader.read(number) if stored is None else None
        return WorkUnit(arm, rows.start, rows.stop - rows.start, key, stored, clips)

    yield from bounded_map(prepare, product(range(len(identities)), range(len(reader))), workers=1)
