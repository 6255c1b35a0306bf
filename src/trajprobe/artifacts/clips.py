"""data/videos.zarr: the clips, uint8 (N, T, H, W, 3) as Zarr v3, in the order of the trajectories.

A chunk is a few clips, compressed by zstd with a checksum; a shard is a file of many chunks. Zarr itself reads a
missing or empty shard as zeros, so opening a store checks that all of them are there. The attributes say for which
items the clips were drawn, and how; a digest among them covers all of zarr.json.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from trajprobe.core.errors import UserError
from trajprobe.core.files import atomic

VERSION = 3  # of this layout
CHUNK_BYTES = 2**20  # of clips that are compressed together and read at once
SHARD_BYTES = 128 * 2**20  # of clips in a file, before compression; writing holds one shard in memory
MOST_SHARDS = 300  # beyond this many files, shards grow instead
LEVEL = 3  # of zstd
METADATA = "zarr.json"
DIGEST = "sha256"  # the attribute
BLANK = "0" * 64
Shape = tuple[int, int, int, int, int]  # N, T, H, W, 3
RENDER = "run `dvc repro render`"
RESTORE = f"{RENDER}, or `dvc pull` to fetch it again"


def write_clips(
    path: Path | str, shape: Shape, batches: Iterable[np.ndarray], *, items: str, drawn: Mapping[str, str]
) -> None:
    """Write the clips of `batches`, each (b, T, H, W, 3) uint8 with any b, as a store of `shape` at `path`.

    items: the `items_digest` of the N items, in the order of the clips. drawn: how they were drawn (content, view,
    trail). The same arguments give the same bytes however the clips are batched. Raises ValueError if the clips do
    not have `shape`.
    """
    chunk, shard = layout(shape)
    described = {"items": items, "drawn": dict(sorted(drawn.items()))}
    with atomic(path) as temporary:
        array = zarr.create_array(
            store=temporary,
            shape=shape,
            chunks=(chunk, *shape[1:]),
            shards=(shard, *shape[1:]),
            dtype="uint8",
            compressors=[ZstdCodec(level=LEVEL, checksum=True)],
            fill_value=0,
            attributes={"trajprobe_clips": VERSION, **described, DIGEST: BLANK},
            config={"write_empty_chunks": True},
            zarr_format=3,
        )
        written = 0
        for part in _regroup(batches, shape, shard):
            array[written : written + len(part)] = part
            written += len(part)
        if written != shape[0]:
            raise ValueError(f"expected {shape[0]} clips, got {written}")
        metadata = (temporary / METADATA).read_bytes()
        digest = hashlib.sha256(metadata).hexdigest()
        (temporary / METADATA).write_bytes(metadata.replace(_attribute(BLANK), _attribute(digest)))


def layout(shape: Shape) -> tuple[int, int]:
    """Clips in a chunk, and clips in a shard (a whole number of chunks), for a store of `shape`."""
    clip_bytes = int(np.prod(shape[1:]))
    chunk = max(1, CHUNK_BYTES // clip_bytes)
    clips = max(SHARD_BYTES // clip_bytes, -(-shape[0] // MOST_SHARDS), 1)
    return chunk, -(-min(clips, shape[0]) // chunk) * chunk


class Clips:
    """Clips on disk: a slice reads clips as uint8 (n, T, H, W, 3).

    shape: (N, T, H, W, 3). items: the `items_digest` of the N items. drawn: how they were drawn (content, view, trail).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._array = zarr.open_array(store=path, mode="r", zarr_format=3)
        self.shape: Shape = self._array.shape
        self.items: str = self._array.attrs["items"]
        self.drawn: dict[str, str] = dict(self._array.attrs["drawn"])

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Raises UserError if the bytes on disk do not match their checksums."""
        try:
            return np.asarray(self._array[rows])
        except (ValueError, RuntimeError, OSError) as error:
            raise UserError(f"{self._path}: damaged ({error}); {RESTORE}") from None

    def check_items(self, items: str) -> None:
        """Raises UserError unless the clips were drawn for the items whose `items_digest` is `items`."""
        if self.items != items:
            raise UserError(f"{self._path}: was drawn for other trajectories than there are now; {RENDER}")


def open_clips(path: Path | str) -> Clips:
    """Open the store at `path` for reading. Raises UserError if it is missing, incomplete, or of another layout."""
    path = Path(path)
    try:
        content = (path / METADATA).read_bytes()
        metadata = json.loads(content)
        version = metadata["attributes"]["trajprobe_clips"]
        if version != VERSION:
            raise UserError(f"{path}: expected clips of layout {VERSION}, found layout {version}; {RENDER}")
        digest = metadata["attributes"][DIGEST]
        blank = content.replace(_attribute(digest), _attribute(BLANK))
        if digest != hashlib.sha256(blank).hexdigest():
            raise UserError(
                f"{path}: damaged (the bytes of {METADATA} are not those that were written); {RESTORE}"
            )
        shards = -(-metadata["shape"][0] // metadata["chunk_grid"]["configuration"]["chunk_shape"][0])
        clips = Clips(path)
    except FileNotFoundError:
        raise UserError(f"{path}: is missing; {RESTORE}") from None
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(f"{path}: not a clip store ({METADATA} cannot be understood); {RESTORE}") from None
    for index in range(shards):
        file = path / "c" / str(index) / "0/0/0/0"
        if not file.is_file() or file.stat().st_size == 0:
            raise UserError(f"{path}: incomplete: {file.relative_to(path)} is missing or empty; {RESTORE}")
    return clips


def _attribute(digest: str) -> bytes:
    """As zarr.json has it; the digest is that of the file with BLANK in its place."""
    return f'"{DIGEST}": "{digest}"'.encode()


def _regroup(batches: Iterable[np.ndarray], shape: tuple[int, ...], size: int) -> Iterator[np.ndarray]:
    """The clips of `batches` in groups of exactly `size`, the last one perhaps smaller, in one reused buffer."""
    buffer = np.empty((size, *shape[1:]), np.uint8)
    held = 0
    for batch in batches:
        if batch.dtype != np.uint8 or batch.shape[1:] != shape[1:]:
            raise ValueError(
                f"expected uint8 clips of shape {shape[1:]}, got {batch.dtype} {batch.shape[1:]}"
            )
        taken = 0
        while taken < len(batch):
            part = batch[taken : taken + size - held]
            buffer[held : held + len(part)] = part
            held, taken = held + len(part), taken + len(part)
            if held == size:
                yield buffer
                held = 0
    if held:
        yield buffer[:held]
