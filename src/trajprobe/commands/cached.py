"""`trajprobe cache`: what TRAJPROBE_CACHE holds, whether it is whole, and how to make it smaller.

Three kinds of files: finished shards of features, downloads, and what has arrived of unfinished downloads. All of them
can be made or fetched again.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from trajprobe.commands.listing import console
from trajprobe.core import files, paths
from trajprobe.core.errors import UserError
from trajprobe.core.terminal import without_password
from trajprobe.download.cache import read_digest_record
from trajprobe.extract.shard_cache import ShardCache, cache_limit

RECORD, LOCK, PART = ".digest.json", ".lock", ".part"  # endings beside a download
DAY = 24 * 3600


@dataclass(frozen=True)
class CachedDownload:
    """A file below downloads/. source: its address, or empty if it is not on record. whole: False for a part of it."""

    path: Path
    bytes: int
    source: str
    whole: bool


def show_cache() -> None:
    """Print the sizes of shards and downloads, and the limit."""
    cache = ShardCache(paths.finished_work("features"))
    shards = cache.shards()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column in ("what", "GB", "last used"):
        table.add_column(column, justify="left" if column == "what" else "right")
    last = max((shard.used for shard in shards), default=None)
    table.add_row(
        f"{len(shards)} shards of features", _gigabytes(sum(shard.bytes for shard in shards)), _ago(last)
    )
    for download in _downloads():
        name = "/".join(download.path.parts[-1:])
        state = "" if download.whole else ", unfinished: the next fetch continues it"
        table.add_row(
            Text(f"{name}{state}  {download.source}"),
            _gigabytes(download.bytes),
            _ago(download.path.stat().st_mtime),
        )
    out = console()
    if cache.store.bounded:
        place = f"{paths.cache_folder()} (TRAJPROBE_CACHE)"
        rule = f"After each extraction the least recently used shards beyond {cache_limit() / 1e9:g} GB are removed "
        rule += "(TRAJPROBE_CACHE_LIMIT)"
    else:
        place = f"shards: {cache.place} (TRAJPROBE_CACHE), downloads: {paths.cache_folder()}"
        rule = "Shards at an address stay until `trajprobe cache prune`, or a rule of the store, removes them"
    out.print(Text(without_password(place)))
    out.print(table)
    out.print(f"{rule}; downloads stay until `trajprobe cache prune --downloads`.")


def verify_cache() -> str:
    """Read every shard and download; returns how many are whole. Raises UserError if one is damaged.

    Damaged ones need no repair: a shard is computed again, and a file is fetched again, when it is next needed.
    """
    cache = ShardCache(paths.finished_work("features"))
    shards = cache.shards()
    damaged = [f"{cache.place}/{shard.name}" for shard in shards if not cache.is_whole(shard)]
    downloads = [download for download in _downloads() if download.whole]
    for download in downloads:
        try:
            if read_digest_record(download.path).get("sha256") != files.sha256(download.path):
                damaged.append(str(download.path))
        except UserError:
            damaged.append(str(download.path))
    total = len(shards) + len(downloads)
    if damaged:
        raise UserError(
            f"{damaged[0]}: is damaged, or was never verified"
            + (f", as are {len(damaged) - 1} more" if len(damaged) > 1 else "")
            + f" of {total} files; `trajprobe cache prune --damaged` removes them, and they are made again when needed"
        )
    return f"{total} files are whole"


def prune_cache(gigabytes: float | None, downloads: bool, damaged: bool) -> str:
    """Remove shards beyond the limit (or `gigabytes`), abandoned scratch folders, and what else is asked for.

    downloads: all of them, and parts of them, that no process fetches at this moment. damaged: shards and downloads
    whose digest does not fit. Returns what was removed. Nothing but the cache's own files is touched.
    """
    cache = ShardCache(paths.finished_work("features"))
    before = cache.shards()
    removed = Counter[str]()
    if damaged:
        for shard in before:
            if not cache.is_whole(shard):
                cache.remove(shard)
    cache.prune(cache_limit() if gigabytes is None else gigabytes * 1e9)
    after = {shard.name for shard in cache.shards()}
    gone = [shard for shard in before if shard.name not in after]
    removed["shards"] = len(gone)
    freed = sum(shard.bytes for shard in gone)
    for download in list(_downloads()):
        broken = damaged and download.whole and not _fits_record(download.path)
        if (downloads or broken) and _remove_download(download.path):
            removed["downloads"] += 1
            freed += download.bytes
    counts = ", ".join(f"{count} {kind}" for kind, count in removed.items() if count) or "nothing"
    return f"removed: {counts}; {freed / 1e9:.2f} GB"


def _downloads() -> Iterator[CachedDownload]:
    root = paths.cache_folder() / "downloads"
    for path in sorted(root.glob("*/**/*")):
        if path.is_symlink() or not path.is_file() or path.name.endswith((RECORD, LOCK, f"{PART}.json")):
            continue
        whole = not path.name.endswith(PART)
        source = ""
        if whole:
            with contextlib.suppress(UserError):
                source = str(read_digest_record(path).get("source", ""))
        yield CachedDownload(path, path.stat().st_size, source, whole)


def _fits_record(path: Path) -> bool:
    with contextlib.suppress(UserError):
        return read_digest_record(path).get("sha256") == files.sha256(path)
    return False


def _remove_download(path: Path) -> bool:
    """Remove a download with its notes, unless a process fetches it at this moment. The first digest seen is kept."""
    name = path.name.rsplit(".", 2)[0] if path.name.endswith(PART) else path.name
    try:
        with FileLock(path.with_name(name + LOCK), timeout=0):
            path.unlink(missing_ok=True)
            path.with_name(f"{path.name}.json").unlink(missing_ok=True)
            return True
    except Timeout:
        return False


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3f}"


def _ago(moment: float | None) -> str:
    if moment is None:
        return ""
    days = int((time.time() - moment) / DAY)
    return "today" if days < 1 else f"{days} days ago" if days > 1 else "yesterday"
